"""What a Job of the Hub runs, and a child of the bot: `sync` of a merges.yaml that comes along.

A webhook's payload is a hint: it chooses among the entries, and all else is asked of the Hub.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from adapter_merge import assemble
from adapter_merge.bot import discussion
from adapter_merge.bot.events import Telling
from adapter_merge.bot.roll import Roll
from adapter_merge.bot.web.payload import Malformed, Payload, payload_of
from adapter_merge.bot.web.webhook import Ignored, judged
from adapter_merge.errors import AdapterMergeError, Conflict, RequestError
from adapter_merge.merges import Wanted, roster_of
from adapter_merge.ports import Reporter
from adapter_merge.report import ErrorRecord, Report

PAYLOAD, MERGES = "WEBHOOK_PAYLOAD", "ADAPTER_MERGE_MERGES"
NOTHING = (
    f"There is no `{PAYLOAD}`, so nothing was pushed, and nothing is done. "
    "The Hub runs this once before a webhook may run it; `adapter-merge sync` merges what is due."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What is to be done.

    Attributes:
        document: a merges.yaml.
        payload: what the webhook was told; None where there is none, and all entries are meant.
        work_dir: where results for a Hub are made, if their entry doesn't say.
    """

    document: bytes
    payload: str | None = None
    work_dir: Path | None = None


def document_of(file: Path | None, environ: Mapping[str, str], read: Callable[[], bytes]) -> bytes:
    """The merges.yaml that was given: a file, `-` for what `read` gives, or the text in the environment.

    Raises:
        RequestError: none was, or it can't be read.
    """
    if file is None:
        if not environ.get(MERGES):
            raise RequestError(
                "there is no merges.yaml to go by",
                hint=f"Put its text into `{MERGES}`, or name it: `--merges merges.yaml`.",
            )
        return environ[MERGES].encode()
    if str(file) == "-":
        return read()
    try:
        return file.read_bytes()
    except OSError as e:
        raise RequestError(
            f"`{file}` can't be read: {e.strerror}", hint="Name the file: `--merges merges.yaml`."
        ) from e


def work(
    task: Task,
    *,
    reporter: Reporter,
    tell: Callable[[str], None] | None = None,
) -> tuple[Report, ...] | str:
    """Merge what is due; the result is the reports, or why nothing was looked at.

    Args:
        task: see there.
        reporter: talks to people.
        tell: gets a line for every event, see `events`; None where no program wants them.

    Raises:
        AdapterMergeError: nothing could be looked at; a program was told so.
    """
    telling = None if tell is None else Telling(reporter, tell)
    told = telling.told if telling is not None else _nobody
    try:
        entries = _entries(task)
        if isinstance(entries, str):
            return entries
        reports = _synced(entries, telling or reporter, told)
    except AdapterMergeError as e:
        told(Report(status="failed", error=ErrorRecord.of(e)))
        raise
    discussion.tell(reports, os.environ)
    return reports


def _synced(
    entries: tuple[Wanted, ...], reporter: Reporter, told: Callable[[Report], None]
) -> tuple[Report, ...]:
    """Merge what is due; a target that somebody else changed meanwhile is looked at once more.

    Pushes that come together start Jobs that do the same: the slower one finds then that all is done.
    """
    reports = assemble.sync(entries, reporter=reporter, each=told)
    late = [e for e, report in zip(entries, reports, strict=True) if _is_late(report)]
    if not late:
        return reports
    again = iter(assemble.sync(late, reporter=reporter, each=told))
    return tuple(next(again) if _is_late(report) else report for report in reports)


def _is_late(report: Report) -> bool:
    return report.error is not None and report.error.type == Conflict.__name__


def _nobody(_: Report) -> None:
    """Nobody is told."""


def _entries(task: Task) -> tuple[Wanted, ...] | str:
    """The entries that are meant, or why none is."""
    roster = roster_of(task.document)
    entries = assemble.expanded(roster)
    if task.payload is not None:
        roll = Roll.of(roster, entries)
        hint = judged(_payload(task.payload), roll)
        if isinstance(hint, Ignored):
            return f"Nothing was looked at: {hint.reason}."
        entries = roll.touched(hint.repo)
    return tuple(_placed(entry, task.work_dir) for entry in entries)


def _payload(text: str) -> Payload:
    try:
        return payload_of(text.encode())
    except Malformed as e:
        raise RequestError(
            f"`{PAYLOAD}` can't be used: {e}",
            hint="The Hub sets it where a webhook runs a Job; unset it otherwise.",
        ) from e


def _placed(entry: Wanted, folder: Path | None) -> Wanted:
    request = entry.request
    if folder is None or request.work_dir is not None or request.target.repo is None:
        return entry
    return replace(entry, request=request.model_copy(update={"work_dir": folder}))
