"""Everything that the bot needs, looked at once: what a push would fail on is told before there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from adapter_merge import assemble
from adapter_merge.bot.secret import SECRET, secret_of
from adapter_merge.bot.setting import hub as asked
from adapter_merge.bot.setting import machine
from adapter_merge.bot.setting.exam import Exam, examined
from adapter_merge.errors import RequestError
from adapter_merge.figures import counted
from adapter_merge.forecast import Forecast
from adapter_merge.hub.client import Client, connect
from adapter_merge.merges import Roster, Wanted, read_merges
from adapter_merge.reconcile import Decision, Failed
from adapter_merge.request import Request

_MOST_PLANNED = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """What is looked at.

    Attributes:
        merges: the file.
        url: the bot's own address; None where a push runs a Job.
        dispatch: where its merges are done.
        github: `owner/name` of the workflow's repository; for `github`.
        environ: where tokens and the secret lie.
    """

    merges: Path
    url: str | None
    dispatch: Literal["local", "github", "jobs"]
    github: str | None
    environ: Mapping[str, str]


def examine(patient: Patient) -> Iterator[Exam]:
    """Each thing with how it is, the cheap ones first; what depends on one that failed is left out."""
    roster: list[Roster] = []
    yield from examined("merges.yaml", partial(_merges, patient.merges, roster))
    client = connect()
    yield from examined("hub", partial(asked.clock, client))
    yield from examined("read token", partial(asked.reading, client))
    yield from examined("write token", partial(asked.writing, client))
    yield from _server(patient)
    if patient.dispatch == "github":
        yield from examined("github", partial(_github, patient))
    for known in roster:
        yield from _of_roster(patient, client, known)
    yield from examined("gpu", machine.gpu)


def _merges(path: Path, found: list[Roster]) -> Exam:
    roster = read_merges(path)
    found.append(roster)
    said = f"{counted(len(roster.entries), 'entry', 'entries')}, {counted(len(roster.watches), 'watch', 'watches')}"
    return Exam(name="merges.yaml", state="ok", said=f"`{path}`: {said}")


def _server(patient: Patient) -> Iterator[Exam]:
    """The address that is told of pushes; a Job has none."""
    if patient.url is None:
        return
    yield from examined("secret", partial(_secret, patient))
    yield from examined("address", partial(machine.answers, patient.url))


def _secret(patient: Patient) -> Exam:
    secret_of(patient.environ)
    return Exam(name="secret", state="ok", said=f"`{SECRET}`, or its file, holds one")


def _known_secret(patient: Patient) -> str | None:
    """What the webhook has to send; None where it tells no address, or where there is none, which is told before."""
    try:
        return secret_of(patient.environ) if patient.url else None
    except RequestError:
        return None


def _of_roster(patient: Patient, client: Client, roster: Roster) -> Iterator[Exam]:
    secret = _known_secret(patient)
    yield from examined(
        "webhook", partial(asked.webhook, client, roster, url=patient.url, secret=secret)
    )
    hub = assemble.this_machine().around.connected()
    entries = assemble.expanded(roster)
    yield from examined("target", partial(asked.targets, hub, entries))
    yield from examined("adapter", partial(_adapters, entries))


def _adapters(entries: tuple[Wanted, ...]) -> Iterator[Exam]:
    """Whether each entry can be looked at, what would be merged now, and whether there is room for it."""
    due: list[Decision] = []
    for found in assemble.decisions(entries):
        if isinstance(found, Failed):
            said = f"`{found.wanted.label}`: {found.error.message}"
            yield Exam(name="adapter", state="fail", said=said, todo=found.error.hint)
            continue
        if found.what == "due":
            due.append(found)
        word = "due" if found.what == "due" else found.what
        yield Exam(
            name="adapter",
            state="ok",
            said=f"`{found.wanted.label}` is {word}: {found.reason}",
        )
    yield from _rooms(due)


def _rooms(due: list[Decision]) -> Iterator[Exam]:
    for decision in due[:_MOST_PLANNED]:
        label, request = decision.wanted.label, decision.request
        yield from examined("disk", partial(machine.disk, label, partial(_foreseen, request)))
    if len(due) > _MOST_PLANNED:
        said = f"{len(due) - _MOST_PLANNED} more are due, and weren't planned"
        yield Exam(name="disk", state="skip", said=said)


def _foreseen(request: Request) -> Forecast:
    return assemble.dry_run(request)[1]


def _github(patient: Patient) -> Exam:
    from adapter_merge.github.context import API
    from adapter_merge.github.edge import connect as to_github

    token = patient.environ.get("GITHUB_TOKEN", "")
    if not token or not patient.github:
        raise RequestError(
            "`--dispatch github` needs `GITHUB_TOKEN` and the workflow's repository",
            hint="Set `GITHUB_TOKEN` to one with `contents: write`, `actions: write` and `checks: read`, and give `--github owner/name`.",
        )
    api = patient.environ.get("GITHUB_API_URL") or API
    edge = to_github(patient.github, api=api, token=token)

    def look() -> str:
        return edge.repo.complete().full_name

    name = edge.asked(look, f"`{patient.github}`", "contents: write")
    return Exam(name="github", state="ok", said=f"starts workflows of `{name}` by `GITHUB_TOKEN`")


TOKENS = (
    ("read adapters and bases", "`HF_TOKEN`, or `hf auth login`: read; none for public ones"),
    ("publish", "`HF_WRITE_TOKEN`, else the same: write to the targets' owner"),
    ("make webhooks and Jobs", "the one that publishes: of the user who owns them"),
    (
        "start a workflow",
        "`GITHUB_TOKEN`: `contents: write`, `actions: write` and `checks: read` there",
    ),
    ("be told of pushes", f"`{SECRET}`: no token, a word that the Hub and the bot share"),
)
