"""Every request of a whole run goes wrong once, in turn, in each way: one result comes of it, or an error of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import _http

from adapter_merge.hub.retry import Limits
from adapter_merge.localhub import Cut, Fault, Flipped, LocalHub, Lost, Slow, Status
from adapter_merge.localhub.faults import Effect
from tests.hub.whole import KINDS, Kind, Line, Runs

WAYS: dict[str, Effect] = {
    "broken": Status(status=500),
    "away": Status(status=503, headers={"Retry-After": "1"}),
    "busy": Status(status=429, headers={"RateLimit": '"api";r=0;t=1'}),
    "cut": Cut(),
    "lost": Lost(),
    "slow": Slow(seconds=1.0),
    "wrong": Flipped(),
}
HASTE = Limits(read=0.4, write=0.4)
OURS = {3, 8, 9}


@pytest.fixture
def runs(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Runs]:
    """The Hub's own client waits for nothing between its tries."""
    xet = getattr(request, "param", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", not xet)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", HASTE.read)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", HASTE.read)
    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda _: None))
    with LocalHub(tmp_path / "hub", xet=xet) as hub:
        yield Runs(hub, tmp_path)


def _can_meet(line: Line, way: str) -> bool:
    """Whether the client can tell this from the other ways."""
    if way == "lost":
        return line.writes
    return way != "wrong" or line.answered > 0


def _goes_wrong(runs: Runs, kind: Kind, line: Line, way: str) -> str:
    """One run with one fault, and another where it failed; the result is the first one's error."""
    target = runs.target(kind)
    pattern, before = line.pattern(target.name), len(runs.hub.requests)
    runs.hub.fail(Fault(on=pattern, does=WAYS[way], skip=line.number))
    with target.read_all_along():
        report = target.run(limits=HASTE if way == "slow" else None)
    met = [r for r in runs.hub.requests[before:] if re.search(pattern, f"{r.method} {r.path}")]
    assert len(met) > line.number, "the fault met no request"
    runs.hub.heal()
    if report.error is not None:
        assert report.error.code in OURS, report.error
        assert report.error.message
        assert report.error.hint
        target.require_whole()
        again = target.run()
        assert again.error is None, again.error
    runs.require_same(target)
    assert target.left() == []
    return "" if report.error is None else f"{report.error.type}: {report.error.message}"


def _all_go_wrong(runs: Runs, kind: Kind, way: str, *, writes: bool) -> None:
    lines = [line for line in runs.recorded(kind) if _can_meet(line, way)]
    chosen = [line for line in lines if line.writes or not writes]
    assert chosen
    for line in chosen:
        error = _goes_wrong(runs, kind, line, way)
        # Nobody knows of a lost proposal; all else is tried again. With limits that tight a busy machine is slow, too.
        assert not error or kind.proposes or way == "slow", f"{line.text}: {error}"


@pytest.mark.faults
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("runs", [False, True], ids=["lfs", "xet"], indirect=True)
def test_one_result_comes_of_it(runs: Runs, kind: Kind, way: str) -> None:
    _all_go_wrong(runs, kind, way, writes=False)


@pytest.mark.parametrize("way", ["cut", "lost"])
@pytest.mark.parametrize("kind", [KINDS[0], KINDS[-1]], ids=str)
def test_one_result_comes_of_it_where_something_is_written(
    runs: Runs, kind: Kind, way: str
) -> None:
    _all_go_wrong(runs, kind, way, writes=True)
