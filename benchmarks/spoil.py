"""Faults of a merge, planted in a good one: what programs and people really do to merged folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch

Plant: TypeAlias = Callable[[Path, Path], bool]
_WEIGHTS = "model.safetensors"
_OFF = 0.01  # of a tensor's spread: how far the wrong base is


def one_module(base: Path, merged: Path) -> bool:
    """The base's weight in the module that the adapter changes least: the hardest to see."""
    one, other = _read(base), _read(merged)
    change = {n: ((other[n] - w).norm() / w.norm()).item() for n, w in _adapted(one, other).items()}
    least = min(change, key=lambda n: change[n])
    return _write(merged, {**other, least: one[least].to(other[least].dtype)})


def half(base: Path, merged: Path) -> bool:
    """Another scale: `alpha / r` read as half of what it is."""
    one, other = _read(base), _read(merged)
    return _write(
        merged, {n: (one[n] + w) / 2 if n in _adapted(one, other) else w for n, w in other.items()}
    )


def twice(base: Path, merged: Path) -> bool:
    """As where a loader finds the adapter beside weights that have it."""
    one, other = _read(base), _read(merged)
    return _write(
        merged, {n: 2 * w - one[n] if n in _adapted(one, other) else w for n, w in other.items()}
    )


def wrong_base(_base: Path, merged: Path) -> bool:
    """Merged into another release of the base, whose matrices are all somewhat off."""
    import torch

    random = torch.Generator().manual_seed(0)

    def off(weight: torch.Tensor) -> torch.Tensor:
        return weight + _OFF * weight.std() * torch.randn(weight.shape, generator=random)

    tensors = {
        n: off(w) if w.ndim == 2 and w.is_floating_point() else w for n, w in _read(merged).items()
    }
    return _write(merged, tensors)


def dense(base: Path, merged: Path) -> bool:
    """The Dense layer that was trained with the adapter is forgotten: the base's lies in its place."""
    trained = merged / "1_Dense" / _WEIGHTS
    if not trained.exists():
        return False
    shutil.copyfile(base / "1_Dense" / _WEIGHTS, trained)
    return True


def normalize(_base: Path, merged: Path) -> bool:
    """The chain ends one module early."""
    path = merged / "modules.json"
    modules = json.loads(path.read_text())
    kept = [m for m in modules if not m["type"].endswith("Normalize")]
    path.write_text(json.dumps(kept))
    return len(kept) < len(modules)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is planted, and in a file of which dtype."""

    plant: Plant
    dtype: str = "fp32"


FAULTS: dict[str, Fault] = {
    "one module of 36 lost": Fault(plant=one_module),
    "one module of 36 lost, bf16 file": Fault(plant=one_module, dtype="bf16"),
    "scale halved": Fault(plant=half),
    "adapter applied twice": Fault(plant=twice),
    "another base, 1 % off": Fault(plant=wrong_base),
    "trained Dense layer lost": Fault(plant=dense),
    "Normalize lost": Fault(plant=normalize),
}


def _read(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    tensors: dict[str, torch.Tensor] = load_file(folder / _WEIGHTS)
    return tensors


def _write(folder: Path, tensors: dict[str, torch.Tensor]) -> bool:
    from safetensors.torch import save_file

    save_file(tensors, folder / _WEIGHTS, metadata={"format": "pt"})
    return True


def _adapted(
    base: dict[str, torch.Tensor], merged: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The base's tensors that the merge changed."""
    return {n: w for n, w in base.items() if not w.to(merged[n].dtype).equal(merged[n])}
