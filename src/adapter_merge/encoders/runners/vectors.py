"""The ColPali family: a vector for each token of a query and each patch of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_merge.encoders.inputs import Inputs
from adapter_merge.encoders.runners.runner import (
    TRANSFORMERS,
    Running,
    WithProcessor,
    array,
    lacks_processor,
    mask_of,
    options,
    placed,
)
from adapter_merge.flavours import Look
from adapter_merge.flavours.colpali import PROCESSORS, UNPLACED, UNTABLED

if TYPE_CHECKING:
    from PIL.Image import Image

    from adapter_merge.encoders.rows import Outputs, Rows


@dataclass(frozen=True, kw_only=True)
class _Family(WithProcessor):
    """A loaded class and its processor."""

    def run(self, inputs: Inputs, pages: Sequence[Image]) -> Outputs:
        process = self.processor
        outputs = self._rows("query", process.process_queries(list(inputs.queries)))
        if pages:
            outputs |= self._rows("page", process.process_images(list(pages)))
        return outputs

    def _rows(self, what: str, read: Any) -> dict[str, Rows]:
        """Many vectors for each input, or one from a class that pools."""
        import torch

        from adapter_merge.encoders.rows import Rows

        given = read.to(self.model.device)
        if self.kind in UNPLACED and "image_grid_thw" in given:
            given["position_ids"] = self._places(given)
        with torch.inference_mode():
            out = self.model(**given)
        values = array(out if isinstance(out, torch.Tensor) else out.embeddings)
        if values.ndim == 2:
            return {f"{what}.pooled": Rows.single(values)}
        return {f"{what}.vectors": Rows.of(values, mask_of(read), zeroed=True)}

    def _places(self, given: Any) -> Any:
        """Where each patch lies in its page, as the card's snippet asks for it."""
        picture = self.model.config.vlm_config.image_token_id
        found, _ = self.model.vlm.get_rope_index(
            given["input_ids"],
            image_grid_thw=given["image_grid_thw"],
            attention_mask=given["attention_mask"],
            mm_token_type_ids=(given["input_ids"] == picture).int(),
        )
        return found


class _OfPages:
    sees: ClassVar[bool] = True

    def lacks(self, look: Look) -> str | None:
        """A processor of texts and pictures."""
        return lacks_processor(look)


class Native(_OfPages):
    """A retrieval class of transformers."""

    name: ClassVar[str] = "native"
    packages: ClassVar[tuple[str, ...]] = (*TRANSFORMERS, "pillow")

    def fits(self, look: Look) -> bool:
        """Such classes end in `ForRetrieval`."""
        return look.architecture.startswith("Col") and look.architecture.endswith("ForRetrieval")

    def load(self, folder: Path, device: str) -> _Family:
        """As the card's snippet does."""
        import transformers

        name = Look.at(folder).architecture
        return _opened(transformers, name, _processor(name), folder, device)


class Engine(_OfPages):
    """A class of colpali-engine."""

    name: ClassVar[str] = "engine"
    packages: ClassVar[tuple[str, ...]] = (*TRANSFORMERS, "pillow", "colpali-engine", "torchvision")

    def fits(self, look: Look) -> bool:
        """By the name of the class."""
        return look.architecture in PROCESSORS

    def load(self, folder: Path, device: str) -> _Family:
        """As the card's snippet does."""
        from colpali_engine import models

        name = Look.at(folder).architecture
        return _opened(models, name, PROCESSORS[name], folder, device)


def with_processor(running: Any, folder: Path) -> Running:
    """A model in transformers' form that gets what colpali-engine's would: `folder` has its processor."""
    from colpali_engine import models

    processor = getattr(models, PROCESSORS[Look.at(folder).architecture])
    read = processor.from_pretrained(folder, local_files_only=True)
    return _Family(model=running.model, processor=read)


def _processor(architecture: str) -> str:
    return architecture.replace("ForRetrieval", "Processor")


def _opened(package: Any, model: str, processor: str, folder: Path, device: str) -> _Family:
    given = options() | ({"key_mapping": {}} if model in UNTABLED else {})
    loaded = getattr(package, model).from_pretrained(folder, **given).eval()
    read = getattr(package, processor).from_pretrained(folder, local_files_only=True)
    return _Family(model=placed(loaded, device), processor=read)
