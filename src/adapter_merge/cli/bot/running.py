"""`adapter-merge bot pause`, `resume`, `retry` and `status`: a bot that works already."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from adapter_merge.cli.bot.which import AsJson, Asked, Url, require_one, say
from adapter_merge.cli.options import write
from adapter_merge.cli.show import grid, on_stderr
from adapter_merge.errors import RequestError

if TYPE_CHECKING:
    from adapter_merge.bot.record import Record

Folder = Annotated[
    Path, Parameter(help="The folder that `adapter-merge serve` keeps its state in.")
]


def pause(*, state: Folder | None = None, url: Url = None, job: Asked = False) -> int:
    """Have the bot begin no merge until `resume`: one that serves, or with `--url` or `--job` its webhook.

    Args:
        state: Of the bot that serves.
        url: Switch the webhook of this address off.
        job: Switch the webhook that runs a Job off.
    """
    return _switch(state, url, job=job, on=False)


def resume(*, state: Folder | None = None, url: Url = None, job: Asked = False) -> int:
    """End a pause; what was pushed meanwhile is merged then.

    Args:
        state: Of the bot that serves.
        url: Switch the webhook of this address on.
        job: Switch the webhook that runs a Job on.
    """
    return _switch(state, url, job=job, on=True)


def _switch(state: Path | None, url: str | None, *, job: bool, on: bool) -> int:
    if state is None and url is None and not job:
        raise RequestError(
            "there are two ways to pause: a bot that serves, and its webhook",
            hint="Give `--state FOLDER`, or `--url` or `--job` of the webhook.",
        )
    changed = False
    if state is not None:
        from adapter_merge.bot import wishes

        changed = (wishes.resume if on else wishes.pause)(state.expanduser())
    if url is not None or job:
        require_one(url, job=job)
        from adapter_merge.bot.setting import install as setting
        from adapter_merge.hub.client import connect

        changed = bool(setting.switch(connect(), url=url, on=on)) or changed
    word = "on" if on else "paused"
    say(f"The bot is {word} now." if changed else f"The bot was {word} already.")
    return 0


def retry(target: str, /, *, state: Folder) -> int:
    """Have a merge that failed, or that was given up, tried again; without this only a new push does that.

    Args:
        target: Of the merge, as merges.yaml has it.
        state: Of the bot that serves.
    """
    from adapter_merge.bot import wishes

    folder = state.expanduser()
    known = [record.target for record in _records(folder)]
    if target not in known:
        names = ", ".join(f"`{name}`" for name in known[:8]) or "none"
        raise RequestError(
            f"the bot in `{folder}` knows no target `{target}`", hint=f"It knows {names}."
        )
    wishes.retry(folder, target)
    say(f"`{target}` is tried again in the next round.")
    return 0


def status(*, state: Folder, json_: AsJson = False) -> int:
    """What became of each merge, as the bot in this folder knew it last.

    Args:
        state: Of the bot that serves.
        json_: For programs.
    """
    found = _records(state.expanduser())
    if json_:
        write(json.dumps([asdict(record) for record in found], default=str, ensure_ascii=False))
        return 0
    rows = [(r.state, r.target, r.reason) for r in found]
    on_stderr().print(grid(rows) if rows else "There is none.")
    return 0


def _records(folder: Path) -> tuple[Record, ...]:
    from adapter_merge.bot.store import records_in

    return records_in(folder / "merges")
