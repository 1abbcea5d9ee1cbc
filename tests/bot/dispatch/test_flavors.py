"""The machine that a merge fits, and its time."""

from __future__ import annotations

import pytest
from huggingface_hub import JobHardware

from adapter_merge.bot.dispatch.flavors import FLAVORS, chosen, seconds
from adapter_merge.bot.order import Needs

GB = 10**9


def test_all_are_machines_of_the_hub() -> None:
    assert {f.name for f in FLAVORS} == {h.value for h in JobHardware}


@pytest.mark.parametrize(
    ("memory", "disk", "name"),
    [
        (None, None, "cpu-upgrade"),
        (GB, GB, "cpu-basic"),
        (12 * GB, 20 * GB, "cpu-basic"),
        (14 * GB, 20 * GB, "cpu-upgrade"),
        (GB, 40 * GB, "cpu-xl"),
        (None, 400 * GB, "cpu-xl"),
        (150 * GB, None, "cpu-performance"),
        (250 * GB, GB, None),
        (GB, 900 * GB, None),
    ],
)
def test_the_smallest_that_it_fits(memory: int | None, disk: int | None, name: str | None) -> None:
    assert chosen(Needs(memory_bytes=memory, disk_bytes=disk)) == name


@pytest.mark.parametrize(
    ("needs", "minutes"),
    [
        (Needs(), 30),
        (Needs(moved_bytes=GB), 30),
        (Needs(moved_bytes=60 * GB), 65),
        (Needs(disk_bytes=60 * GB), 65),
        (Needs(moved_bytes=10_000 * GB), 24 * 60),
    ],
)
def test_its_time_goes_by_what_it_moves(needs: Needs, minutes: int) -> None:
    assert seconds(needs) == minutes * 60
