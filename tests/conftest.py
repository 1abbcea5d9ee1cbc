"""What every test may ask for: the folder of real adapters, where one is named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

from tests.cost import measured

settings.register_profile("fuzz", max_examples=10_000)

CORPUS = os.environ.get("ADAPTER_MERGE_CORPUS")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what reads real adapters where they are not on this machine, and what needs a library that isn't."""
    missing = {
        "corpus": None if CORPUS else "ADAPTER_MERGE_CORPUS names no folder of real adapters",
        "colpali": None
        if find_spec("colpali_engine")
        else "colpali-engine isn't installed; `make test-colpali` has it",
    }
    for item in items:
        for marker, reason in missing.items():
            if reason is not None and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def corpus() -> Path:
    """The folder of real adapters and configs."""
    assert CORPUS is not None
    return Path(CORPUS)


@pytest.fixture(autouse=True)
def cost(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold every property to its memory and each of its cases to its time."""
    function = request.node.function
    if not getattr(function, "is_hypothesis_test", False):
        yield
        return
    with contextmanager(measured)(function) as found:
        yield
    request.node.user_properties.append(("cost", found.line()))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print what the properties took, where their number was asked for."""
    if config.getoption("--hypothesis-profile") != "fuzz":
        return
    terminalreporter.section("what the properties took")
    for report in terminalreporter.getreports(""):
        for line in dict(report.user_properties).values():
            terminalreporter.write_line(f"{line}  {report.nodeid.partition('::')[2]}")
