"""What every test may ask for: the folder of real adapters, where one is named, and no Hub but its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from tests.cost import measured

# No test asks a Hub that it didn't start, nor reads this machine's cache and tokens: nobody listens at that
# port. The Hub's client reads its environment when it is imported, so that is done here, before any test.
_HOME = TemporaryDirectory(prefix="adapter-merge-tests-")
for _name in [n for n in os.environ if n.startswith(("HF_", "HUGGING"))]:
    del os.environ[_name]
os.environ |= {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": _HOME.name}

# A shell starts what runs in the background without SIGINT, and children inherit that; some tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

from huggingface_hub import constants  # noqa: E402

from adapter_merge import assemble  # noqa: E402
from adapter_merge.localhub import LocalHub  # noqa: E402
from tests.hub.whole import Runs  # noqa: E402
from tests.publisher import Publisher  # noqa: E402

settings.register_profile("fuzz", max_examples=10_000)

CORPUS = os.environ.get("ADAPTER_MERGE_CORPUS")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what this machine lacks something for; what takes many minutes, or a browser, runs only where it is asked for."""
    for marker in {"bot", "browser", "faults"} - set(config.getoption("markexpr").split()):
        asked_for = [item for item in items if item.get_closest_marker(marker)]
        config.hook.pytest_deselected(items=asked_for)
        items[:] = [item for item in items if item not in asked_for]
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


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process and its children ask no Hub at all, as with `HF_HUB_OFFLINE=1`."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assemble._hub.cache_clear()
    yield
    assemble._hub.cache_clear()


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


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """Somebody who publishes to a Hub on loopback that has a base and an adapter."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with LocalHub(tmp_path / "hub", xet=False) as hub:
        yield Publisher(Runs(hub, tmp_path), tmp_path)
