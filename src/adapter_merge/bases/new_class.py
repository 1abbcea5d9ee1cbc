"""Tensors that an adapter adds: the class of the result has to have them, and to need no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapter_merge.adapters import Claim
from adapter_merge.bases.ties import Settled
from adapter_merge.errors import MissingTarget, Unclaimed
from adapter_merge.naming import shared_weight
from adapter_merge.skeleton import (
    Absent,
    Skeleton,
    architectures,
    file_filled,
    filled_by,
    skeleton_of,
)
from adapter_merge.sources import Base

_SHOWN = 4


def place_added(settled: Settled, base: Base, config: Mapping[str, Any]) -> Settled:
    """Give every added tensor the name under which the class of the result finds it; `config` names that class.

    Nothing is checked where the class can't be built, or isn't the one that `config` states.

    Raises:
        Unclaimed: the class has no such tensor, so that loaders would leave it out.
        AdapterKind: the class ties it to another one.
        MissingTarget: the class has parameters that neither base nor adapter holds.
    """
    added = [c for c in settled.claims if c.info is None and c.contribution.saved]
    if not added:
        return settled
    names = {*base.checkpoint.tensors, *settled.copies, *(c.name for c in added)}
    skeleton = skeleton_of(config, names)
    if isinstance(skeleton, Absent) or skeleton.name not in architectures(config):
        return settled
    placed = {id(c): replace(c, name=_name(c, skeleton, base)) for c in added}
    result = replace(settled, claims=tuple(placed.get(id(c), c) for c in settled.claims))
    _require_all(result, base, skeleton)
    return result


def _name(claim: Claim, skeleton: Skeleton, base: Base) -> str:
    label = claim.adapter.pinned.source
    (live, *more) = skeleton.place(claim.name).live
    if more or live not in skeleton.shapes:
        raise Unclaimed(
            f"`{label}` saved `{claim.name}`, which neither the base's file nor its class "
            f"`{skeleton.name}` has: loaders would leave it out",
            hint="Name the base that the adapter was trained on with `--base`, or set its class in `architectures` "
            "of `config.json`.",
        )
    if any(live in group for group in skeleton.groups):
        raise shared_weight(label, claim.name, live, skeleton)
    return _styled(live if skeleton.place(live).live == (live,) else claim.name, skeleton, base)


def _styled(name: str, skeleton: Skeleton, base: Base) -> str:
    """The name with the class's prefix as the file has it: older loaders take no file that has it here and there."""
    head = f"{skeleton.prefix}."
    if not skeleton.prefix or not name.startswith(head):
        return name
    inner = (n.removeprefix(head) for n in skeleton.shapes if n.startswith(head))
    is_bare = any(n in base.checkpoint.tensors for n in inner)
    return name.removeprefix(head) if is_bare else name


def _require_all(settled: Settled, base: Base, skeleton: Skeleton) -> None:
    held = base.checkpoint.tensors
    shapes = {n: t.shape for n, t in held.items()}
    shapes |= {n: held[source].shape for n, source in settled.copies.items()}
    shapes |= {
        c.name: c.contribution.shape for c in settled.claims if c.contribution.shape is not None
    }
    filled = filled_by(shapes, skeleton)
    known = file_filled(base.config, {n: t.shape for n, t in held.items()})
    before = () if isinstance(known, Absent) else known.unfilled
    missing = [n for n in filled.unfilled if n not in before and n not in filled.misshapen]
    if not missing:
        return
    labels = sorted({c.adapter.pinned.source for c in settled.claims if c.info is None})
    modules = _modules(missing, skeleton)
    train = (
        f"Train again with {_listed(modules)} in `modules_to_save`, or name" if modules else "Name"
    )
    raise MissingTarget(
        f"neither the base nor {' and '.join(f'`{n}`' for n in labels)} holds {_listed(missing)}, which "
        f"`{skeleton.name}` needs: loaders would fill it with random values",
        hint=f"{train} a base with `--base` that has it.",
    )


def _modules(missing: Sequence[str], skeleton: Skeleton) -> list[str]:
    """The outermost modules that lack all of their parameters, by the last part of their paths."""
    gone, found = set(missing), dict[str, None]()
    for name in missing:
        parts = name.split(".")
        paths = (".".join(parts[:n]) for n in range(1, len(parts)))
        whole = (p for p in paths if gone.issuperset(_below(p, skeleton)))
        if path := next(whole, None):
            found.setdefault(path.rpartition(".")[2])
    return list(found)


def _below(path: str, skeleton: Skeleton) -> Iterator[str]:
    return (n for n in skeleton.shapes if n.startswith(f"{path}.") and n not in skeleton.computed)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{n}`" for n in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
