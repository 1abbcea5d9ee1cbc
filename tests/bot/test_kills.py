"""Server and merges are killed at any moment while adapters are pushed: in the end all targets are in step, once."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import psutil
import pytest

from tests.bot.dispatch.places import running
from tests.bot.town import Town, until

_LONGEST = 3.5  # seconds until a kill: a start takes one, a merge two


@pytest.fixture
def tidy(town: Town) -> Iterator[Town]:
    """A town in which nothing runs afterwards, however a test ends."""
    yield town
    for process in psutil.process_iter(["cmdline"]):
        if any(str(town.state) in word for word in process.info["cmdline"] or []):
            _kill(process)


@dataclass(kw_only=True)
class Trouble:
    """Who pushes and kills; what is due to chance is the same at each run, but for the machine's part in it."""

    town: Town
    names: list[str]
    seed: int
    pushed: int = 0
    killed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - moments, no secrets

    def push(self, name: str) -> None:
        """Weights that nobody has pushed before."""
        self.pushed += 1
        self.town.shelf.adapter(name, base_model_name_or_path="bot/base", lora_alpha=self.pushed)

    def round(self, which: str, longest: float) -> None:
        """Start, push, and kill."""
        bot = self.town.begin("--parallel", "2")
        for name in self.chance.sample(self.names, self.chance.randint(0, min(2, len(self.names)))):
            time.sleep(self.chance.uniform(0, longest / 4))
            self.push(name)
        time.sleep(self.chance.uniform(0, longest))
        merges = [] if which == "server" else bot.children()
        if which == "merges":
            self._killed(merges)
            time.sleep(self.chance.uniform(0, 1))
        bot.kill()
        self.killed.append("server")
        if which == "both":
            self._killed(merges)

    def merge_killed(self) -> None:
        """Kill a merge for sure, and let the server live until it knows."""
        bot = self.town.begin()
        self.push(self.names[0])
        until(lambda: bool(bot.children()), bot.told)
        self._killed(bot.children())
        target = f"{self.names[0]}-merged"
        until(lambda: bot.state(target) not in {"queued", "running"}, bot.told)
        bot.kill()

    def _killed(self, merges: list[psutil.Process]) -> None:
        for process in merges:
            _kill(process)
        self.killed.extend("merge" for _ in merges)


def test_a_few_kills_leave_nothing_undone(tidy: Town) -> None:
    trouble = Trouble(town=tidy, names=["bot/one"], seed=1)
    trouble.push("bot/one")
    tidy.install()
    trouble.round("both", longest=1.5)
    trouble.merge_killed()
    require_in_step(trouble)


@pytest.mark.bot
def test_fifty_rounds_of_kills_leave_nothing_undone(tidy: Town) -> None:
    names = [f"bot/a{number}" for number in range(4)]
    trouble = Trouble(town=tidy, names=names, seed=50)
    for name in names:
        trouble.push(name)
    tidy.install()
    for _ in range(50):
        which = trouble.chance.choice(["server", "merges", "both"])
        trouble.round(which, _LONGEST)
    trouble.merge_killed()
    assert trouble.killed.count("merge") >= 10
    require_in_step(trouble)


def require_in_step(trouble: Trouble) -> None:
    """After a last start each target is made of its adapter as it is, of each contents once, and nothing is left."""
    town, names = trouble.town, trouble.names
    with town.bot("--parallel", "2") as bot:
        until(lambda: all(map(bot.is_in_step, names)), bot.told, seconds=120)
        until(bot.is_idle, bot.told)
        time.sleep(0.5)  # a merge that nobody needs would begin
        assert bot.is_idle()
    assert running(str(town.state)) == []
    work = town.state / "work"
    assert sorted(str(path.relative_to(work)) for path in work.rglob("*")) == []
    for name in names:
        recipes = town.recipes(f"{name}-merged")
        assert len(recipes) == len(set(recipes))


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
