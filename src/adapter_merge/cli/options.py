"""What the verbs have in common: how refs are read, and the two options on output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from cyclopts import Parameter, Token
from pydantic import BaseModel, TypeAdapter

from adapter_merge.cli.talk import Talk
from adapter_merge.report import Report
from adapter_merge.request import AdapterRef, RepoRef

_Value = TypeVar("_Value", bound=BaseModel)


def _read(kind: type[_Value], tokens: Sequence[Token]) -> _Value:
    return kind.model_validate(tokens[0].value)


# A ref is one word to its user, though it is a model with fields: cyclopts would offer `--base.folder`.
for _kind, _metavar in ((RepoRef, "FOLDER"), (AdapterRef, "FOLDER[=WEIGHT]")):
    Parameter(n_tokens=1, accepts_keys=False, converter=_read, metavar=_metavar)(_kind)


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


def report_json(report: Report) -> str:
    """A report as JSON text."""
    return TypeAdapter(Report).dump_json(report, indent=2).decode()


def write(text: str) -> None:
    """Write data to stdout."""
    sys.stdout.write(f"{text}\n")
