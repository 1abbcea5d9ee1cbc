"""What a delivery means: a repository to look at, or nothing, with the reason.

Nothing that a payload says is believed, and no address in it is asked. Whoever has the secret can have
the bot look at a repository that it looks at anyway; what is true, it asks the Hub.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapter_merge.bot.web.payload import Payload
from adapter_merge.bot.web.port import Watching

_CONTENT = "repo.content"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hint:
    """A repository that may have changed."""

    repo: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ignored:
    """A delivery that asks for nothing."""

    reason: str


def judged(payload: Payload, watching: Watching) -> Hint | Ignored:
    """Say what is to be done.

    Own outputs come before what is watched: where a result is another merge's adapter or base, the next
    round sees it, and no delivery of our own making starts a merge.
    """
    event, repo = payload.event, payload.repo
    if event.action != "update" or not _is_content(event.scope):
        return Ignored(reason="it isn't about changed files")
    if repo.type != "model":
        return Ignored(reason="it isn't about a model")
    if watching.outputs(repo.name):
        return Ignored(reason="the bot writes to that repository itself")
    if not watching.watches(repo.name):
        return Ignored(reason="nothing here is made from that repository")
    here = (moved for moved in payload.updated_refs if moved.new_sha is not None)
    if not any(watching.watches(repo.name, moved.ref) for moved in here):
        return Ignored(reason="no branch or tag moved that counts")
    return Hint(repo=repo.name)


def _is_content(scope: str) -> bool:
    return scope == _CONTENT or scope.startswith(f"{_CONTENT}.")
