"""The application: webhook, health, figures, and pages where there are any."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI

from adapter_merge.bot.clock import Clock, utc
from adapter_merge.bot.log import say
from adapter_merge.bot.secret import Secret
from adapter_merge.bot.web.deliveries import Heard, deliveries
from adapter_merge.bot.web.health import health
from adapter_merge.bot.web.limits import Capped
from adapter_merge.bot.web.metrics import Metrics
from adapter_merge.bot.web.pages import Shown, add
from adapter_merge.bot.web.port import Bot

Audit = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """What an application has besides its bot.

    Attributes:
        audit: gets each decision on a delivery that came with the secret; others could fill a disk with it.
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
    metrics = Metrics(bot, beside.clock)

    def tell(heard: Heard) -> None:
        metrics.count(heard)
        _log(heard)
        if beside.audit is not None and heard.payload is not None:
            beside.audit({"event": "delivery", **_facts(heard)})

    made.include_router(deliveries(bot, Secret(secret), tell))
    made.include_router(health(bot, beside.clock))
    made.include_router(metrics.route())
    if beside.shown is not None:
        add(made, beside.shown, now=beside.clock)
    return made


def _log(heard: Heard) -> None:
    level = logging.WARNING if heard.status >= 400 else logging.INFO
    say("delivery", level=level, **_facts(heard), peer=heard.peer)


def _facts(heard: Heard) -> dict[str, object]:
    repo = heard.payload.repo if heard.payload is not None else None
    return {
        "result": heard.result,
        "reason": heard.reason,
        "repo": repo.name if repo is not None else None,
        "head": repo.head_sha if repo is not None else None,
    }
