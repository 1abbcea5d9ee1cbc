"""What an adapter changes: one file a kind, and the registry that finds the kind of an adapter."""

from __future__ import annotations

from typing import Protocol

from adapter_merge.adapters.claims import Claim, edits_of
from adapter_merge.adapters.contribution import Contribution
from adapter_merge.adapters.heads import architecture, labels
from adapter_merge.adapters.lora import Lora
from adapter_merge.adapters.refused import reason
from adapter_merge.adapters.rows import in_rows
from adapter_merge.adapters.saved_modules import is_wrapped
from adapter_merge.adapters.tokens import TrainableTokens
from adapter_merge.errors import AdapterKind
from adapter_merge.sources import Adapter, Base

__all__ = [
    "KINDS",
    "Claim",
    "Contribution",
    "Kind",
    "architecture",
    "edits_of",
    "in_rows",
    "is_wrapped",
    "kind_of",
    "labels",
]


class Kind(Protocol):
    """A method of adaptation that can be merged; `peft_type` as `adapter_config.json` spells it."""

    @property
    def peft_type(self) -> str: ...  # noqa: D102

    def read(self, adapter: Adapter, index: int, base: Base) -> tuple[Contribution, ...]:
        """Turn the adapter's tensors into contributions that use each of them exactly once.

        `index` is the adapter's place in the request. Shapes of the base are looked at later, when
        naming has found the tensors.

        Raises:
            AdapterKind: an option of the adapter can't be merged.
            PlanError: the adapter's file doesn't agree with itself or with its config.
        """
        ...


KINDS: tuple[Kind, ...] = (Lora(), TrainableTokens())


def kind_of(adapter: Adapter) -> Kind:
    """The kind of an adapter.

    Raises:
        AdapterKind: it has none, or one that isn't merged; the message has the reason.
    """
    peft_type = adapter.config.peft_type
    for kind in KINDS:
        if kind.peft_type == peft_type:
            return kind
    raise AdapterKind(
        f"`{adapter.pinned.source}` can't be merged: {reason(peft_type)}",
        hint="Serve it with PEFT beside its base, or train a LoRA.",
    )
