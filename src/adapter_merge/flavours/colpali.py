"""The ColPali family: one vector for each token of a query and each patch of a page."""

from __future__ import annotations

from adapter_merge.flavours.flavour import arguments
from adapter_merge.flavours.look import Look

# Class -> processor in colpali-engine, which transformers doesn't know. `BiPaliProcessor` isn't there:
# transformers 5 reads off the names of its arguments which parts to load, and it has none.
# Source: colpali_engine/models/__init__.py, 0.3.18.
PROCESSORS = {
    "BiGemma3": "BiGemmaProcessor3",
    "BiIdefics3": "BiIdefics3Processor",
    "BiModernVBert": "BiModernVBertProcessor",
    "BiPali": "ColPaliProcessor",
    "BiPaliProj": "ColPaliProcessor",
    "BiQwen2": "BiQwen2Processor",
    "BiQwen2_5": "BiQwen2_5_Processor",
    "BiQwen3": "BiQwen3Processor",
    "BiQwen3_5": "BiQwen3_5Processor",
    "ColGemma3": "ColGemmaProcessor3",
    "ColIdefics3": "ColIdefics3Processor",
    "ColModernVBert": "ColModernVBertProcessor",
    "ColPali": "ColPaliProcessor",
    "ColQwen2": "ColQwen2Processor",
    "ColQwen2_5": "ColQwen2_5_Processor",
    "ColQwen2_5Omni": "ColQwen2_5OmniProcessor",
    "ColQwen3": "ColQwen3Processor",
    "ColQwen3_5": "ColQwen3_5Processor",
}
# Without a table of old names they ask transformers for its own, which version 5 hasn't.
# Source: colpali_engine/models/qwen2/biqwen2/modeling_biqwen2.py, `from_pretrained`, 0.3.18.
UNTABLED = frozenset({"BiGemma3", "BiQwen2", "BiQwen2_5"})
# Where patches lie in a page is asked of nobody: a class that isn't told counts them like words.
# Source: transformers/models/colqwen2/modeling_colqwen2.py, `forward`, 5.23.0.
UNPLACED = frozenset({"ColQwen2ForRetrieval"})
_PLACES = """\
pages["position_ids"], _ = model.vlm.get_rope_index(
    pages["input_ids"],
    image_grid_thw=pages["image_grid_thw"],
    attention_mask=pages["attention_mask"],
    mm_token_type_ids=(pages["input_ids"] == model.config.vlm_config.image_token_id).int(),
)
"""


class Native:
    """A retrieval class of transformers (`ColPaliForRetrieval`)."""

    library_name = "transformers"

    def fits(self, look: Look) -> bool:
        """Such classes end in `ForRetrieval`."""
        return look.architecture.startswith("Col") and look.architecture.endswith("ForRetrieval")

    def pipeline_tag(self, look: Look) -> str:
        """Pages are found by their picture."""
        return "visual-document-retrieval"

    def snippet(self, look: Look, source: str, revision: str | None) -> str:
        """A query and a page, scored."""
        model = look.architecture
        processor = model.replace("ForRetrieval", "Processor")
        head = _load("transformers", model, processor, arguments(source, revision, look))
        places = _PLACES if model in UNPLACED else ""
        return f"""{head}{places}\
with torch.inference_mode():
    query, page = model(**queries).embeddings, model(**pages).embeddings
print(processor.score_retrieval(query, page))
"""


class Engine:
    """A class of colpali-engine (`ColQwen2`), or its kind of one vector (`BiQwen2`)."""

    # Not `colpali`: the Hub counts that library's downloads by `adapter_config.json`.
    library_name = "colpali-engine"

    def fits(self, look: Look) -> bool:
        """By the name of the class."""
        return look.architecture in PROCESSORS

    def pipeline_tag(self, look: Look) -> str:
        """Pages are found by their picture."""
        return "visual-document-retrieval"

    def snippet(self, look: Look, source: str, revision: str | None) -> str:
        """A query and a page, scored."""
        model = look.architecture
        where = arguments(source, revision, look)
        score = "score_single_vector" if model.startswith("Bi") else "score_multi_vector"
        return f"""{_load("colpali_engine.models", model, PROCESSORS[model], where)}\
with torch.inference_mode():
    query, page = model(**queries), model(**pages)
print(processor.{score}(query, page))
"""


def _load(package: str, model: str, processor: str, where: str) -> str:
    table = ", key_mapping={}" if model in UNTABLED else ""
    return f"""\
import torch
from PIL import Image
from {package} import {model}, {processor}

model = {model}.from_pretrained({where}{table}).eval()
processor = {processor}.from_pretrained({where})
queries = processor.process_queries(["What does the chart show?"])
pages = processor.process_images([Image.new("RGB", (448, 448), "white")])
"""
