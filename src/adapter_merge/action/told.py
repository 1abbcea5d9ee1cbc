"""What came of a step, told on the pull request and at the commit that started its run, and to the adapter's people."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from adapter_merge.action.step import Asked, Place
from adapter_merge.action.tokens import Tokens
from adapter_merge.card.markdown import code, plain, quiet
from adapter_merge.errors import AdapterMergeError, RequestError
from adapter_merge.github.blocks import word
from adapter_merge.github.commands import Log
from adapter_merge.github.context import Context
from adapter_merge.github.summary import Told, fitted, short

if TYPE_CHECKING:
    from adapter_merge.github.checks import Mark
    from adapter_merge.github.edge import Edge

_MOST = 60_000  # bytes of a check run's text; GitHub takes 65,535 characters
_ON_GITHUB = frozenset({"comment", "status", "check"})
_MERGES = frozenset({"run", "sync"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Audience:
    """Who hears of a step.

    Attributes:
        edge: this repository on GitHub; None where nobody hears of it there.
        name: tells the step's marks and its comment from those of other steps.
        sha: the commit that people look at.
        pull: the pull request; None where none started the run.
        url: the run's page.
        speaks: who it is that says something on the Hub; empty where nothing is said there.
        secrets: what nobody must read; the runner hides them in the log and the summary only.
    """

    places: frozenset[Place]
    edge: Edge | None
    name: str
    sha: str
    pull: int | None
    url: str
    speaks: str = ""
    secrets: tuple[str, ...] = field(repr=False)


def audience(
    asked: Asked, context: Context, tokens: Tokens, *, dry: bool = False
) -> Audience | None:
    """Who is to hear of it; None where nobody is. Nothing is sent yet.

    The adapter's people hear of merges that were tried: of none that is `dry`, and of no look at a folder.

    Raises:
        RequestError: there is no token, or no run of a workflow.
    """
    if "none" in asked.step.tell:
        return None
    merges = asked.step.command in _MERGES and not dry
    pull = context.event.pull_request
    return Audience(
        places=frozenset(asked.step.tell),
        edge=_edge(context, tokens) if _ON_GITHUB & set(asked.step.tell) else None,
        name=_name(asked),
        sha=context.head,
        pull=pull.number if pull is not None else None,
        url=context.url,
        speaks=_signature(context) if merges else "",
        secrets=tokens.secrets,
    )


def _edge(context: Context, tokens: Tokens) -> Edge:
    if not tokens.github or not context.repository or not context.head:
        raise RequestError(
            "input `tell` needs the input `github-token` in a workflow's run",
            hint="Leave `github-token` as it is, or take `tell` away.",
        )
    from adapter_merge.github.edge import connect

    return connect(context.repository, api=context.api_url, token=tokens.github)


def _signature(context: Context) -> str:
    """The same each time, so that it is no news; a private repository isn't named."""
    who = "a workflow on GitHub"
    if context.repository and not context.is_private:
        who = (
            f"{code(context.workflow or 'a workflow')} of {context.server_url}/{context.repository}"
        )
    return f"*Written by adapter-merge, for {who}, whose input `tell` asks for it.*"


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
    if to.edge is not None:
        yield from _on_github(to, to.edge, told)
    if "discussion" in to.places and to.speaks:
        yield from _on_the_hub(to, told)


def _on_the_hub(to: Audience, told: Told) -> Iterable[Callable[[], object]]:
    """An adapter each; the Hub is only asked where there is something to say."""
    from adapter_merge import assemble
    from adapter_merge.reconcile import Voice, adapters_of, discuss

    voice = Voice(signature=to.speaks, secrets=to.secrets)
    for adapter, reports in adapters_of(told.reports).items():
        hub = assemble.this_machine().around.connected()
        yield partial(discuss, adapter, reports, hub=hub, voice=voice)


def _on_github(to: Audience, edge: Edge, told: Told) -> Iterable[Callable[[], object]]:
    from adapter_merge.github.checks import set_check, set_status
    from adapter_merge.github.comments import comment

    more = f"[The run]({to.url}) has all of it."
    blocks = tuple(_public(block, to.secrets) for block in (*short(told), more))
    mark = _mark(to, told, fitted(blocks, _MOST).rstrip())
    ways: dict[Place, Callable[[], object]] = {
        "status": partial(set_status, edge, to.sha, mark),
        "check": partial(set_check, edge, to.sha, mark),
    }
    if to.pull is not None:
        key = hashlib.sha256(to.name.encode()).hexdigest()[:16]
        ways["comment"] = partial(comment, edge, to.pull, key, blocks)
    return [way for place, way in ways.items() if place in to.places]


def _mark(to: Audience, told: Told, summary: str) -> Mark:
    from adapter_merge.github.checks import Mark, mark_of

    if len(told.reports) == 1:
        mark = mark_of(told.reports[0], summary=summary, url=to.url, dry=told.dry)
        return replace(mark, name=to.name, sentence=_public(mark.sentence, to.secrets))
    counts: Mapping[str, int] = Counter(word(r, dry=told.dry) for r in told.reports)
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
    return quiet(text)
