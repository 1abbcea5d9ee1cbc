"""What came of a step, told on the pull request and at the commit that started its run."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from adapter_merge.action.step import Asked, Place
from adapter_merge.action.tokens import Tokens
from adapter_merge.card.markdown import plain
from adapter_merge.errors import AdapterMergeError, RequestError
from adapter_merge.github.commands import Log
from adapter_merge.github.context import Context
from adapter_merge.github.summary import Told, fitted, short

if TYPE_CHECKING:
    from adapter_merge.github.checks import Mark
    from adapter_merge.github.edge import Edge

_MOST = 60_000  # bytes of a check run's text; GitHub takes 65,535 characters
_CALL = re.compile(r"(?<!\w)@(?=\w)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Audience:
    """Who hears of a step.

    Attributes:
        name: tells the step's marks and its comment from those of other steps.
        sha: the commit that people look at.
        pull: the pull request; None where none started the run.
        url: the run's page.
        secrets: what nobody must read; the runner hides them in the log and the summary only.
    """

    places: tuple[Place, ...]
    edge: Edge
    name: str
    sha: str
    pull: int | None
    url: str
    secrets: tuple[str, ...] = field(repr=False)


def audience(asked: Asked, context: Context, tokens: Tokens) -> Audience | None:
    """Who is to hear of it; None where nobody is. Nothing is sent yet.

    Raises:
        RequestError: there is no token, or no run of a workflow.
    """
    if "none" in asked.step.tell:
        return None
    if not tokens.github or not context.repository or not context.head:
        raise RequestError(
            "input `tell` needs the input `github-token` in a workflow's run",
            hint="Leave `github-token` as it is, or take `tell` away.",
        )
    from adapter_merge.github.edge import connect

    pull = context.event.pull_request
    return Audience(
        places=asked.step.tell,
        edge=connect(context.repository, api=context.api_url, token=tokens.github),
        name=_name(asked),
        sha=context.head,
        pull=pull.number if pull is not None else None,
        url=context.url,
        secrets=tokens.secrets,
    )


def _name(asked: Asked) -> str:
    """By the inputs, so that a step has the same name whatever comes of it."""
    step, given = asked.step, asked.given
    match step.command:
        case "run" | "plan":
            thing = given.get("to") or " + ".join(given.get("adapters", ()))
        case "sync":
            thing = step.only or str(step.merges)
        case _:
            thing = step.folder.text if step.folder is not None else ""
    return f"adapter-merge {step.command}: {plain(thing, 100)}"


def tell(to: Audience, told: Told, log: Log) -> None:
    """Say it in each place; where it can't be said there is a warning, and the result stands."""
    for say in _ways(to, told):
        try:
            say()
        except AdapterMergeError as e:
            log.annotate("warning", f"{e.message}\n{e.hint}", title="not told")


def _ways(to: Audience, told: Told) -> Iterable[Callable[[], object]]:
    from adapter_merge.github.checks import set_check, set_status
    from adapter_merge.github.comments import comment

    more = f"[The run]({to.url}) has all of it."
    blocks = tuple(_public(block, to.secrets) for block in (*short(told), more))
    mark = _mark(to, told, fitted(blocks, _MOST).rstrip())
    ways: dict[Place, Callable[[], object]] = {
        "status": partial(set_status, to.edge, to.sha, mark),
        "check": partial(set_check, to.edge, to.sha, mark),
    }
    if to.pull is not None:
        key = hashlib.sha256(to.name.encode()).hexdigest()[:16]
        ways["comment"] = partial(comment, to.edge, to.pull, key, blocks)
    return [way for place, way in ways.items() if place in to.places]


def _mark(to: Audience, told: Told, summary: str) -> Mark:
    from adapter_merge.github.checks import Mark, mark_of

    if len(told.reports) == 1:
        mark = mark_of(told.reports[0], summary=summary, url=to.url)
        return replace(mark, name=to.name, sentence=_public(mark.sentence, to.secrets))
    counts: Mapping[str, int] = Counter(r.status for r in told.reports)
    said = ", ".join(f"{count} {status}" for status, count in counts.items())
    return Mark(
        name=to.name,
        conclusion="failure" if "failed" in counts else "success",
        sentence=said or "planned",
        summary=summary,
        url=to.url,
    )


def _public(text: str, secrets: Iterable[str]) -> str:
    """Text that holds no secret, and calls nobody who happens to be named in it."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return _CALL.sub("@\N{WORD JOINER}", text)
