"""Whether a model can be run here: decided by sizes and installed packages, before anything is loaded."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

from adapter_merge.checkpoint import TensorInfo
from adapter_merge.figures import nbytes
from adapter_merge.forecast import Cost

_LIBRARIES = 1_500_000_000  # torch, transformers and PEFT, with what their threads keep
_ACTIVATIONS = 4  # copies of the widest tensor
# Both models read, run on our texts and rounded, on two cores: MiniLM takes 7 s, classes of Llama with 0.33 and
# 0.74 billion parameters in bf16 take 30 and 59 s, their processes 2.8 and 6.2 GB. Pages take longer.
_START_SECONDS = 8
_PARAMETERS_A_SECOND = 14e6
_START_BYTES = 700_000_000
_MAPPED = 1.5  # times the file, which counts while it is read


def cost(tensors: Collection[TensorInfo]) -> Cost:
    """A guess of what running both models takes; its memory is what it will hold, not what it may."""
    held = 4 * sum(t.size for t in tensors) + _MAPPED * sum(t.nbytes for t in tensors)
    return Cost(seconds=seconds_needed(tensors), memory_bytes=_START_BYTES + round(held))


def memory_needed(tensors: Collection[TensorInfo]) -> int:
    """Bytes that running a model in float32 takes at most: one copy of it at a time."""
    sizes = [t.size for t in tensors]
    return 4 * sum(sizes) + 4 * _ACTIVATIONS * max(sizes, default=0) + _LIBRARIES


def seconds_needed(tensors: Collection[TensorInfo]) -> float:
    """A rough guess of the time on two cores."""
    return _START_SECONDS + sum(t.size for t in tensors) / _PARAMETERS_A_SECOND


def lacking(packages: Iterable[str]) -> str | None:
    """Requirements that aren't met, as the end of "it needs ..."; nothing is imported."""
    names = [shlex.quote(p) for p in sorted(packages) if not _installed(p)]
    return f"packages that aren't installed: `pip install {' '.join(names)}`" if names else None


def _installed(requirement: str) -> bool:
    wanted = Requirement(requirement)
    try:
        return wanted.specifier.contains(version(wanted.name), prereleases=True)
    except PackageNotFoundError:
        return False


def refusal(needed: int, free: int) -> str | None:
    """What is lacking, as the end of "it needs ..."; None where it fits."""
    if needed <= free:
        return None
    return f"{nbytes(needed)} of memory, and {nbytes(free)} are free"


def free_memory() -> int:
    """Bytes that this process and its children may still take: the machine's, or the container's if fewer."""
    found = [_available(), *containers()]
    return max(0, min(n for n in found if n is not None))


def _available() -> int:
    info = Path("/proc/meminfo")
    if not info.exists():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    line = next(n for n in info.read_text().splitlines() if n.startswith("MemAvailable"))
    return int(line.split()[1]) * 1024


def containers(root: Path = Path("/sys/fs/cgroup")) -> list[int | None]:
    """Cgroup 2, then 1: limit less use; None where there is no limit."""
    pairs = (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    )
    found: list[int | None] = []
    for limit, used in pairs:
        try:
            texts = [(root / p).read_text().strip() for p in (limit, used)]
        except OSError:
            continue
        found.append(None if texts[0] == "max" else int(texts[0]) - int(texts[1]))
    return found
