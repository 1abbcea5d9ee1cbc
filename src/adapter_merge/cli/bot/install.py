"""`adapter-merge bot install` and `uninstall`: the webhook that wakes the bot."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from adapter_merge.cli.bot.which import Asked, Url, require_one, say
from adapter_merge.cli.options import write
from adapter_merge.errors import RequestError
from adapter_merge.figures import counted
from adapter_merge.merges import MERGES

if TYPE_CHECKING:
    from adapter_merge.bot.setting.install import Installed


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
    require_one(url, job=job)
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
        say(f"Its secret, which is shown this once; give it to the server as {_SECRET_NAME}:")
        write(secret)
    return 0


def _install_job(merges: Path, given: OfJob) -> None:
    from adapter_merge.bot.setting import install as setting
    from adapter_merge.bot.tokens import of_the_hub
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
        secrets=of_the_hub(os.environ),
        flavor=given.flavor,
        timeout=given.timeout,
        contact=given.contact,
    )
    _say_installed(setting.run(connect(), roster, runs), f"a Job in `{given.image}`")
    if setting.settles(roster):
        say(_TOO_EARLY)


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


def _say_installed(done: Installed, what: str) -> None:
    names = ", ".join(item.name for item in done.hook.watched[:5])
    more = len(done.hook.watched) - 5
    say(
        f"The webhook for {what} was {done.what}: it watches {names}{f' and {more} more' if more > 0 else ''}."
    )


def uninstall(*, url: Url = None, job: Asked = False) -> int:
    """Take the bot's webhook away; others of the user's stay.

    Args:
        url: The one that tells this address.
        job: The one that runs a Job.
    """
    require_one(url, job=job)
    from adapter_merge.bot.setting import install as setting
    from adapter_merge.hub.client import connect

    gone = setting.uninstall(connect(), url=url)
    say(f"{counted(len(gone), 'webhook')} taken away." if gone else "There was none.")
    return 0
