"""`adapter-merge bot ...`: set the bot up, look after it, and what a Job of the Hub runs."""

from __future__ import annotations

from collections.abc import Callable

from cyclopts import App

from adapter_merge.cli.bot.demo import demo
from adapter_merge.cli.bot.doctor import doctor
from adapter_merge.cli.bot.install import install, uninstall
from adapter_merge.cli.bot.job import job
from adapter_merge.cli.bot.running import pause, resume, retry, status

_VERBS: tuple[Callable[..., int], ...] = (
    *(install, uninstall, doctor),
    *(pause, resume, retry, status),
    *(job, demo),
)

app = App(name="bot", sort_key=13, help="The bot that merges adapters as they are pushed.")
for _place, _verb in enumerate(_VERBS, start=1):
    app.command(_verb, sort_key=_place)
