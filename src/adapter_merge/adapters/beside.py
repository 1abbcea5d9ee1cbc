"""Adapters that lie beside their base, unmerged: which of them a loader would take at all."""

from __future__ import annotations

from adapter_merge.adapters.refused import reason
from adapter_merge.errors import AdapterKind
from adapter_merge.methods import METHODS
from adapter_merge.sources import Adapter

# Methods that are no layers on a module, so that nothing can be put on a loaded model.
# Source: peft `inject_adapter_in_model`, and the models of X-LoRA and of shadows.
_NO_LAYERS = frozenset({"ADAPTION_PROMPT", "SHADOW", "XLORA"})


def why_unbundled(peft_type: str | None) -> str | None:
    """Why `from_pretrained` would stop at a folder with such an adapter; None where it wouldn't."""
    if peft_type is None or peft_type not in METHODS:
        return reason(peft_type)
    if peft_type in _NO_LAYERS or not METHODS[peft_type].prefix:
        return f"transformers can't put {peft_type} on a model that it loads"
    return None


def refuse_unbundled(adapter: Adapter) -> None:
    """Refuse an adapter with which no loader would open the folder.

    Raises:
        AdapterKind: its method is one.
    """
    why = why_unbundled(adapter.config.peft_type)
    if why is not None:
        raise AdapterKind(
            f"`{adapter.pinned.source}` can't be bundled: {why}",
            hint="Publish the adapter by itself; PEFT loads it onto its base.",
        )
