"""The application: webhook, health, figures, and pages where there are any."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import FastAPI

from adapter_merge.bot.clock import Clock, utc
from adapter_merge.bot.secret import Secret
from adapter_merge.bot.web.deliveries import Heard, deliveries
from adapter_merge.bot.web.health import health
from adapter_merge.bot.web.journal import Audit, Journal
from adapter_merge.bot.web.limits import Capped
from adapter_merge.bot.web.metrics import Metrics
from adapter_merge.bot.web.pages import Shown, add
from adapter_merge.bot.web.port import Bot


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """What an application has besides its bot.

    Attributes:
        audit: gets each decision on a delivery that was read; None for none.
        shown: what pages for people are drawn from; None where there shall be none.
        clock: the time, in UTC.
    """

    audit: Audit | None = None
    shown: Shown | None = None
    clock: Clock = utc


def app(bot: Bot, secret: str, beside: Beside = Beside()) -> FastAPI:
    """The application of a bot; it has no lifespan: whoever serves it starts and stops the bot."""
    made = FastAPI(title="adapter-merge", docs_url=None, redoc_url=None, openapi_url=None)
    made.add_middleware(Capped)
    metrics, journal = Metrics(bot, beside.clock), Journal(beside.audit, beside.clock)

    def tell(heard: Heard) -> None:
        metrics.count(heard)
        journal.note(heard)

    made.include_router(deliveries(bot, Secret(secret), tell))
    made.include_router(health(bot, beside.clock, names=beside.shown is not None))
    made.include_router(metrics.route())
    if beside.shown is not None:
        add(made, beside.shown, now=beside.clock)
    return made
