"""`python -m adapter_merge.action`: the entry that `action.yml` starts; the result is the exit code."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from types import FrameType
from typing import NoReturn, TextIO

from adapter_merge.action.released import released
from adapter_merge.action.result import Kept, keep_all, outputs
from adapter_merge.action.spoken import Spoken, in_inputs, spoken
from adapter_merge.action.step import Asked, read_step
from adapter_merge.action.tokens import Tokens, take_tokens, why_none
from adapter_merge.action.told import Audience, audience, tell
from adapter_merge.action.work import Done, is_dry, work
from adapter_merge.errors import AdapterMergeError, Interrupted
from adapter_merge.github.commands import Log, write_outputs
from adapter_merge.github.context import Context, read_context
from adapter_merge.github.summary import Told, summary, write_summary
from adapter_merge.kept import keep_plan
from adapter_merge.report import ErrorRecord, Report

# What a token could have changed.
_LOCKED_OUT = ("Gated", "HubUnavailable", "NotFound", "Refused")
_STOPS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ended:
    """A step that has done its work; what is left is to say so. `hearers` is None where nobody else is to hear."""

    told: Told
    values: Mapping[str, str]
    code: int
    hearers: Audience | None = field(default=None)


def main(environment: MutableMapping[str, str], stream: TextIO) -> int:
    """Do the step that the environment describes; the result is the exit code.

    Never raises: a wrong input, a stop by the runner and a bug each become a report.
    """
    log = Log(stream)
    tokens = take_tokens(environment)
    for secret in tokens.secrets:
        log.mask(secret)
    with log.guard():
        try:
            context = read_context(environment)
            ended = _step(read_step(environment), context, tokens, log)
        except (Exception, KeyboardInterrupt) as e:
            failed = _failed(e, log)
            ended = _Ended(told=failed.told, values={"status": failed.status}, code=failed.code)
        _write(ended, environment)
        return ended.code if ended.hearers is None else _tell(ended.hearers, ended, log)


def _step(asked: Asked, context: Context, tokens: Tokens, log: Log) -> _Ended:
    folder = asked.step.report or Path(mkdtemp(prefix="adapter-merge-", dir=context.temp))
    hearers = audience(asked, context, tokens, dry=is_dry(asked, context))
    done = _worked(asked, context, log)
    reports, page = done.told.reports, ""
    kept, code = tuple[Kept, ...](), done.code
    try:
        if done.told.plan is not None:
            keep_plan(*done.told.plan, folder)
        kept = keep_all(reports, folder, branch=asked.given.get("branch"))
        for one in kept:
            page = released(one, asked.step.release, context, tokens.github)
    except (AdapterMergeError, KeyboardInterrupt) as e:
        # The merge stands all the same: its status stays.
        code = code or _failed(e, log).code
    locked_out = not tokens.has_hub and asked.asks_a_hub and _locked_out(reports)
    note = why_none(context) if locked_out else done.told.note
    if note:
        log.annotate("notice", note, title="no token" if locked_out else "adapter-merge")
    values = outputs(done.status, kept, folder)
    return _Ended(
        told=replace(done.told, note=note),
        values={**values, "release-url": page, "matrix": done.matrix},
        code=code,
        hearers=hearers,
    )


def _worked(asked: Asked, context: Context, log: Log) -> Done:
    follow = Spoken(log)
    try:
        done = work(asked, follow, context)
    except AdapterMergeError as e:
        return _failed(e, log)
    if asked.step.command in {"check", "verify", "publish"}:
        follow.finished(done.told.reports[0])
    if asked.step.command == "sync":  # a run tells of itself; what couldn't be looked at had none
        for report in done.told.reports:
            if report.error is not None and not report.seconds:
                follow.finished(report)
    return replace(done, told=replace(done.told, reports=tuple(map(spoken, done.told.reports))))


def _locked_out(reports: tuple[Report, ...]) -> bool:
    return any(r.error is not None and r.error.type in _LOCKED_OUT for r in reports)


def _failed(cause: BaseException, log: Log) -> Done:
    """The end of what was broken off: by one of our errors, by the runner, or by a bug."""
    error = _record(cause)
    log.annotate(
        "error", f"{error.message}\n{error.hint}", title=f"{error.type}, exit code {error.code}"
    )
    report = Report(status="failed", error=error)
    return Done(told=Told(reports=(report,)), status="failed", code=error.code)


def _record(cause: BaseException) -> ErrorRecord:
    if isinstance(cause, AdapterMergeError):
        return in_inputs(ErrorRecord.of(cause))
    if isinstance(cause, KeyboardInterrupt):
        return ErrorRecord.of(Interrupted("the step was stopped", hint="Run the job again."))
    traceback.print_exception(cause, file=sys.stderr)
    return ErrorRecord(
        type=type(cause).__name__,
        code=1,
        message=f"this is a bug in adapter-merge: {cause}",
        hint="Report it with the lines of the log.",
    )


def _write(ended: _Ended, environment: Mapping[str, str]) -> None:
    if path := environment.get("GITHUB_OUTPUT"):
        write_outputs(Path(path), ended.values)
    if path := environment.get("GITHUB_STEP_SUMMARY"):
        write_summary(Path(path), summary(ended.told))


def _tell(hearers: Audience, ended: _Ended, log: Log) -> int:
    """Say it elsewhere; the outputs are written, and whatever happens here they stay what they are."""
    try:
        tell(hearers, ended.told, log)
    except (Exception, KeyboardInterrupt) as e:
        return ended.code or _failed(e, log).code
    return ended.code


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Stop once: the runner sends one signal after the other, and what was done is still to be written down."""
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    for stop in _STOPS:
        signal.signal(stop, _interrupt)
    sys.exit(main(os.environ, sys.stdout))
