"""`adapter-merge bot ...`: set the bot up, look after it, and what a Job of the Hub runs."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter
from rich.text import Text

from adapter_merge.cli import demo_bot
from adapter_merge.cli.job import job as run_job
from adapter_merge.cli.options import write
from adapter_merge.cli.show import grid, on_stderr
from adapter_merge.errors import RequestError, SomeFailed
from adapter_merge.figures import counted
from adapter_merge.merges import MERGES

if TYPE_CHECKING:
    from adapter_merge.bot.record import Record
    from adapter_merge.bot.setting.exam import Exam
    from adapter_merge.bot.setting.install import Installed

app = App(name="bot", sort_key=13, help="The bot that merges adapters as they are pushed.")
app.command(run_job, name="job", sort_key=9)

_STYLE = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "dim"}
_TOKENS = ("HF_TOKEN", "HF_WRITE_TOKEN")

Url = Annotated[
    str | None,
    Parameter(
        help="The address of `adapter-merge serve`, such as `https://bot.example.com/webhook`."
    ),
]
Asked = Annotated[bool, Parameter(help="The webhook that runs a Job of the Hub, without a server.")]

AsJson = Annotated[
    bool,
    Parameter(
        name="--json", help="Write what was found as JSON to stdout, and nothing else there."
    ),
]


@dataclass(frozen=True, kw_only=True)
class OfJob:
    """What a Job is."""

    image: Annotated[
        str | None,
        Parameter(help="Of the Job: an image, or a Space as `hf.co/spaces/org/name`."),
    ] = None
    flavor: Annotated[str, Parameter(help="The Job's machine, such as `cpu-xl`.")] = "cpu-upgrade"
    timeout: Annotated[str, Parameter(help="How long the Job may take, such as `2h`.")] = "2h"
    contact: Annotated[
        str | None,
        Parameter(help="Of the Job: who runs it, such as an address; its commits say so."),
    ] = None


@app.command(sort_key=1)
def install(
    merges: Path = MERGES,
    /,
    *,
    url: Url = None,
    job: Asked = False,
    of_job: Annotated[OfJob, Parameter(name="*")] = OfJob(),
) -> int:
    """Make the webhook that wakes the bot at every push of an adapter in merges.yaml, or bring it up to date.

    It tells the address of a server, or runs a Job of the Hub. There is one of them, however often this is
    run. The secret is taken from `ADAPTER_MERGE_WEBHOOK_SECRET`; where that is empty one is made, and shown once.

    Args:
        merges: The list of adapters and targets.
        url: The server's address.
        job: Have a Job run, for which no server is needed.
        of_job: What the Job is.
    """
    _require_one(url, job=job)
    from adapter_merge.hub.client import connect
    from adapter_merge.merges import read_merges

    if url is None:
        _install_job(merges, of_job)
        return 0
    from adapter_merge.bot.setting import install as setting

    made = not _given_secret()
    secret = secrets.token_hex(32) if made else _secret()
    done = setting.tell(connect(), read_merges(merges), url=url, secret=secret)
    _say_installed(done, url)
    if made:
        _say(f"Its secret, which is shown this once; give it to the server as {_SECRET_NAME}:")
        write(secret)
    return 0


def _install_job(merges: Path, given: OfJob) -> None:
    from adapter_merge.bot.setting import install as setting
    from adapter_merge.hub.client import connect
    from adapter_merge.merges import read_merges

    if given.image is None:
        raise RequestError(
            "a Job needs an image", hint="Give `--image`; the guide has the project's own."
        )
    roster = read_merges(merges)
    runs = setting.Runs(
        image=given.image,
        document=merges.read_text(encoding="utf-8"),
        secrets=_tokens(),
        flavor=given.flavor,
        timeout=given.timeout,
        contact=given.contact,
    )
    _say_installed(setting.run(connect(), roster, runs), f"a Job in `{given.image}`")
    if setting.settles(roster):
        _say(_TOO_EARLY)


def _tokens() -> dict[str, str]:
    """What the Job gets: the environment's, and for reading what a login has kept."""
    from huggingface_hub import get_token

    found = {name: os.environ.get(name) for name in _TOKENS}
    found["HF_TOKEN"] = found["HF_TOKEN"] or get_token()
    return {name: token for name, token in found.items() if token}


_TOO_EARLY = (
    "Something in merges.yaml waits until its adapter has stood still. The Job that a push starts comes too early for that, and nobody "
    "looks again: write `when: push`, or run `adapter-merge sync` on a schedule, too."
)


_SECRET_NAME = "ADAPTER_MERGE_WEBHOOK_SECRET"  # noqa: S105 - the variable's name


def _given_secret() -> bool:
    return any(os.environ.get(name) for name in (_SECRET_NAME, f"{_SECRET_NAME}_FILE"))


def _secret() -> str:
    from adapter_merge.bot.secret import secret_of

    return secret_of(os.environ)


def _require_one(url: str | None, *, job: bool) -> None:
    if (url is None) is not job:
        raise RequestError(
            "a webhook tells one address, or runs a Job",
            hint="Give `--url https://.../webhook`, or `--job`.",
        )


def _say_installed(done: Installed, what: str) -> None:
    names = ", ".join(item.name for item in done.hook.watched[:5])
    more = len(done.hook.watched) - 5
    _say(
        f"The webhook for {what} was {done.what}: it watches {names}{f' and {more} more' if more > 0 else ''}."
    )


def _say(text: str) -> None:
    on_stderr().print(text)


@app.command(sort_key=2)
def uninstall(*, url: Url = None, job: Asked = False) -> int:
    """Take the bot's webhook away; others of the user's stay.

    Args:
        url: The one that tells this address.
        job: The one that runs a Job.
    """
    _require_one(url, job=job)
    from adapter_merge.bot.setting import install as setting
    from adapter_merge.hub.client import connect

    gone = setting.uninstall(connect(), url=url)
    _say(f"{counted(len(gone), 'webhook')} taken away." if gone else "There was none.")
    return 0


Folder = Annotated[
    Path, Parameter(help="The folder that `adapter-merge serve` keeps its state in.")
]


@app.command(sort_key=4)
def pause(*, state: Folder | None = None, url: Url = None, job: Asked = False) -> int:
    """Have the bot begin no merge until `resume`: one that serves, or with `--url` or `--job` its webhook.

    Args:
        state: Of the bot that serves.
        url: Switch the webhook of this address off.
        job: Switch the webhook that runs a Job off.
    """
    return _switch(state, url, job=job, on=False)


@app.command(sort_key=5)
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
        _require_one(url, job=job)
        from adapter_merge.bot.setting import install as setting
        from adapter_merge.hub.client import connect

        changed = bool(setting.switch(connect(), url=url, on=on)) or changed
    word = "on" if on else "paused"
    _say(f"The bot is {word} now." if changed else f"The bot was {word} already.")
    return 0


@app.command(sort_key=6)
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
    _say(f"`{target}` is tried again in the next round.")
    return 0


@app.command(sort_key=7)
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


@app.command(sort_key=3)
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


app.command(demo_bot.demo, name="demo", sort_key=9)
