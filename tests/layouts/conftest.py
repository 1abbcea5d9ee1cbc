from __future__ import annotations

from pathlib import Path

import pytest

from adapter_merge.folder import list_files
from adapter_merge.layouts import LAYOUTS, ConfigEdits, Side, Wishes
from adapter_merge.layouts.repo import Repo
from adapter_merge.repository import open_checkpoint
from adapter_merge.request import LayoutName
from adapter_merge.sources import Base, Pinned, Sources, Target, TargetState
from tests.layouts.tiny import WEIGHTS, Files, MakeRepo, MakeSide, adapter_in, listed, write


@pytest.fixture
def make_repo(tmp_path: Path) -> MakeRepo:
    def make(files: Files, origin: str = "base") -> Repo:
        root = write(tmp_path / origin, files)
        pinned = Pinned(source=origin, root=root)
        return Repo(origin=origin, pinned=pinned, files=list_files(root))

    return make


@pytest.fixture
def make_side(tmp_path: Path) -> MakeSide:
    """Lay out a base, which gets config and weights, and adapters, which are called `0`, `1`, ..."""

    def make(
        base: Files,
        *adapters: Files,
        edits: ConfigEdits | None = None,
        wishes: Wishes | None = None,
        layout: LayoutName = "merged",
    ) -> Side:
        root = write(tmp_path / "base", {"config.json": {}, "model.safetensors": WEIGHTS, **base})
        sources = Sources(
            base=Base(
                pinned=Pinned(source="base", root=root),
                config={},
                checkpoint=open_checkpoint(root),
                files=listed(root),
                tied=(),
                readme=None,
            ),
            adapters=tuple(
                adapter_in(write(tmp_path / str(i), files)) for i, files in enumerate(adapters)
            ),
            target=Target(
                source="t",
                root=tmp_path / "t",
                state=TargetState.ABSENT,
                receipt=None,
                sizes={},
                readme=None,
            ),
        )
        planned = frozenset({"model.safetensors"})
        return LAYOUTS[layout].side(sources, edits or ConfigEdits(), planned, wishes or Wishes())

    return make
