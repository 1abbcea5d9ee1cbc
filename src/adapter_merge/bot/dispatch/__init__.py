"""Where merges run: a process of this machine, a workflow on GitHub, or a Job of the Hub."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from adapter_merge.bot.order import Dispatch
from adapter_merge.errors import RequestError

Name = Literal["local", "github", "jobs"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a merge on this machine may take.

    Attributes:
        seconds: from its start to its end.
        memory_bytes: of its processes together; None for no limit.
        floor_bytes: that stay free on every disk that it writes to.
        grace: seconds that it gets to clean up where it is stopped.
        look: seconds between two looks at it.
    """

    seconds: float = 6 * 3600
    memory_bytes: int | None = None
    floor_bytes: int = 1 << 30
    grace: float = 30
    look: float = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Where:
    """Where merges are done, as `serve` was told.

    Attributes:
        place: the folder that runs get their own folders in; of `local`.
        limits: of `local`.
        gpus: `CUDA_VISIBLE_DEVICES` of `local`, empty for none; None leaves it as it is.
        repository: `owner/name` on GitHub, of `github`.
        image: of `jobs`.
        flavor: the machine of `jobs`; None takes the smallest that a merge fits.
        timeout: of `jobs`, in seconds; None goes by what a merge moves.
        namespace: who pays for `jobs`; None is the token's user.
    """

    name: Name
    place: Path
    limits: Limits = field(default_factory=Limits)
    gpus: str | None = None
    repository: str | None = None
    image: str | None = None
    flavor: str | None = None
    timeout: float | None = None
    namespace: str | None = None


def made(where: Where, environ: Mapping[str, str] | None = None) -> Dispatch:
    """The dispatch that was asked for; tokens are taken from the environment.

    Raises:
        RequestError: it lacks something.
    """
    given = os.environ if environ is None else environ
    match where.name:
        case "local":
            from adapter_merge.bot.dispatch.local import local

            return local(where, given)
        case "github":
            from adapter_merge.bot.dispatch.github import github

            return github(where, given)
        case "jobs":
            from adapter_merge.bot.dispatch.jobs import jobs

            return jobs(where, given)


def required(value: str | None, what: str, hint: str) -> str:
    """A value that has to be there.

    Raises:
        RequestError: it isn't.
    """
    if not value:
        raise RequestError(what, hint=hint)
    return value
