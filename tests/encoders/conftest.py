"""One merge of each kind for all tests here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapter_merge.encoders.room import lacking
from adapter_merge.encoders.runners import RUNNERS
from tests.encoders.models import KINDS, make
from tests.encoders.proofs import Merge, merge

MergeOf = Callable[[str], Merge]


@pytest.fixture(scope="session")
def merge_of(tmp_path_factory: pytest.TempPathFactory) -> MergeOf:
    """Merges a kind once; skips where a package of its runner isn't installed."""
    made: dict[str, Merge] = {}

    def get(kind: str) -> Merge:
        name, needs = KINDS[kind].runner, KINDS[kind].needs
        why = lacking({*needs, *next(r.packages for r in RUNNERS if r.name == name)})
        if why is not None:
            pytest.skip(f"it needs {why}")
        if kind not in made:
            root = tmp_path_factory.mktemp(kind)
            base, adapter = make(kind, root)
            made[kind] = merge(base, (str(adapter),), root / "merged")
        return made[kind]

    return get


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a spoilt copy goes."""
    return tmp_path / "spoilt"
