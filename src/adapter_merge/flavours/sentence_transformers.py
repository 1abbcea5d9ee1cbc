"""Sentence-transformers: a chain of modules around an encoder."""

from __future__ import annotations

from adapter_merge.flavours.flavour import arguments
from adapter_merge.flavours.look import Look

# Class -> how its model is asked. Source: `model_type` in sentence_transformers/*/model.py, 6.2.0.
_SIMILAR = """\
embeddings = model.encode(["Where is the harbour?", "The harbour lies in the north."])
print(model.similarity(embeddings, embeddings))
"""
_TWO_SIDES = """\
queries = model.encode_query(["Where is the harbour?"])
documents = model.encode_document([{document}])
print(model.similarity(queries, documents))
"""
_TEXT = '"The harbour lies in the north."'
_PAGE = 'Image.new("RGB", (448, 448), "white")'
_RANKED = """\
print(model.predict([("Where is the harbour?", "The harbour lies in the north.")]))
"""
# PyLate's name for what sentence-transformers took over.
_OTHER_NAMES = {"ColBERT": "MultiVectorEncoder"}


class SentenceTransformers:
    """A folder with `modules.json`, or the classifier that an older `CrossEncoder` saved without one."""

    library_name = "sentence-transformers"

    def fits(self, look: Look) -> bool:
        """Sentence-transformers itself looks for this file; a cross-encoder leaves a key in the config."""
        return "modules.json" in look.files or _is_older_ranker(look)

    def pipeline_tag(self, look: Look) -> str:
        """What sentence-transformers writes into its own cards; pages go before vectors."""
        match _kind(look):
            case "CrossEncoder":
                return "text-ranking" if _labels(look) == 1 else "text-classification"
            case "MultiVectorEncoder" if _sees(look):
                return "visual-document-retrieval"
            case "MultiVectorEncoder" | "SparseEncoder":
                return "feature-extraction"
            case _:
                return "sentence-similarity"

    def snippet(self, look: Look, source: str, revision: str | None) -> str:
        """Two texts compared, by the class that the repository was saved from."""
        kind = _kind(look)
        use = _use(look, kind)
        pillow = "from PIL import Image\n" if "Image" in use else ""
        return f"""\
{pillow}from sentence_transformers import {kind}

model = {kind}({arguments(source, revision, look)})
{use}"""


def _kind(look: Look) -> str:
    """The class; a repository that names none, or one that is unknown, is a `SentenceTransformer`."""
    if _is_older_ranker(look):
        return "CrossEncoder"
    said = look.setup.get("model_type")
    name = _OTHER_NAMES.get(said, said) if isinstance(said, str) else None
    known = ("CrossEncoder", "MultiVectorEncoder", "SparseEncoder")
    return name if name in known else "SentenceTransformer"


def _use(look: Look, kind: str) -> str:
    if kind == "CrossEncoder":
        return _RANKED
    prompts = look.setup.get("prompts")
    has_sides = isinstance(prompts, dict) and bool(prompts.get("query") or prompts.get("document"))
    if kind == "MultiVectorEncoder" or has_sides:
        return _TWO_SIDES.format(document=_PAGE if _sees(look) else _TEXT)
    return _SIMILAR


def _is_older_ranker(look: Look) -> bool:
    is_headed = look.architecture.endswith("ForSequenceClassification")
    return "modules.json" not in look.files and is_headed and "sentence_transformers" in look.config


def _labels(look: Look) -> int:
    """Rows of the classifier; transformers doesn't write its own default of two."""
    labels = look.config.get("id2label")
    return len(labels) if isinstance(labels, dict) else 2


def _sees(look: Look) -> bool:
    return "vision_config" in look.config or "vlm_config" in look.config
