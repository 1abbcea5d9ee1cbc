"""What the child is told, as JSON: folders, names and inputs; nothing else reaches it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from adapter_merge.adapters.factors import FusedFactors
from adapter_merge.encoders.inputs import Inputs
from adapter_merge.folder import ADAPTER_WEIGHTS

STATES = ("base", "reference", "rounded", "merged")
# Steps that the child tells when they are done: loaded, base, reference, rounded, merged.
STEPS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Single rows of a tensor of the base that the adapter learned, and where they go."""

    stored: str
    places: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A tensor of the base's file, and what the adapter calls it."""

    stored: str
    need: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole:
    """A tensor of the adapter that replaces one of the base, or is a new one."""

    key: str
    target: Target


@dataclass(frozen=True, kw_only=True, slots=True)
class Graft:
    """One adapter, and where its tensors go.

    Attributes:
        label: what messages call it.
        modules: module by the adapter's names -> what it changes.
        saved: the adapter's whole tensors.
        added: those of the base's side that its file lacks, or has in another shape.
        rows: the adapter's tensors of single rows.
        untied: whether what the base ties stands apart with the adapter.
        parameters: whether it adapts parameters of modules, which PEFT finds by their names alone.
        fused: factors of fused experts, as the merge read them.
        converted: the file of its weights, where they aren't in the folder as safetensors.
    """

    label: str
    folder: str
    weight: float
    modules: Mapping[str, Target]
    saved: tuple[Whole, ...] = ()
    added: tuple[str, ...] = ()
    rows: tuple[tuple[str, Rows], ...] = ()
    untied: bool = False
    parameters: bool = False
    fused: tuple[FusedFactors, ...] = ()
    converted: str | None = None

    @property
    def file(self) -> Path:
        """The file of its weights."""
        return Path(self.converted or Path(self.folder, ADAPTER_WEIGHTS))


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """The whole task.

    Attributes:
        base: folder of base weights under the files that the result should have.
        weights: folder where the base's weights really lie.
        runner, merged_runner: names in `RUNNERS`, for the base and for the merged folder.
        dtypes: tensor of the base -> its dtype in the result, as a header spells it.
        bundle: whether the merged folder holds base and adapter beside each other.
        native: whether it is in a form of its own (`--native`), whose processor may ask otherwise.
        device: as torch spells it.
        memory: bytes of data that the child may hold.
    """

    base: str
    weights: str
    merged: str
    runner: str
    merged_runner: str
    grafts: tuple[Graft, ...]
    dtypes: Mapping[str, str]
    bundle: bool
    native: bool
    inputs: Inputs
    device: str
    memory: int
    threads: int

    def dump(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def load(cls, data: bytes) -> Job:
        """From JSON that `dump` wrote."""
        return TypeAdapter(cls).validate_json(data)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """The folder that job and answer lie in."""

    root: Path

    @property
    def job(self) -> Path:
        """What to do."""
        return self.root / "job.json"

    @property
    def steps(self) -> Path:
        """A byte for each step that is done."""
        return self.root / "steps"

    @property
    def log(self) -> Path:
        """What the child prints."""
        return self.root / "log"

    @property
    def answer(self) -> Path:
        """Names and counts, as JSON."""
        return self.root / "answer.json"

    @property
    def arrays(self) -> Path:
        """Outputs, as numpy arrays without objects."""
        return self.root / "arrays.npz"
