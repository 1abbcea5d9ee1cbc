"""Models that write, and see: logits for a text, and for a text with a picture in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_merge.encoders.inputs import Inputs
from adapter_merge.encoders.runners.runner import (
    TRANSFORMERS,
    WithProcessor,
    array,
    lacks_processor,
    mask_of,
    options,
    placed,
)
from adapter_merge.encoders.runners.text import last, tokens
from adapter_merge.flavours import Look

if TYPE_CHECKING:
    from PIL.Image import Image

    from adapter_merge.encoders.rows import Outputs, Rows

# Names under which processors keep the word that stands for a picture, the first that is there.
_WORDS = ("boi_token", "image_token")


class _Seeing(WithProcessor):
    """A model and its processor."""

    def run(self, inputs: Inputs, pages: Sequence[Image]) -> Outputs:
        config = self.model.config.get_text_config()
        read = tokens(self.processor.tokenizer, inputs.texts, config)
        read.pop("token_type_ids", None)
        outputs = {"text.logits": self._logits(read)}
        if pages:
            # One by one: pictures of several sizes make no batch for every processor.
            seen = [self._logits(self._with(page, inputs.queries[0])) for page in pages]
            outputs["page.logits"] = _joined(seen)
        return outputs

    def _with(self, page: Image, question: str) -> Any:
        text = self._asked(question)
        return self.processor(images=[page], text=[text], return_tensors="pt")

    def _asked(self, question: str) -> str:
        """A question below a picture: in the processor's own template, or behind its word for a picture."""
        if getattr(self.processor, "chat_template", None):
            content = [{"type": "image"}, {"type": "text", "text": question}]
            turns = [{"role": "user", "content": content}]
            given = {"add_generation_prompt": True, "tokenize": False}
            return str(self.processor.apply_chat_template(turns, **given))
        found = (getattr(self.processor, name, None) for name in _WORDS)
        word = next((w for w in found if isinstance(w, str)), "")
        return f"{word}{question}"

    def _logits(self, read: Any) -> Rows:
        import torch

        from adapter_merge.encoders.rows import Rows

        with torch.inference_mode():
            out = self.model(**read.to(self.model.device))
        return Rows.of(array(out.logits), last(mask_of(read)))


def _joined(parts: Sequence[Rows]) -> Rows:
    import numpy as np

    from adapter_merge.encoders.rows import Rows

    values, counts = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("values", "counts")
    )
    return Rows(values=values, counts=counts)


class Seeing:
    """A class that writes a text about a picture."""

    name: ClassVar[str] = "seeing"
    packages: ClassVar[tuple[str, ...]] = (*TRANSFORMERS, "pillow")
    sees: ClassVar[bool] = True

    def fits(self, look: Look) -> bool:
        """By the class's name and a tower in its config."""
        writes = look.architecture.endswith(
            ("ForConditionalGeneration", "ForVision2Seq", "ForImageTextToText")
        )
        return writes and "vision_config" in look.config and "audio_config" not in look.config

    def lacks(self, look: Look) -> str | None:
        """A processor of texts and pictures."""
        return lacks_processor(look)

    def load(self, folder: Path, device: str) -> _Seeing:
        """As the card's snippet does."""
        import transformers

        model = transformers.AutoModelForImageTextToText.from_pretrained(folder, **options())
        processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)
        return _Seeing(model=placed(model.eval(), device), processor=processor)
