"""Adapters whose `lora_B` is zero, as before training; their bytes are read without torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from adapter_merge.plan import PlanWarning
from adapter_merge.sources import Adapter
from adapter_merge.weights import read_span

_B = (".lora_B.weight", ".lora_embedding_B")
_FACTORS = (*_B, ".lora_A.weight", ".lora_embedding_A")


def untrained(adapters: Iterable[Adapter]) -> Iterator[PlanWarning]:
    """A warning for each plain LoRA whose delta is zero; of files on this machine alone.

    The files of others are only known by their headers; check T018 looks at what their merge changed.
    """
    for adapter in adapters:
        names = list(adapter.checkpoint.tensors)
        factors = [n for n in names if n.endswith(_B)]
        if adapter.config.peft_type != "LORA" or not factors or not _lies_here(adapter):
            continue
        if all(is_zero(adapter, name) for name in factors):
            others = [n for n in names if not n.endswith(_FACTORS)]
            but = f" but the {len(others)} other tensors of its file" if others else ""
            yield PlanWarning(
                code="T018",
                message=f"every `lora_B` of `{adapter.pinned.source}` is zero, as before training: merging it "
                f"changes nothing{but}",
            )


def is_zero(adapter: Adapter, name: str) -> bool:
    """Whether all bytes of a tensor of an adapter are zero.

    Raises:
        AdapterMergeError: its file can't be brought here.
        ShortRead: the file changed while it was read.
    """
    info = adapter.checkpoint.tensors[name]
    buffer = bytearray(info.nbytes)
    fd = os.open(adapter.weights, os.O_RDONLY)
    try:
        read_span(fd, memoryview(buffer), info.start, name=name)
    finally:
        os.close(fd)
    return not any(buffer)


def _lies_here(adapter: Adapter) -> bool:
    pinned = adapter.pinned
    if adapter.converted is not None or pinned.have is None:
        return True
    return pinned.is_here is not None and pinned.is_here(adapter.checkpoint.files[0].name)
