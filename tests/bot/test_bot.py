"""The whole bot on a Hub on loopback: pushes and hints come in, one merge goes out, and a restart changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest

from adapter_merge.bot import wishes
from adapter_merge.bot.bot import Bot
from adapter_merge.bot.clock import utc
from adapter_merge.bot.config import Config
from adapter_merge.bot.look import Decided
from adapter_merge.bot.order import Ears, Ended, Needs, Order
from adapter_merge.bot.record import Record
from adapter_merge.errors import RequestError
from adapter_merge.merges import Roster, Wanted, read_merges, roster_of
from adapter_merge.ports import Silent
from adapter_merge.reconcile import Memory, decisions, expand, sync
from adapter_merge.request import Request
from adapter_merge.running import Machine
from tests.reconcile.conftest import Shelf, shelf

__all__ = ["shelf"]

FILE = """
defaults: {probe: off, workers: 1, settle: 0}
merges:
  - {adapter: bot/one, to: bot/one-merged}
watch:
  - {owner: bot, match: late*, to: "{owner}/{name}-merged"}
"""
ONE = "bot/one-merged"


@dataclass(kw_only=True)
class Near:
    """Eyes and dispatch of one machine, in this process."""

    file: Path
    machine: Machine
    orders: list[Order] = field(default_factory=list)
    name: Literal["local", "github", "jobs"] = "local"
    cleaned: int = 0
    _memory: Memory = field(default_factory=Memory)

    def roster(self) -> Roster:
        return read_merges(self.file)

    def entries(self, roster: Roster) -> tuple[Wanted, ...]:
        return expand(roster, self.machine.around)

    def decide(self, entries: Iterable[Wanted], *, told: bool = False) -> tuple[Decided, ...]:
        return decisions(entries, machine=self.machine, now=utc(), memory=self._memory)

    def needs(self, request: Request) -> Needs:
        return Needs()

    def carry_out(self, order: Order, ears: Ears) -> Ended:
        self.orders.append(order)
        wanted = roster_of(order.document.encode()).entries
        (report,) = sync(
            wanted, reporter=Silent(), machine=self.machine, now=utc(), each=lambda _: None
        )
        assert report.status != "done"
        return Ended(outcome=report.status, reason=report.reason)

    def clean(self) -> None:
        self.cleaned += 1


@dataclass(kw_only=True)
class Stage:
    """A shelf, and bots that work on it one after the other."""

    shelf: Shelf
    near: Near
    state: Path

    @contextmanager
    def bot(self) -> Iterator[Bot]:
        config = Config(merges=self.near.file, state=self.state, every=timedelta(hours=1))
        with Bot(config, self.near, eyes=self.near) as bot:
            assert until(lambda: bot.standing().looked is not None)
            yield bot


@pytest.fixture
def stage(shelf: Shelf, tmp_path: Path) -> Stage:
    file = tmp_path / "merges.yaml"
    file.write_text(FILE)
    near = Near(file=file, machine=shelf.machine())
    return Stage(shelf=shelf, near=near, state=tmp_path / "state")


def until(holds: Callable[[], bool]) -> bool:
    """Whether something holds within a time that a merge takes many times."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def known(bot: Bot, target: str = ONE) -> Record | None:
    return next((record for record in bot.records() if record.target == target), None)


def state(bot: Bot, target: str = ONE) -> str:
    record = known(bot, target)
    return "none" if record is None else record.state


def is_idle(bot: Bot) -> bool:
    now = bot.standing()
    return now.queued == now.running == 0


def test_a_training_that_pushes_four_times_is_merged_once(stage: Stage) -> None:
    for step in (1, 2, 3):
        stage.shelf.adapter("bot/one", f"Training in progress, step {step}", lora_alpha=step)
    with stage.bot() as bot:
        assert state(bot) == "waiting"
        head = stage.shelf.adapter("bot/one", "End of training", lora_alpha=4)
        assert bot.watches("bot/one", "refs/heads/main")
        assert bot.outputs(ONE)
        for _ in range(20):  # as often as a Hub may deliver it
            bot.hint("bot/one")
        assert until(lambda: state(bot) == "merged")
        for _ in range(20):
            bot.hint("bot/one")
        assert until(lambda: is_idle(bot))
        record = known(bot)
    assert record is not None
    assert record.adapters == (f"bot/one@{head}",)
    assert record.commit == stage.shelf.hub.head(ONE)
    assert stage.shelf.receipt(ONE)["adapters"][0]["commit"] == head
    assert (len(stage.near.orders), len(stage.shelf.titles(ONE))) == (1, 1)
    with stage.bot() as again:
        assert state(again) == "merged"
        assert until(lambda: is_idle(again))
    assert (len(stage.near.orders), stage.near.cleaned) == (1, 2)


def test_new_words_are_sent_once_and_are_no_failure(stage: Stage) -> None:
    with stage.bot() as bot:
        assert until(lambda: state(bot) == "merged")
        stage.shelf.write("bot/one", "README.md", b"---\nlanguage: de\n---\n# One\n")
        bot.hint("bot/one")
        assert until(lambda: state(bot) == "unchanged")
        bot.hint("bot/one")
        time.sleep(0.5)
        assert until(lambda: is_idle(bot))
        record = known(bot)
    assert record is not None
    assert record.reason.endswith("with the same contents")
    assert len(stage.near.orders) == 2
    assert [title.split()[0] for title in stage.shelf.titles(ONE)] == ["Refresh", "Merge"]


def test_a_new_adapter_of_a_watched_owner_is_merged_at_its_first_push(stage: Stage) -> None:
    with stage.bot() as bot:
        assert until(lambda: state(bot) == "merged")
        assert not bot.watches("bot/base")
        stage.shelf.adapter("bot/late-one", "End of training")
        assert bot.watches("bot/late-one", "refs/heads/main")
        bot.hint("bot/late-one")
        assert until(lambda: state(bot, "bot/late-one-merged") == "merged")
    assert [order.target for order in stage.near.orders] == [ONE, "bot/late-one-merged"]


def test_a_pause_and_a_second_bot(stage: Stage) -> None:
    wishes.pause(stage.state)
    with stage.bot() as bot:
        assert (bot.standing().paused, bot.standing().queued, state(bot)) == (True, 1, "queued")
        with pytest.raises(RequestError, match="another bot works in"), stage.bot():
            pass
    assert stage.near.orders == []
    wishes.resume(stage.state)
    with stage.bot() as bot:
        assert until(lambda: state(bot) == "merged")
        assert bot.standing().ended == {"merged": 1}
        assert bot.standing().gone == ()
    assert bot.standing().gone == ("keeper", "worker 1")


@pytest.mark.parametrize("name", ["merges", "queue", "retry"])
def test_a_folder_that_cannot_be_worked_in(stage: Stage, name: str) -> None:
    stage.state.mkdir()
    (stage.state / name).write_text("in the way")
    with pytest.raises(RequestError, match=f"the bot can't work in `{stage.state}`"):
        Bot(Config(merges=stage.near.file, state=stage.state), stage.near).__enter__()
    (stage.state / name).unlink()
    with stage.bot() as bot:  # the lock isn't held any more
        assert until(lambda: state(bot) == "merged")


def test_a_full_disk_has_merges_wait(stage: Stage) -> None:
    config = Config(merges=stage.near.file, state=stage.state, floor_bytes=1 << 60)
    with Bot(config, stage.near, eyes=stage.near) as bot:
        assert until(lambda: bot.standing().looked is not None)
        time.sleep(1)
        assert (state(bot), stage.near.orders) == ("queued", [])
    with stage.bot() as bot:
        assert until(lambda: state(bot) == "merged")
