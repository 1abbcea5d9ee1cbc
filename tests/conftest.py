"""What every test may ask for: the folder of real adapters, where one is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("fuzz", max_examples=10_000)

CORPUS = os.environ.get("ADAPTER_MERGE_CORPUS")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what reads real adapters where they are not on this machine."""
    if CORPUS:
        return
    skip = pytest.mark.skip(reason="ADAPTER_MERGE_CORPUS names no folder of real adapters")
    for item in items:
        if item.get_closest_marker("corpus"):
            item.add_marker(skip)


@pytest.fixture
def corpus() -> Path:
    """The folder of real adapters and configs."""
    assert CORPUS is not None
    return Path(CORPUS)
