"""Encoders: with a head for a task, or bare."""

from __future__ import annotations

from adapter_merge.flavours.flavour import arguments
from adapter_merge.flavours.look import Look

# How a class with a head ends -> the task, and what its pipeline is asked.
_TASKS = {
    "ForSequenceClassification": ("text-classification", '"A fine day."'),
    "ForTokenClassification": ("token-classification", '"Anna lives in Oslo."'),
    "ForMaskedLM": ("fill-mask", 'f"Anna lives in {ask.tokenizer.mask_token}."'),
    "ForImageClassification": ("image-classification", 'Image.new("RGB", (224, 224), "white")'),
}


class Headed:
    """An encoder with a head that a pipeline of transformers knows."""

    library_name = "transformers"

    def fits(self, look: Look) -> bool:
        """By the end of the class's name."""
        return _ending(look) is not None

    def pipeline_tag(self, look: Look) -> str | None:
        """The pipeline's own name."""
        ending = _ending(look)
        return _TASKS[ending][0] if ending else None

    def snippet(self, look: Look, source: str, revision: str | None) -> str:
        """One call of the pipeline."""
        task, question = _TASKS[_ending(look) or "ForSequenceClassification"]
        pillow = "from PIL import Image\n" if "Image" in question else ""
        return f"""\
{pillow}from transformers import pipeline

ask = pipeline("{task}", model={arguments(source, revision, look)})
print(ask({question}))
"""


class Answering:
    """An encoder that finds an answer in a text; transformers has no pipeline for it any more."""

    library_name = "transformers"

    def fits(self, look: Look) -> bool:
        """By the end of the class's name."""
        # XLM, XLNet and Flaubert have a second head of that kind, which is not the one of the Auto class.
        return look.architecture.endswith(("ForQuestionAnswering", "ForQuestionAnsweringSimple"))

    def pipeline_tag(self, look: Look) -> str:
        """The Hub still knows the task."""
        return "question-answering"

    def snippet(self, look: Look, source: str, revision: str | None) -> str:
        """The best span of one text."""
        where = arguments(source, revision, look)
        return f"""\
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

model = AutoModelForQuestionAnswering.from_pretrained({where})
tokenizer = AutoTokenizer.from_pretrained({where})
inputs = tokenizer("Where does Anna live?", "Anna lives in Oslo.", return_tensors="pt")
with torch.inference_mode():
    spans = model(**inputs)
first, last = int(spans.start_logits.argmax()), int(spans.end_logits.argmax())
print(tokenizer.decode(inputs["input_ids"][0, first : last + 1]))
"""


def _ending(look: Look) -> str | None:
    return next((e for e in _TASKS if look.architecture.endswith(e)), None)


class Bare:
    """Everything else: the model without a task."""

    library_name = "transformers"

    def fits(self, look: Look) -> bool:
        """Always: this one stands last."""
        return True

    def pipeline_tag(self, look: Look) -> str | None:
        """Vectors, where there is a tokenizer to make them from text."""
        return "feature-extraction" if _reads_text(look) else None

    def snippet(self, look: Look, source: str, revision: str | None) -> str:
        """Vectors of a text, or the bare model where no text goes in."""
        where = arguments(source, revision, look)
        if not _reads_text(look):
            return f"""\
from transformers import AutoModel

model = AutoModel.from_pretrained({where})
"""
        return f"""\
import torch
from transformers import AutoModel, AutoTokenizer

model = AutoModel.from_pretrained({where})
tokenizer = AutoTokenizer.from_pretrained({where})
inputs = tokenizer(["Where is the harbour?"], return_tensors="pt")
with torch.inference_mode():
    print(model(**inputs).last_hidden_state.shape)
"""


def _reads_text(look: Look) -> bool:
    return any("/" not in f and "tokenizer" in f for f in look.files) or "vocab.txt" in look.files
