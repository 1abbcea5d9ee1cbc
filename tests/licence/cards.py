"""Cards, and sources that have nothing else, as values."""

from __future__ import annotations

from pathlib import Path

import yaml

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.readme import Readme
from adapter_merge.sources import (
    Adapter,
    AdapterConfig,
    Base,
    Pinned,
    RepoFile,
    Sources,
    Target,
    TargetState,
)

EMPTY = Checkpoint(files=(), index=None)


def card(**metadata: object) -> Readme:
    return Readme.parse(f"---\n{yaml.safe_dump(metadata)}---\n")


def under(*licences: str) -> Readme:
    """A card with one licence, or a list of them."""
    return card(license=licences[0] if len(licences) == 1 else list(licences))


def pinned(source: str, commit: str | None = None) -> Pinned:
    return Pinned(source=source, root=Path("nowhere"), commit=commit)


def files(**sizes: int) -> dict[str, RepoFile]:
    return {path: RepoFile(path=path, size=size, digest=None) for path, size in sizes.items()}


def base(
    readme: Readme | None = None,
    at: Pinned | None = None,
    config: dict[str, object] | None = None,
    held: dict[str, RepoFile] | None = None,
) -> Base:
    return Base(
        pinned=at or pinned("./base"),
        config=config or {},
        checkpoint=EMPTY,
        files=held or {},
        tied=(),
        readme=readme,
    )


def adapter(
    readme: Readme | None = None,
    at: Pinned | None = None,
    held: dict[str, RepoFile] | None = None,
) -> Adapter:
    return Adapter(
        pinned=at or pinned("./adapter"),
        weight=1.0,
        config=AdapterConfig(),
        checkpoint=EMPTY,
        files=held or {},
        readme=readme,
    )


def sources(of: Base, *adapters: Adapter, to: str = "merged") -> Sources:
    target = Target(
        source=f"./{to}",
        root=Path(to),
        state=TargetState.ABSENT,
        receipt=None,
        sizes={},
        readme=None,
    )
    return Sources(adapters=adapters or (adapter(),), base=of, target=target)
