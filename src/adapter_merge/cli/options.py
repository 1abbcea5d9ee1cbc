"""What the verbs have in common: how refs are read, and the options on output."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import Group, Parameter, Token
from pydantic import BaseModel

from adapter_merge.cli.ended import about
from adapter_merge.cli.talk import Talk
from adapter_merge.errors import ReportNotWritten
from adapter_merge.kept import keep, prepare, report_json
from adapter_merge.report import ErrorRecord, Report
from adapter_merge.request import AdapterRef, RepoRef

_Value = TypeVar("_Value", bound=BaseModel)


def _read(kind: type[_Value], tokens: Sequence[Token]) -> _Value:
    return kind.model_validate(tokens[0].value)


# A ref is one word to its user, though it is a model with fields: cyclopts would offer `--base.folder`.
for _kind, _metavar in ((RepoRef, "REF"), (AdapterRef, "REF[=WEIGHT]")):
    Parameter(n_tokens=1, accepts_keys=False, converter=_read, metavar=_metavar)(_kind)


# Options that only count where the target is on a Hub stand below the others.
OnAHub = Parameter(name="*", group=Group.create_ordered("Publishing"))


def given(values: BaseModel) -> dict[str, Any]:
    """The fields that were given: a default that nobody wrote asks for nothing."""
    return {field: getattr(values, field) for field in values.model_fields_set}


@dataclass(frozen=True, kw_only=True)
class Output:
    """What is shown, and where."""

    json: Annotated[
        bool, Parameter(help="Write the result as JSON to stdout, and nothing else there.")
    ] = False
    quiet: Annotated[bool, Parameter(help="Show nothing but errors.")] = False

    def talk(self) -> Talk:
        """A reporter on stderr."""
        return Talk(quiet=self.quiet)

    def give(self, report: Report) -> int:
        """Write the report where JSON is wanted; the result is the exit code."""
        if self.json:
            write(report_json(report))
        return 0 if report.error is None else report.error.code


@dataclass(frozen=True, kw_only=True)
class KeptOutput(Output):
    """The same, and pages that stay."""

    report: Annotated[
        Path | None,
        Parameter(
            help="Folder that gets `report.json`, `report.html` and its pictures, of a failure too."
        ),
    ] = None

    def prepare(self, *apart_from: RepoRef | None) -> None:
        """Make the report's folder.

        Raises:
            RequestError: it can't be made, or lies in the target or in a source.
        """
        if self.report is not None:
            prepare(self.report, apart_from=[ref for ref in apart_from if ref is not None])

    def give(self, report: Report) -> int:
        """Write the report wherever it is wanted; the result is the exit code.

        Where its pages can't be written, the status stays and the error says so, unless there is one.
        """
        return super().give(report if self.report is None else self._kept(report, self.report))

    def _kept(self, report: Report, folder: Path) -> Report:
        try:
            self.talk().kept(keep(report, folder))
        except ReportNotWritten as e:
            error = ErrorRecord.of(e)
            self.talk().gave_up(error, about(report))
            return report if report.error is not None else replace(report, error=error)
        return report


def discard_stdout() -> None:
    """Drop what is written to stdout from here on; Python would complain when it flushes a pipe without a reader."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write(text: str) -> None:
    """Write data to stdout."""
    sys.stdout.write(f"{text}\n")
