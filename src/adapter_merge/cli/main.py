"""The entry of the command line: builds the app, and turns whatever goes wrong into an exit code."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from cyclopts import App, CycloptsError, Parameter

import adapter_merge
from adapter_merge.cli import (
    bot,
    card,
    check,
    codes,
    demo,
    localhub,
    plan,
    publish,
    revert,
    run,
    schema,
    serve,
    sync,
    usage,
    verify,
)
from adapter_merge.cli.options import Output, discard_stdout
from adapter_merge.errors import AdapterMergeError, Interrupted, RequestError
from adapter_merge.report import ErrorRecord, Report

_HELP = """\
Merge a PEFT adapter into its base model, prove the result, and say where it came from.

Adapters, bases and targets are folders or repositories on a Hub: a path that starts with `.`, `/` or `~`,
or an id such as `org/name`, `org/name@revision` or `org/name/sub/folder`.
"""


def build() -> App:
    """The app with all its verbs."""
    app = App(
        name="adapter-merge",
        help=_HELP,
        help_format="markdown",
        version=lambda: str(adapter_merge.__version__),
        suppress_keyboard_interrupt=False,
        default_parameter=Parameter(negative=(), show_default=_default),
    )
    app.command(run.run, sort_key=1, usage=_usage("run ADAPTER[=WEIGHT]... [OPTIONS]"))
    app.command(plan.plan, sort_key=2, usage=_usage("plan ADAPTER[=WEIGHT]... [OPTIONS]"))
    app.command(check.check, sort_key=3)
    app.command(verify.verify, sort_key=4)
    app.command(publish.publish, sort_key=5)
    app.command(revert.revert, sort_key=6)
    app.command(sync.sync, sort_key=7)
    app.command(card.card, sort_key=8)
    app.command(codes.codes, sort_key=9)
    app.command(schema.schema, sort_key=10)
    app.command(demo.demo, sort_key=11)
    app.command(localhub.app)
    app.command(serve.serve, sort_key=14)
    app.command(bot.app)
    return app


def _usage(line: str) -> str:
    return f"Usage: adapter-merge {line}"


def _default(value: object) -> str | None:
    """What help shows as a default: nothing, an empty list and a flag that is off stay unsaid."""
    return None if value is None or value is False or value == () else str(value)


def main(argv: Sequence[str]) -> int:
    """Run one command of ours; the result is the exit code.

    SIGTERM, with which runners and containers stop a job, counts as Ctrl-C: work folders are removed.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    return execute(build(), argv)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def execute(app: App, argv: Sequence[str]) -> int:
    """Run one command of an app; the result is the exit code.

    Never raises: a mistake in the request, a stop by the user and a bug each become a report with
    its exit code, on stdout where `--json` is given.
    """
    try:
        return _dispatch(app, argv)
    except BrokenPipeError:
        discard_stdout()  # the reader of a pipe has left (`| head`)
        return 0
    except AdapterMergeError as e:
        record = ErrorRecord.of(e)
    except KeyboardInterrupt:
        record = ErrorRecord.of(Interrupted("stopped", hint="Run the same command to start again."))
    except Exception as e:  # the one place where a bug becomes an exit code
        traceback.print_exc(file=sys.stderr)
        record = ErrorRecord.of_bug(e, hint="Report it with the lines above and the command.")
    return _fail(record, argv)


def _dispatch(app: App, argv: Sequence[str]) -> int:
    try:
        code = app(argv, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as e:
        raise usage.explain(e, app) from e
    return code if isinstance(code, int) else 0


def _fail(error: ErrorRecord, argv: Sequence[str]) -> int:
    report = Report(status="failed", error=error)
    output = Output(json="--json" in argv, quiet="--quiet" in argv)
    done = "; nothing was done" if error.type == RequestError.__name__ else ""
    output.talk().gave_up(error, f"`{usage.shown(argv)}`{done}")
    return output.give(report)
