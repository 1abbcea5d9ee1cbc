"""What a runner is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from adapter_merge.encoders.inputs import Inputs
from adapter_merge.flavours import Look

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import nn

    from adapter_merge.encoders.rows import Outputs


class Running(Protocol):
    """A loaded model.

    Attributes:
        model: the transformers model inside, which adapters are put on.
        kind: the classes that the loader chose.
        facts: what a user reads off it besides vectors, such as its labels.
    """

    @property
    def model(self) -> nn.Module: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def facts(self) -> Mapping[str, object]: ...  # noqa: D102

    def spell(self, tokens: Sequence[int]) -> str:
        """A text of these tokens."""
        ...

    def run(self, inputs: Inputs, pages: Sequence[Image]) -> Outputs:
        """The outputs by group; names of groups from pages begin with `page.`."""
        ...


@dataclass(frozen=True, kw_only=True)
class WithProcessor:
    """A model and its processor: a `Running` but for `run`."""

    model: Any
    processor: Any

    @property
    def kind(self) -> str:
        """See `Running`."""
        return type(self.model).__name__

    @property
    def facts(self) -> Mapping[str, object]:
        """See `Running`."""
        return {}

    def spell(self, tokens: Sequence[int]) -> str:
        """See `Running`."""
        return spelt(self.processor.tokenizer, tokens)


class Runner(Protocol):
    """One kind of model repository, and how it runs.

    Attributes:
        name: its name in a job.
        packages: what it imports, by the names that pip knows.
        sees: whether it takes pictures.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def packages(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def sees(self) -> bool: ...  # noqa: D102

    def fits(self, look: Look) -> bool:
        """Whether it runs such a repository."""
        ...

    def lacks(self, look: Look) -> str | None:
        """What the repository itself lacks for it, as the end of "it needs ..."; None where it has all."""
        ...

    def load(self, folder: Path, device: str) -> Running:
        """Load it as its users do, in float32: what the weights are worth, without a program's rounding."""
        ...


TRANSFORMERS = ("torch", "transformers", "peft")
_TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
)
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")


def lacks_tokenizer(look: Look) -> str | None:
    """What a text needs first."""
    if any(name in look.files for name in _TOKENIZERS):
        return None
    return "a tokenizer, and the base brings none"


def lacks_processor(look: Look) -> str | None:
    """What texts and pictures need first."""
    if lacks_tokenizer(look) is None and not any(name in look.files for name in _PROCESSORS):
        return "an image processor, and the base brings none"
    return lacks_tokenizer(look)


def options() -> dict[str, Any]:
    """What every `from_pretrained` gets. A tensor of a wrong shape is left out, and told as unfilled."""
    import torch

    return {
        "dtype": torch.float32,
        "use_safetensors": True,
        "local_files_only": True,
        "ignore_mismatched_sizes": True,
    }


def placed(model: Any, device: str) -> Any:
    """The model on a device; what its class leaves on meta, as ColPali does with its head, stays there."""
    if device != "cpu":
        for tensor in (*model.parameters(), *model.buffers()):
            if not tensor.is_meta:
                tensor.data = tensor.data.to(device)
    return model


def spelt(tokenizer: Any, tokens: Sequence[int]) -> str:
    """A text that has these tokens, special ones too."""
    return " ".join(tokenizer.decode([token]) for token in tokens)


def array(tensor: Any) -> Any:
    """As float32 on the CPU."""
    return tensor.detach().float().cpu().numpy()


def mask_of(read: Any) -> Any:
    """Which tokens count, (inputs, tokens)."""
    return read["attention_mask"].bool().cpu().numpy()
