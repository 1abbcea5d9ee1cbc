"""Figures for Prometheus: what the bot says of itself when it is asked, and what its deliveries were."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from typing import get_args

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from adapter_merge.bot.clock import Clock
from adapter_merge.bot.record import State
from adapter_merge.bot.web.deliveries import Heard, Result
from adapter_merge.bot.web.health import unready
from adapter_merge.bot.web.port import Bot

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)


class Metrics:
    """The figures of one bot, in a registry of their own."""

    def __init__(self, bot: Bot, clock: Clock) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Standing(bot, clock))
        self._heard = Counter(
            "adapter_merge_deliveries", "Deliveries.", ["result"], registry=self._registry
        )
        self._seconds = Histogram(
            "adapter_merge_delivery_seconds",
            "Seconds until a delivery was answered.",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        for result in get_args(Result):
            self._heard.labels(result)

    def count(self, heard: Heard) -> None:
        """Count a delivery."""
        self._heard.labels(heard.result).inc()
        self._seconds.observe(heard.seconds)

    def route(self) -> APIRouter:
        """`/metrics`."""
        router = APIRouter()

        @router.get("/metrics")
        async def metrics() -> Response:
            return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

        return router


class _Standing(Collector):
    """Asks the bot whenever figures are asked for, so that there is one truth."""

    def __init__(self, bot: Bot, clock: Clock) -> None:
        self._bot = bot
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        standing, now = self._bot.standing(), self._clock()
        states = Tally(record.state for record in self._bot.records())
        yield _gauge("ready", "Whether merges follow their adapters.", not unready(standing, now))
        yield _gauge("paused", "Whether it is paused.", standing.paused)
        yield _gauge("queued", "Targets that wait for their turn.", standing.queued)
        yield _gauge("running", "Merges that go on.", standing.running)
        yield _gauge("dead", "Targets that were tried often enough.", standing.dead)
        if standing.looked is not None:
            age = (now - standing.looked).total_seconds()
            yield _gauge("round_age_seconds", "Since the last round that succeeded.", age)
        if standing.free_bytes is not None:
            yield _gauge("free_bytes", "Where it keeps its state.", standing.free_bytes)
        targets = GaugeMetricFamily("adapter_merge_targets", "By state.", labels=["state"])
        for state in get_args(State):
            targets.add_metric([state], states[state])
        yield targets
        yield _counter("merges", "Merges, by what became of them.", "outcome", standing.ended)
        yield _counter("stage_seconds", "Seconds of merges, by stage.", "stage", standing.seconds)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"adapter_merge_{name}", words, value=value)


def _counter(name: str, words: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"adapter_merge_{name}", words, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
