"""`adapter-merge bot job`: what a Job of the Hub runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from adapter_merge.cli.show import on_stderr
from adapter_merge.cli.sync import code_of, table
from adapter_merge.cli.talk import Talk


def job(
    *,
    merges: Annotated[
        Path | None,
        Parameter(
            help="The list of adapters and targets, `-` for standard input; left out, the text in `ADAPTER_MERGE_MERGES`.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    events: Annotated[
        bool, Parameter(help="Write progress and reports as lines of JSON to stdout, for the bot.")
    ] = False,
    work_dir: Annotated[
        Path | None,
        Parameter(
            help="Folder in which results for a Hub are made; left out, it lies beside the Hub's cache."
        ),
    ] = None,
) -> int:
    """Merge what a push has made due; a Job of the Hub that a webhook starts runs this.

    `WEBHOOK_PAYLOAD` says what was pushed, and chooses among the entries. Without it, and without `--events`,
    nothing is done: the Hub asks for a Job that has run once. The exit code is that of `sync`.

    Args:
        merges: The list.
        events: For programs.
        work_dir: Where results are made.
    """
    from adapter_merge.bot import job as job_

    payload = os.environ.get(job_.PAYLOAD)
    console = on_stderr()
    if payload is None and not events:
        console.print(job_.NOTHING)
        return 0
    document = job_.document_of(merges, os.environ, sys.stdin.buffer.read)
    task = job_.Task(document=document, payload=payload, work_dir=work_dir)
    done = job_.work(task, reporter=Talk(), tell=_write if events else None)
    if isinstance(done, str):
        console.print(done)
        return 0
    console.print("", table(done), sep="\n")
    return code_of(done)


def _write(line: str) -> None:
    """Write a line at once: somebody waits for it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
