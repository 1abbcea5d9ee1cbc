"""`adapter-merge serve`: the bot."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter, Token
from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter

from adapter_merge.merges import MERGES, read_merges
from adapter_merge.merges.spec import Duration
from adapter_merge.request import size_of

if TYPE_CHECKING:
    from adapter_merge.bot.config import Config
    from adapter_merge.bot.dispatch import Where

_GIGABYTE = 1_000_000_000
_SHORTEST = timedelta(seconds=1)


def _long_enough(value: timedelta) -> timedelta:
    if value < _SHORTEST:
        message = "it has to be a second at least"
        raise ValueError(message)
    return value


def _bytes(value: str) -> int:
    found = size_of(value)
    if found is None:
        message = f"`{value}` is not a size such as `5GB` or `500MB`"
        raise ValueError(message)
    return found


_TIME: TypeAdapter[timedelta] = TypeAdapter(Annotated[Duration, AfterValidator(_long_enough)])
_SIZE: TypeAdapter[int] = TypeAdapter(Annotated[int, BeforeValidator(_bytes)])


def _read(kind: TypeAdapter[Any], _type: Any, tokens: Sequence[Token]) -> Any:
    return kind.validate_python(tokens[0].value)


def _word(kind: TypeAdapter[Any], metavar: str, text: str) -> Parameter:
    """An option whose value is one word, read by us; its help names the default."""
    return Parameter(
        help=text,
        converter=partial(_read, kind),
        n_tokens=1,
        accepts_keys=False,
        show_default=False,
        metavar=metavar,
    )


_COUNT: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=1, le=64)])
_PORT: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=0, le=65_535)])
_time_option = partial(_word, _TIME, "TIME")
_size_option = partial(_word, _SIZE, "SIZE")


@dataclass(frozen=True, kw_only=True)
class Work:
    """How the bot works."""

    every: Annotated[
        timedelta,
        _time_option(
            "Time from one look at the Hub to the next, such as `30s` or `1h`; left out, `5min`. "
            "A webhook has it look at once."
        ),
    ] = timedelta(minutes=5)
    parallel: Annotated[int, _word(_COUNT, "INT", "Merges at one time; left out, one.")] = 1
    audit: Annotated[
        Path | None, Parameter(help="File that gets a line of JSON for each decision.")
    ] = None
    log: Annotated[Literal["text", "json"], Parameter(help="How the log on stderr is written.")] = (
        "text"
    )
    contact: Annotated[
        str | None,
        Parameter(help="Who runs the bot, such as an address; its commits and discussions say so."),
    ] = None
    discuss: Annotated[
        bool,
        Parameter(
            help="Tell an adapter's people of a merge that fails, in one discussion in its repository."
        ),
    ] = False

    def speak(self) -> None:
        """Have whatever merges for this process say who it is."""
        from adapter_merge.bot.words import DISCUSS, signature
        from adapter_merge.hub.client import SIGNATURE

        os.environ[SIGNATURE] = signature(self.contact)
        os.environ.pop(DISCUSS, None)
        if self.discuss:
            os.environ[DISCUSS] = "1"


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Where it is reached."""

    host: Annotated[
        str,
        Parameter(
            help="Address to listen on. The default is this machine alone; put a proxy with TLS before it."
        ),
    ] = "127.0.0.1"
    port: Annotated[int, _word(_PORT, "INT", "Port, `0` for any free one; left out, 8000.")] = 8000
    pages: Annotated[
        bool,
        Parameter(
            negative="--no-pages",
            help="Show its merges to whoever can reach it, names of private repositories among them.",
        ),
    ] = True


@dataclass(frozen=True, kw_only=True)
class Machines:
    """Where merges are done, and what they may take there."""

    dispatch: Annotated[
        Literal["local", "github", "jobs"],
        Parameter(
            help="Where merges are done: on this machine, by a workflow on GitHub, or by Jobs of the Hub."
        ),
    ] = "local"
    time_limit: Annotated[
        timedelta | None,
        _time_option(
            "Time that a merge may take; left out, `6h` here, and for Jobs as long as its bytes take."
        ),
    ] = None
    memory: Annotated[
        int | None,
        _size_option("Of `local`: memory that a merge may take, such as `16GB`; left out, all."),
    ] = None
    keep_free: Annotated[
        int,
        _size_option("Of `local`: room that has to stay free on its disks; left out, `1GB`."),
    ] = _GIGABYTE
    gpus: Annotated[
        str | None,
        Parameter(
            help="Of `local`: GPUs that merges see, as in `CUDA_VISIBLE_DEVICES`; empty for none."
        ),
    ] = None
    github: Annotated[
        str | None,
        Parameter(help="Of `github`: the workflow's repository, as `owner/name`."),
    ] = None
    image: Annotated[
        str | None,
        Parameter(help="Of `jobs`: an image, or a Space as `hf.co/spaces/org/name`."),
    ] = None
    flavor: Annotated[
        str | None,
        Parameter(help="Of `jobs`: the machine; left out, the smallest that a merge fits."),
    ] = None
    namespace: Annotated[
        str | None, Parameter(help="Of `jobs`: who pays; left out, the token's user.")
    ] = None


_InGroup = {
    name: Parameter(name="*", group=Group.create_ordered(title))
    for name, title in (("door", "Server"), ("where", "Where merges are done"))
}


def serve(
    merges: Path = MERGES,
    /,
    *,
    state: Path,
    work: Annotated[Work, Parameter(name="*")] = Work(),
    listening: Annotated[Listening, _InGroup["door"]] = Listening(),
    machines: Annotated[Machines, _InGroup["where"]] = Machines(),
) -> int:
    """Merge adapters as they are pushed, until it is stopped.

    It looks at all of them on a timer, and at once where a webhook of the Hub posts to `/webhook`; `adapter-merge
    bot install` makes that webhook. `ADAPTER_MERGE_WEBHOOK_SECRET` holds its secret, or
    `ADAPTER_MERGE_WEBHOOK_SECRET_FILE` names a file with it. `/` shows all merges, `/healthz` and `/readyz` say how it
    is, `/metrics` has figures. Prints `ready ADDRESS` once it answers.

    Args:
        merges: The list of adapters and targets; it is read anew at each look.
        state: Folder that keeps its queue, logs and reports; made where it is missing.
        work: How it works.
        listening: Where it is reached.
        machines: Where merges are done.
    """
    from adapter_merge.bot.extra import require_extra

    require_extra()
    from adapter_merge.bot.bot import Bot
    from adapter_merge.bot.dispatch import made
    from adapter_merge.bot.log import install
    from adapter_merge.bot.secret import SECRET, secret_of
    from adapter_merge.bot.web.serve import Door, serve

    secret = secret_of(os.environ)
    read_merges(merges)  # later a wrong one keeps the last good one; at the start there is none
    state = state.expanduser().absolute()
    work.speak()
    bot = Bot(_config(merges, state, work, machines), made(_where(state, machines)))
    os.environ.pop(SECRET, None)
    install(work.log)
    door = Door(host=listening.host, port=listening.port, secret=secret, pages=listening.pages)
    with suppress(KeyboardInterrupt):
        serve(bot, door, _ready)
    return 0


def _ready(url: str) -> None:
    sys.stdout.write(f"ready {url}\n")
    sys.stdout.flush()


def _config(merges: Path, state: Path, work: Work, machines: Machines) -> Config:
    from adapter_merge.bot.config import Config

    return Config(
        merges=merges,
        state=state,
        every=work.every,
        parallel=work.parallel,
        audit=work.audit,
        floor_bytes=machines.keep_free,
    )


def _where(state: Path, machines: Machines) -> Where:
    from adapter_merge.bot.dispatch import Limits, Where

    limit = None if machines.time_limit is None else machines.time_limit.total_seconds()
    own = {} if limit is None else {"seconds": limit}
    return Where(
        name=machines.dispatch,
        place=state / "work",
        limits=Limits(memory_bytes=machines.memory, floor_bytes=machines.keep_free, **own),
        gpus=machines.gpus,
        repository=machines.github,
        image=machines.image,
        flavor=machines.flavor,
        timeout=limit,
        namespace=machines.namespace,
    )
