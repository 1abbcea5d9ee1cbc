"""What an adapter changes: one file a kind, and the registry that finds the kind of an adapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from adapter_merge.adapters.claims import Claim, edits_of
from adapter_merge.adapters.contribution import Contribution
from adapter_merge.adapters.expert_orientation import Located
from adapter_merge.adapters.fused_experts import read_fused_experts
from adapter_merge.adapters.heads import architecture, labels
from adapter_merge.adapters.hollow.installed import require
from adapter_merge.adapters.layered import Layered
from adapter_merge.adapters.lora import Lora
from adapter_merge.adapters.refused import is_layered, reason
from adapter_merge.adapters.rows import in_piece, in_rows
from adapter_merge.adapters.saved_modules import is_table, is_wrapped
from adapter_merge.adapters.tokens import TrainableTokens
from adapter_merge.adapters.unsloth import FIELDS
from adapter_merge.errors import AdapterKind
from adapter_merge.methods import METHODS, Route
from adapter_merge.sources import Adapter, Base

__all__ = [
    "FIELDS",
    "KINDS",
    "Claim",
    "Contribution",
    "Kind",
    "Located",
    "architecture",
    "edits_of",
    "in_piece",
    "in_rows",
    "is_table",
    "is_wrapped",
    "kind_of",
    "labels",
    "read_fused_experts",
    "require_libraries",
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


# What PEFT's layers merge: every other method that has a merged form, and variants of LoRA.
LAYERED: Mapping[str, Kind] = {
    name: Layered(peft_type=name)
    for name, method in METHODS.items()
    if method.route is Route.LAYERS or name == "LORA"
}
KINDS: tuple[Kind, ...] = (Lora(), TrainableTokens())


def require_libraries(adapters: Iterable[Adapter]) -> None:
    """Make sure that this machine has what merges these adapters.

    Raises:
        MergeError: PEFT or transformers isn't installed, or in another version than was compared with.
        UnsupportedError: the installed PEFT doesn't have an adapter's method.
    """
    for adapter in adapters:
        if isinstance(kind := kind_of(adapter), Layered):
            require(kind.peft_type, label=adapter.pinned.source)


def kind_of(adapter: Adapter) -> Kind:
    """The kind of an adapter.

    Raises:
        AdapterKind: it has none, or one that isn't merged; the message has the reason.
    """
    peft_type = adapter.config.peft_type
    if (peft_type != "LORA" and peft_type in LAYERED) or is_layered(adapter):
        return LAYERED[peft_type or ""]
    for kind in KINDS:
        if kind.peft_type == peft_type:
            return kind
    raise AdapterKind(
        f"`{adapter.pinned.source}` can't be merged: {reason(peft_type)}",
        hint="Serve it with PEFT beside its base, or train a LoRA.",
    )
