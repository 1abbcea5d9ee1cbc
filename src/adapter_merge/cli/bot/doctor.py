"""`adapter-merge bot doctor`: look at everything that the bot needs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.text import Text

from adapter_merge.cli.bot.which import AsJson, Url
from adapter_merge.cli.options import write
from adapter_merge.cli.show import grid, on_stderr
from adapter_merge.errors import SomeFailed
from adapter_merge.merges import MERGES

if TYPE_CHECKING:
    from adapter_merge.bot.setting.exam import Exam

_STYLE = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "dim"}


def doctor(
    merges: Path = MERGES,
    /,
    *,
    url: Url = None,
    dispatch: Annotated[
        Literal["local", "github", "jobs"], Parameter(help="Where merges are done.")
    ] = "local",
    github: Annotated[
        str | None, Parameter(help="The workflow's repository on GitHub, as `owner/name`.")
    ] = None,
    json_: AsJson = False,
) -> int:
    """Look at everything that the bot needs: tokens and their scopes, webhook, address, adapters, targets, disk, GPU.

    Nothing is changed. The exit code is 10 where something keeps the bot from its work.

    Args:
        merges: The list of adapters and targets.
        url: The address that the webhook tells; left out, a Job is looked for.
        dispatch: Where merges are done.
        github: Of `--dispatch github`.
        json_: For programs.
    """
    from adapter_merge.bot.setting.doctor import TOKENS, Patient, examine

    patient = Patient(merges=merges, url=url, dispatch=dispatch, github=github, environ=os.environ)
    found = tuple(examine(patient))
    if json_:
        write(json.dumps([asdict(exam) for exam in found], ensure_ascii=False))
    else:
        console = on_stderr()
        console.print(_table(found))
        console.print("", "Which token serves which case:", grid(TOKENS), sep="\n")
    return SomeFailed.exit_code if any(exam.state == "fail" for exam in found) else 0


def _table(found: Iterable[Exam]) -> object:
    rows = (
        (
            Text(exam.state, style=_STYLE[exam.state]),
            exam.name,
            f"{exam.said}. {exam.todo}" if exam.todo else exam.said,
        )
        for exam in found
    )
    return grid(rows)
