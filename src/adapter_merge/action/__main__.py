"""`python -m adapter_merge.action`: the entry that `action.yml` starts; the result is the exit code."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from types import FrameType
from typing import NoReturn, TextIO

from adapter_merge.action.released import released
from adapter_merge.action.result import Kept, keep_all, outputs
from adapter_merge.action.step import Asked, read_step
from adapter_merge.action.tokens import Tokens, take_tokens, why_none
from adapter_merge.action.told import audience, tell
from adapter_merge.action.work import Done, work
from adapter_merge.errors import AdapterMergeError, Interrupted
from adapter_merge.github.commands import Log, write_outputs
from adapter_merge.github.context import Context, read_context
from adapter_merge.github.follow import Follow
from adapter_merge.github.summary import Told, summary, write_summary
from adapter_merge.report import ErrorRecord, Report

# What a token could have changed.
_LOCKED_OUT = ("Gated", "HubUnavailable", "NotFound", "Refused")


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
            asked = read_step(environment)
            return _step(asked, context, tokens, log, environment)
        except AdapterMergeError as e:
            failed = _failed(ErrorRecord.of(e), log)
        except KeyboardInterrupt:
            stop = Interrupted("the step was stopped", hint="Run the job again.")
            failed = _failed(ErrorRecord.of(stop), log)
        except Exception as e:  # the one place where a bug becomes an exit code
            traceback.print_exc(file=sys.stderr)
            failed = _failed(_bug(e), log)
        _tell(failed.told, {"status": failed.status}, environment)
        return failed.code


def _step(
    asked: Asked,
    context: Context,
    tokens: Tokens,
    log: Log,
    environment: MutableMapping[str, str],
) -> int:
    folder = asked.step.report or Path(mkdtemp(prefix="adapter-merge-", dir=context.temp))
    hearers = audience(asked, context, tokens)
    done = _worked(asked, context, log)
    reports, page = done.told.reports, ""
    kept, code = tuple[Kept, ...](), done.code
    try:
        kept = keep_all(reports, folder, branch=asked.given.get("branch"))
        for one in kept:
            page = released(one, asked.step.release, context, tokens.github)
    except AdapterMergeError as e:
        # The merge stands all the same: its status stays.
        code = code or _failed(ErrorRecord.of(e), log).code
    locked_out = not tokens.has_hub and asked.asks_a_hub and _locked_out(reports)
    note = why_none(context) if locked_out else ""
    if note:
        log.annotate("notice", note, title="no token")
    values = {**outputs(done.status, kept, folder), "release-url": page}
    told = replace(done.told, note=note)
    _tell(told, values, environment)
    if hearers is not None:
        tell(hearers, told, log)
    return code


def _worked(asked: Asked, context: Context, log: Log) -> Done:
    follow = Follow(log)
    try:
        done = work(asked, follow, event=context.event_name)
    except AdapterMergeError as e:
        return _failed(ErrorRecord.of(e), log)
    if asked.step.command in {"check", "verify", "publish"}:
        follow.finished(done.told.reports[0])
    return done


def _locked_out(reports: tuple[Report, ...]) -> bool:
    return any(r.error is not None and r.error.type in _LOCKED_OUT for r in reports)


def _failed(error: ErrorRecord, log: Log) -> Done:
    log.annotate(
        "error", f"{error.message}\n{error.hint}", title=f"{error.type}, exit code {error.code}"
    )
    report = Report(status="failed", error=error)
    return Done(told=Told(reports=(report,)), status="failed", code=error.code)


def _bug(error: Exception) -> ErrorRecord:
    return ErrorRecord(
        type=type(error).__name__,
        code=1,
        message=f"this is a bug in adapter-merge: {error}",
        hint="Report it with the lines of the log.",
    )


def _tell(told: Told, values: Mapping[str, str], environment: MutableMapping[str, str]) -> None:
    if path := environment.get("GITHUB_OUTPUT"):
        write_outputs(Path(path), values)
    if path := environment.get("GITHUB_STEP_SUMMARY"):
        write_summary(Path(path), summary(told))


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main(os.environ, sys.stdout))
