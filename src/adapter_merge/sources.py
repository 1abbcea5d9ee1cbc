"""Adapter, base and target as `resolve` found them: pinned, with headers and configs read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.receipt import Receipt


class AdapterConfig(BaseModel):
    """`adapter_config.json` as far as every kind of adapter has it, and the fields of LoRA.

    Fields that a kind knows nothing of stay in `model_extra`, so that it can refuse what it would
    otherwise pass over. Source: peft `PeftConfig`, `LoraConfig`.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    peft_type: str | None = None
    base_model_name_or_path: str | None = None
    revision: str | None = None
    task_type: str | None = None
    auto_mapping: Mapping[str, Any] | None = None
    peft_version: str | None = None

    r: int = 8
    lora_alpha: float = 8
    target_modules: str | tuple[str, ...] | None = None
    exclude_modules: str | tuple[str, ...] | None = None
    modules_to_save: tuple[str, ...] | None = None
    bias: str = "none"
    fan_in_fan_out: bool | None = False
    use_rslora: bool | None = False
    lora_bias: bool | None = False
    rank_pattern: Mapping[str, int] | None = Field(default_factory=dict)
    alpha_pattern: Mapping[str, float] | None = Field(default_factory=dict)
    layers_to_transform: int | tuple[int, ...] | None = None
    layers_pattern: str | tuple[str, ...] | None = None
    init_lora_weights: bool | str | None = True


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
        commit: the full commit; None for a folder, which its digests pin.
    """

    source: str
    root: Path
    commit: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapter:
    """One adapter; `weight` is the factor on its scale."""

    pinned: Pinned
    weight: float
    config: AdapterConfig
    checkpoint: Checkpoint
    files: Mapping[str, RepoFile]


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """The base model.

    Attributes:
        config: `config.json`.
        tied: names of tensors that share storage in the model, whether or not the file has them all;
            empty where input and output embeddings are apart.
    """

    pinned: Pinned
    config: Mapping[str, Any]
    checkpoint: Checkpoint
    files: Mapping[str, RepoFile]
    tied: tuple[str, ...]


class TargetState(StrEnum):
    """What stands where the result should go."""

    ABSENT = "absent"
    OURS = "ours"
    FOREIGN = "foreign"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The target as it stands; `receipt` and `sizes` (path -> bytes) only where it is ours."""

    source: str
    root: Path
    state: TargetState
    receipt: Receipt | None
    sizes: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """Everything that a plan is drafted from; adapters stand in the order of their deltas."""

    adapters: tuple[Adapter, ...]
    base: Base
    target: Target
