"""Everything that was seen of one folder, as one value: what checks judge."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.checks.look import TensorLook
from adapter_merge.checks.side import SideLook
from adapter_merge.errors import AdapterMergeError
from adapter_merge.plan import Plan
from adapter_merge.probed import Probed
from adapter_merge.skeleton import Absent, AsBefore, Filled
from adapter_merge.sources import Sources


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """The adapter that lies beside the weights.

    Attributes:
        stated: whether a plan or a receipt says that it lies there on purpose.
        home: the folder where the bundle stands, or will stand.
        meant: where it is meant to lead, an id or a folder; None where nobody says.
        says: where its config leads.
        revision: the revision that its config asks for there.
        taken_by: the class whose layers take every tensor of it; empty where none does.
        lost: why none does; empty where one does.
        unasked: why that wasn't asked; empty where it was.
    """

    stated: bool
    home: Path
    meant: str | None
    says: object
    revision: object
    taken_by: str = ""
    lost: str = ""
    unasked: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """The facts.

    Attributes:
        name: how findings call the folder.
        files: path -> bytes of every file in it.
        recorded: path -> bytes as they were written or stand in a receipt; None without a record.
        checkpoint: its weights; None where they can't be read.
        trouble: why they can't.
        side: what the files beside the weights say.
        plan: what should be there; None where nobody says from what it was made.
        sources: what the plan was drafted from.
        looks: tensor -> what was seen, for every planned tensor, or without a plan every one found.
        tied: whether the tied tensors that are there have equal bytes; None below two of them.
        foreign: another program merged: other shards and dtypes only warn.
        wanted: programs that must be able to load the folder, by their names; others only warn.
        probed: what running it has shown; None where nobody asked to run it.
        filled: what its weights fill of its class, or why the class isn't known; None where nothing can be read.
        base_filled: what the base model's file fills of its own class; None where that isn't known.
        bundle: what was seen of an adapter beside the weights; None where they are merged, or none is there.
    """

    name: str
    files: Mapping[str, int]
    recorded: Mapping[str, int] | None
    checkpoint: Checkpoint | None
    trouble: AdapterMergeError | None
    side: SideLook
    plan: Plan | None
    sources: Sources | None
    looks: Mapping[str, TensorLook]
    tied: bool | None
    foreign: bool
    wanted: AbstractSet[str] = frozenset()
    probed: Probed | None = None
    bundle: Bundle | None = None
    filled: Filled | Absent | AsBefore | None = None
    base_filled: Filled | None = None

    @property
    def is_bundle(self) -> bool:
        """Whether an adapter lies beside the weights on purpose."""
        return self.bundle is not None and self.bundle.stated

    @property
    def names(self) -> AbstractSet[str]:
        """The tensors that are there."""
        return frozenset() if self.checkpoint is None else self.checkpoint.tensors.keys()
