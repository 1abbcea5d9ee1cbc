"""Bytes of a download: each counts once, whatever the Hub's client begins anew."""

from __future__ import annotations

from threading import Event, Lock

import pytest

from adapter_merge.hub.meter import Meter, Stopped


@pytest.mark.parametrize(
    "steps",
    [[10], [4, 6], [4, -4, 10], [9, -9, 3, 7], [10, 10], [10, -10, 10, 5], []],
    ids=str,
)
def test_every_byte_is_told_once(steps: list[int]) -> None:
    told: list[int] = []
    meter = Meter(10, told.append, stop=Event(), lock=Lock())
    bar = meter.bar()()
    for step in steps:
        bar.update(step)
    meter.finish()
    assert sum(told) == 10
    assert min(told, default=0) >= 0


def test_a_download_that_nobody_wants_stops() -> None:
    stop = Event()
    meter = Meter(10, lambda _count: None, stop=stop, lock=Lock())
    meter.add(1)
    stop.set()
    with pytest.raises(Stopped):
        meter.add(1)
