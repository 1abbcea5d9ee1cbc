"""A Hub on loopback with a repository, with the Xet store and without it, and a client that doesn't wait long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_merge.localhub import LocalHub
from tests.hub.stock import Stocked


@pytest.fixture(params=[True, False], ids=["xet", "lfs"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stocked]:
    """A Hub whose large files lie in the Xet store, and one that has none."""
    with LocalHub(tmp_path / "hub", xet=request.param) as server:
        yield Stocked(server, tmp_path, xet=request.param)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Stocked]:
    """A Hub without the Xet store: every byte passes a request, where a fault can meet it."""
    with LocalHub(tmp_path / "hub", xet=False) as server:
        yield Stocked(server, tmp_path, xet=False)
