"""What every dispatch promises, shown where the merge is really done: by a child, in a workflow, in a Job."""

from __future__ import annotations

import pytest

from adapter_merge.bot.order import Ended
from adapter_merge.localhub import Fault
from adapter_merge.localhub.faults import Slow, Status
from tests.bot.dispatch.places import TARGET, Heard, Place, order, place
from tests.reconcile.conftest import TOKEN, Shelf

NAMES = ("local", "github", "jobs")
_BASE = "/api/models/bot/base"


def carried_out(
    name: str, shelf: Shelf, heard: Heard, adapter: str = "bot/one"
) -> tuple[Ended, Place]:
    wanted = order(shelf, adapter)
    with place(name, shelf, wanted.document) as there:
        ended = there.dispatch.carry_out(wanted, heard.ears())
    assert there.left() == []
    assert not [line for line in heard.lines if TOKEN in line]
    return ended, there


@pytest.mark.parametrize("name", NAMES)
def test_a_merge_is_done_told_of_and_done_once(name: str, shelf: Shelf) -> None:
    heard = Heard()
    ended, there = carried_out(name, shelf, heard)
    assert (ended.outcome, ended.again) == ("merged", False), ended.reason
    assert heard.lines
    last = [p for p in heard.progress if p.stage == there.stage][-1]
    assert last.done == last.total > 0
    assert shelf.receipt(TARGET)["adapters"][0]["commit"] == shelf.hub.head("bot/one")
    assert len(heard.urls) == (0 if name == "local" else 1)

    again, _ = carried_out(name, shelf, Heard())
    # GitHub says of a run that went well no more than that.
    assert again.outcome == ("merged" if name == "github" else "unchanged"), again.reason
    assert len(shelf.titles(TARGET)) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_failure_has_our_words_and_is_not_tried_again(name: str, shelf: Shelf) -> None:
    shelf.adapter("bot/broken", base_model_name_or_path="bot/base", r=3)
    ended, _ = carried_out(name, shelf, Heard(), "bot/broken")
    assert (ended.outcome, ended.again) == ("failed", False)
    assert "rank" in ended.reason or "lora_A" in ended.reason, ended.reason
    assert not shelf.api.repo_exists(TARGET)


@pytest.mark.parametrize("name", NAMES)
def test_a_hub_that_does_not_answer_is_worth_another_try(name: str, shelf: Shelf) -> None:
    away = Status(status=503, headers={"Retry-After": "900"})
    shelf.hub.fail(Fault(on=f"{_BASE}[/?]", does=away, times=1_000))
    ended, _ = carried_out(name, shelf, Heard())
    assert (ended.outcome, ended.again) == ("failed", True), ended.reason
    assert "bot/base" in ended.reason
    shelf.hub.heal()


@pytest.mark.parametrize("name", NAMES)
def test_a_stop_in_the_middle_leaves_nothing(name: str, shelf: Shelf) -> None:
    slow = Fault(on="HEAD /bot/base/resolve/.*/model.safetensors", does=Slow(seconds=3), times=9)
    shelf.hub.fail(slow)
    heard = Heard(stop_at="steps" if name == "github" else "pull")
    ended, _ = carried_out(name, shelf, heard)
    assert ended.outcome == "stopped", ended.reason
    assert not shelf.api.repo_exists(TARGET)
