"""Patience: how often, how long, and when not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from adapter_merge.errors import AdapterMergeError, Conflict, HubUnavailable
from adapter_merge.hub.retry import ONCE, Patience


def _failing(errors: Iterable[AdapterMergeError]) -> Callable[[], str]:
    waiting = iter(errors)

    def act() -> str:
        for error in waiting:
            raise error
        return "done"

    return act


def _away() -> HubUnavailable:
    return HubUnavailable("away", hint="wait")


def test_waits_grow_and_end() -> None:
    waits: list[float] = []
    patience = Patience(tries=4, first=1, sleep=waits.append)
    assert patience.persist(_failing([_away(), _away(), _away()])) == "done"
    assert [round(w / w0) for w, w0 in zip(waits, (1, 2, 4), strict=True)] == [1, 1, 1]
    with pytest.raises(HubUnavailable):
        patience.persist(_failing([_away()] * 4))


def test_all_waits_together_have_a_limit() -> None:
    waits: list[float] = []
    with pytest.raises(HubUnavailable):
        Patience(tries=99, first=1, most=10, sleep=waits.append).persist(_failing([_away()] * 99))
    assert sum(waits) <= 10


def test_what_is_no_lack_of_answer_is_not_tried_again() -> None:
    waits: list[float] = []
    act = _failing([Conflict("moved", hint="again")])
    with pytest.raises(Conflict):
        Patience(sleep=waits.append).persist(act)
    assert waits == []
    assert act() == "done"


def test_once_is_once() -> None:
    with pytest.raises(HubUnavailable):
        ONCE.persist(_failing([_away()]))
