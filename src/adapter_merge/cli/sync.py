"""`adapter-merge sync`: bring all targets to what merges.yaml says."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from adapter_merge.cli.options import KeptOutput, Output, discard_stdout, write
from adapter_merge.cli.show import Cell, grid, on_stderr
from adapter_merge.errors import Interrupted, RequestError, SomeFailed
from adapter_merge.merges import MERGES, Wanted, read_merges
from adapter_merge.report import Report


@dataclass(frozen=True, kw_only=True)
class Which:
    """What of the file is done, and how far."""

    only: Annotated[
        str | None,
        Parameter(
            help="Only entries whose target or adapter is like this, such as `org/adapter` or `org/*`."
        ),
    ] = None
    dry_run: Annotated[
        bool, Parameter(help="Plan what is due, and write nothing: for pull requests.")
    ] = False
    matrix: Annotated[
        bool,
        Parameter(
            help="Merge nothing: write what is due to stdout, as the matrix of a GitHub workflow, 256 jobs at most."
        ),
    ] = False
    rebuild: Annotated[
        bool, Parameter(help="Merge again what stands already; what isn't ready still waits.")
    ] = False

    def of(self, entries: tuple[Wanted, ...], file: Path) -> tuple[Wanted, ...]:
        """The entries that are meant.

        Raises:
            RequestError: there are none.
        """
        found = tuple(e for e in entries if self.only is None or e.fits(self.only))
        if not found and self.only is not None:
            known = ", ".join(f"`{e.label}`" for e in entries[:8])
            raise RequestError(
                f"no entry of `{file}` has a target or an adapter like `{self.only}`",
                hint=f"Its targets are {known}." if known else "Nothing that it watches is there.",
            )
        return tuple(e.again() for e in found) if self.rebuild else found


def sync(
    file: Path = MERGES,
    /,
    *,
    which: Annotated[Which, Parameter(name="*")] = Which(),
    output: Annotated[KeptOutput, Parameter(name="*")] = KeptOutput(),
) -> int:
    """Merge what is due of a list of adapters and targets; what is ready, and has changed, is.

    Each entry has its line in the end. With `--json` each has its report, one a line, as soon as it is known.
    The exit code is 10 where a merge failed; the others are done all the same.

    Args:
        file: The list.
        which: What of it is done.
        output: What is shown; a report's folder gets a folder for each target.
    """
    roster = read_merges(file)
    output.prepare()
    from adapter_merge import assemble

    entries = which.of(assemble.expanded(roster), file)
    if which.matrix:
        _show_jobs(assemble.matrix(entries), output)
        return 0
    shown = _Shown(output=output)
    reports = assemble.sync(entries, reporter=output.talk(), each=shown.one, dry=which.dry_run)
    if not output.quiet:
        on_stderr().print("", table(reports) if reports else _NOTHING, sep="\n")
    return code_of(reports)


def _show_jobs(jobs: Mapping[str, Sequence[object]], output: Output) -> None:
    from adapter_merge.reconcile import MOST_JOBS

    write(json.dumps(jobs))
    if len(jobs["include"]) >= MOST_JOBS and not output.quiet:
        on_stderr().print(f"GitHub takes no more than {MOST_JOBS} jobs; what else is due stays so.")


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """Gives out each report as it comes."""

    output: KeptOutput

    def one(self, report: Report) -> None:
        """Write one report wherever it is wanted."""
        if self.output.json:
            from adapter_merge.kept import report_line

            try:
                write(report_line(report))
                sys.stdout.flush()
            except (
                BrokenPipeError
            ):  # whoever read them has left, and the other entries are merged all the same
                discard_stdout()
        if self.output.report is not None:
            from adapter_merge.kept import keep

            folder = self.output.report / (report.to or "").strip("./~").replace("/", "--")
            folder.mkdir(parents=True, exist_ok=True)
            keep(report, folder)


def code_of(reports: tuple[Report, ...]) -> int:
    """What a command ends with that looked at several entries."""
    codes = {r.error.code for r in reports if r.error is not None}
    if Interrupted.exit_code in codes:
        return Interrupted.exit_code
    return SomeFailed.exit_code if codes else 0


_NOTHING = "There is nothing to merge: no adapter is there that `watch` takes."
_WORDS = {"done": "due"}  # of a dry run


def table(reports: tuple[Report, ...]) -> object:
    """A line for each entry, with its reason; what else is to be known stands below it."""
    rows: list[tuple[Cell, Cell, Cell]] = []
    for report in reports:
        rows.append((_WORDS.get(report.status, report.status), report.to or "", _why(report)))
        rows.extend(("", "", note) for note in report.notes)
    return grid(rows)


def _why(report: Report) -> str:
    if report.error is not None:
        return f"{report.error.message} ({report.error.type}). {report.error.hint}"
    return report.reason
