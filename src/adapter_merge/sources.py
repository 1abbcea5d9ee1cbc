"""Adapter, base and target as `resolve` found them: pinned, with headers and configs read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.errors import Corrupt
from adapter_merge.patterns import Patterns
from adapter_merge.readme import Readme
from adapter_merge.receipt import Receipt
from adapter_merge.remote import Access, RemoteTarget
from adapter_merge.request import ExpertLayout, ExpertOrientation

# Sees to it that files lie here; the second argument gets their bytes as they come.
Have: TypeAlias = Callable[[Collection[str], Callable[[int], None] | None], None]
INSIDE = "base_model.model."  # before the base's names in an adapter's file
_T = TypeVar("_T")
_M = TypeVar("_M", bound=BaseModel)


class AdapterConfig(BaseModel):
    """The fields of `adapter_config.json` that every kind of adapter has.

    The others stay in `model_extra`, where their kind reads them. Source: peft `PeftConfig`.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    peft_type: str | None = None
    base_model_name_or_path: str | None = None
    revision: str | None = None
    task_type: str | None = None
    auto_mapping: Mapping[str, Any] | None = None
    peft_version: str | None = None

    target_modules: str | tuple[str, ...] | None = None
    exclude_modules: str | tuple[str, ...] | None = None
    modules_to_save: tuple[str, ...] | None = None
    layers_to_transform: int | tuple[int, ...] | None = None
    layers_pattern: str | tuple[str, ...] | None = None

    def selected(self, modules: Iterable[str], *, label: str) -> frozenset[str]:
        """Those modules, by their paths, that PEFT would adapt: `target_modules` and what narrows it.

        Source: peft `check_target_module_exists`.

        Raises:
            Corrupt: a pattern is no regular expression, or takes too long; `label` is the adapter.
        """
        saved = [f".{m}." for m in self.modules_to_save or ()]
        free = [m for m in modules if not any(s in f".{m}." for s in saved)]
        chosen = _matching(self.target_modules, free, label)
        chosen -= _matching(self.exclude_modules, chosen, label)
        if isinstance(self.target_modules, str) or self.layers_to_transform in {None, ()}:
            return chosen
        layers = _layers(chosen, self.layers_pattern, label)
        return frozenset(m for m, n in layers.items() if n in _as_tuple(self.layers_to_transform))


def parsed(kind: type[_M], values: Mapping[str, Any], *, label: str) -> _M:
    """What `adapter_config.json` says, as a model of its fields.

    Raises:
        Corrupt: a field can't be what it is; `label` is the adapter.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as e:
        first = e.errors()[0]
        field, what = first["loc"][0], first["msg"].lower()
        raise Corrupt(
            f"`adapter_config.json` of `{label}` has an impossible `{field}`: {what}",
            hint="Repair the field, or save the adapter again with PEFT.",
        ) from e


def _matching(
    patterns: str | tuple[str, ...] | None, modules: Iterable[str], label: str
) -> frozenset[str]:
    """A text is a regular expression for the whole path, a list holds endings of paths."""
    if isinstance(patterns, str):
        return frozenset(Patterns(texts=(patterns,), label=label).first_matches(modules))
    endings = frozenset(patterns or ())
    return frozenset(m for m in modules if not endings.isdisjoint(_endings(m)))


def _endings(module: str) -> Iterator[str]:
    yield module
    for at, letter in enumerate(module):
        if letter == ".":
            yield module[at + 1 :]


def _layers(
    modules: Iterable[str], patterns: str | tuple[str, ...] | None, label: str
) -> Mapping[str, int]:
    """The number of the layer that a module lies in; without a pattern the first number counts."""
    found = Patterns(
        texts=_as_tuple(patterns or r"[^.]*"), form=r".*?\.{}\.(\d+)\.(?s:.*)", label=label
    ).first_matches(modules)
    return {m: int(number) for m, (_, number) in found.items() if number and number.isdecimal()}


def _as_tuple(value: _T | tuple[_T, ...]) -> tuple[_T, ...]:
    return value if isinstance(value, tuple) else (value,)


@dataclass(frozen=True, kw_only=True, slots=True)
class RepoFile:
    """One file of a repository; `digest` is None where no plan ever reads it.

    `digest` is `sha256:...` of the content. For a base's weights in a folder, where hashing would cost
    as much as merging, it is `header:<sha256 of the header>:<size>:<mtime in ns>`.
    """

    path: str
    size: int
    digest: str | None


def digests(files: Mapping[str, RepoFile]) -> dict[str, str]:
    """Digest by path, for the files that a plan reads."""
    return {path: f.digest for path, f in sorted(files.items()) if f.digest is not None}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pinned:
    """A source that can't move any more.

    Attributes:
        source: as the user wrote it.
        root: the folder that its files are read from.
        repo, commit: its id on the Hub and the full commit; None for a folder, which its digests pin.
        subfolder: of the repository, where the ref names one; `root` is that folder.
        access: who may read it; None for a folder, and offline, where nobody says.
        have: brings files of it here, by their paths below `root`; None where all files are here.
        is_here: whether a file needn't be brought; None where none has to be.
    """

    source: str
    root: Path
    repo: str | None = None
    commit: str | None = None
    subfolder: str | None = None
    access: Access | None = None
    have: Have | None = field(default=None, repr=False, compare=False)
    is_here: Callable[[str], bool] | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The last part: a folder's name or a repository's."""
        return self.root.resolve().name if self.repo is None else self.repo.rpartition("/")[2]

    @property
    def offline(self) -> bool:
        """Whether only the Hub's cache on this machine could be asked: what it lacks may be on the Hub."""
        return self.repo is not None and self.access is None

    def file(self, path: str) -> Path:
        """One of its files, on this disk.

        Raises:
            AdapterMergeError: it can't be brought here.
        """
        if self.have is not None:
            self.have((path,), None)
        return self.root / path


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapter:
    """One adapter.

    Attributes:
        weight: the factor on its scale.
        readme: its card where it has one.
        converted: where its weights lie as safetensors; None where they are such in its repository.
        expert_layout, expert_orientation: see `request.Settings`; what the user says of its fused experts.
    """

    pinned: Pinned
    weight: float
    config: AdapterConfig
    checkpoint: Checkpoint
    files: Mapping[str, RepoFile]
    readme: Readme | None
    converted: Path | None = None
    expert_layout: ExpertLayout = "auto"
    expert_orientation: ExpertOrientation = "auto"

    @property
    def weights(self) -> Path:
        """The file of its weights, on this disk: a plan may read of one that only its header was pulled of.

        Raises:
            AdapterMergeError: it can't be brought here.
        """
        return self.converted or self.pinned.file(self.checkpoint.files[0].name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """The base model.

    Attributes:
        config: `config.json`.
        tied: names of tensors that share storage in the model, whether or not the file has them all;
            empty where input and output embeddings are apart.
        readme: its card; None where it has none.
        code: its Python files that the request lets the result have.
    """

    pinned: Pinned
    config: Mapping[str, Any]
    checkpoint: Checkpoint
    files: Mapping[str, RepoFile]
    tied: tuple[str, ...]
    readme: Readme | None
    code: frozenset[str] = frozenset()


class TargetState(StrEnum):
    """What stands where the result should go."""

    ABSENT = "absent"
    OURS = "ours"
    FOREIGN = "foreign"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The target as it stands; `receipt`, `sizes` (path -> bytes) and `readme` only where it is ours.

    Attributes:
        source: as the user wrote it.
        root: the folder that gets the result; for a target on a Hub, where the result waits to be sent.
        state, receipt, sizes, readme: of that folder.
        remote: the target on the Hub; None for a folder.
    """

    source: str
    root: Path
    state: TargetState
    receipt: Receipt | None
    sizes: Mapping[str, int]
    readme: Readme | None
    remote: RemoteTarget | None = None

    @property
    def title(self) -> str:
        """What its card calls it."""
        return self.root.name if self.remote is None else self.remote.repo.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """Everything that a plan is drafted from; adapters stand in the order of their deltas.

    Attributes:
        base_is_named: whether the operator named the base; False where an adapter chose it.
    """

    adapters: tuple[Adapter, ...]
    base: Base
    target: Target
    base_is_named: bool = True
