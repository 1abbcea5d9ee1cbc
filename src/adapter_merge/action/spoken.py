"""What the program says to people at a command line, as those of a workflow would write it."""

from __future__ import annotations

import re
from dataclasses import replace

from adapter_merge.github.follow import Follow
from adapter_merge.report import ErrorRecord, Report

_OPTIONS = re.compile(r"`--(?P<options>[a-z][^`]*)`")
_LOGIN = re.compile(r"`hf auth login`(?P<whose> with that account)?, or set `HF_TOKEN`")


class Spoken(Follow):
    """A step's log whose errors name inputs."""

    def finished(self, report: Report) -> None:
        """Say what came of it."""
        super().finished(spoken(report))


def spoken(report: Report) -> Report:
    """A report whose error names inputs."""
    return report if report.error is None else replace(report, error=in_inputs(report.error))


def in_inputs(error: ErrorRecord) -> ErrorRecord:
    """An error that names inputs."""
    return replace(error, message=as_inputs(error.message), hint=as_inputs(error.hint))


def as_inputs(text: str) -> str:
    """Options as inputs, and the way to sign in as the input for a token; whole commands stay commands."""
    return _LOGIN.sub(_as_token, _OPTIONS.sub(_as_input, text))


def _as_input(span: re.Match[str]) -> str:
    options = (option.partition(" ") for option in span["options"].split(" --"))
    return " and ".join(f"`{n}: {v}`" if v else f"`{n}`" for n, _, v in options)


def _as_token(login: re.Match[str]) -> str:
    whose = " to one of that account" if login["whose"] else ""
    return f"{'set' if login.start() else 'Set'} the input `hf-token`{whose}"
