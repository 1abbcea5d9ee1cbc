"""Deliveries in numbers, twice and out of order: no push is lost, and none is merged twice."""

from __future__ import annotations

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.bot.town import Bot, Town, until

_SENDERS = 16
_NOBODY = "http://127.0.0.1:9/webhook"


@dataclass(frozen=True, kw_only=True)
class Load:
    """So many deliveries in so many seconds; `twice` adapters are pushed once more meanwhile."""

    adapters: int
    deliveries: int
    seconds: float
    twice: int

    @property
    def names(self) -> list[str]:
        return [f"bot/a{number}" for number in range(self.adapters)]


@pytest.mark.parametrize(
    "load",
    [
        Load(adapters=2, deliveries=60, seconds=0.6, twice=1),
        pytest.param(
            Load(adapters=50, deliveries=1_000, seconds=10, twice=10), marks=pytest.mark.bot
        ),
    ],
    ids=["small", "large"],
)
def test_none_is_lost_and_none_is_merged_twice(load: Load, town: Town) -> None:
    # The Hub builds what it would post; it comes to the bot in another order, and more than once.
    town.shelf.api.create_webhook(
        url=_NOBODY, watched=[{"type": "user", "name": "bot"}], domains=["repo"], secret="unused"
    )
    with town.bot("--parallel", "2") as bot:
        for number, name in enumerate(load.names):
            push(town, name, alpha=2 + number)
        told = payloads(town)
        assert bot.record("bot/a0-merged") is None  # it knows of no push yet
        with ThreadPoolExecutor(1) as other:
            pushing = other.submit(push_again, town, load)
            deliver(bot, mixed(told, load.deliveries), load.seconds)
            pushing.result()
        newer = payloads(town)[len(told) :]
        deliver(bot, [*newer, *told, *newer], 0.2)
        until(lambda: all(map(bot.is_in_step, load.names)), bot.told, seconds=900)
        until(bot.is_idle, bot.told)
        # What the Hub tells of the results themselves, and of all else once more.
        deliver(bot, payloads(town), 0.2)
        time.sleep(1)
        assert bot.is_idle()
        assert b'adapter_merge_merges_total{outcome="failed"}' not in bot.asked("/metrics")[1]
    pushed_twice = load.names[: load.twice]
    for name in load.names:
        recipes = town.recipes(f"{name}-merged")
        assert len(recipes) == len(set(recipes))
        assert len(recipes) <= (2 if name in pushed_twice else 1), name


def push(town: Town, name: str, *, alpha: int) -> None:
    town.shelf.adapter(name, base_model_name_or_path="bot/base", lora_alpha=alpha)


def push_again(town: Town, load: Load) -> None:
    """Some adapters once more, while others are merged."""
    for number, name in enumerate(load.names[: load.twice]):
        time.sleep(load.seconds / load.twice)
        push(town, name, alpha=1_000 + number)


def payloads(town: Town) -> list[bytes]:
    """All that the Hub has had to tell so far."""
    return [json.dumps(delivery.payload).encode() for delivery in town.shelf.hub.deliveries]


def mixed(told: list[bytes], count: int) -> list[bytes]:
    """So many in all, in any order."""
    many = (told * (1 + count // len(told)))[:count]
    random.Random(7).shuffle(many)  # noqa: S311
    return many


def deliver(bot: Bot, bodies: list[bytes], seconds: float) -> None:
    """Post all of them, evenly over a time; each is taken."""
    begin = time.monotonic()

    def post(number: int) -> int:
        time.sleep(max(0.0, begin + seconds * number / len(bodies) - time.monotonic()))
        return bot.posted(bodies[number])

    with ThreadPoolExecutor(_SENDERS) as senders:
        assert set(senders.map(post, range(len(bodies)))) == {202}
