"""A run's report and log as pages show them; they come from elsewhere, so what can't be read is left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from jinja2 import UndefinedError
from markupsafe import Markup
from pydantic import TypeAdapter, ValidationError

from adapter_merge.figures import printable
from adapter_merge.pages import page, told
from adapter_merge.pages.render import environment
from adapter_merge.report import Report

_T = TypeVar("_T")
_ENDS = re.compile(r"\r\n|\n|\r")


def sections(kept: Mapping[str, Any] | None) -> Markup | None:
    """All of a report but its heading; None where there is none, or one of another version."""
    return _drawn(kept, _sections)


def report_page(kept: Mapping[str, Any] | None) -> str | None:
    """A report as a page of its own; None as above."""
    return _drawn(kept, page)


def lines(log: str) -> list[str]:
    """A log's lines, without what would steer a terminal."""
    ended = log.rstrip("\r\n")
    return [printable(line.expandtabs()) for line in _ENDS.split(ended)] if ended else []


def _drawn(kept: Mapping[str, Any] | None, draw: Callable[[Report], _T]) -> _T | None:
    if kept is None:
        return None
    try:
        return draw(_reader().validate_python(kept))
    except (ValidationError, UndefinedError):
        return None


@cache
def _reader() -> TypeAdapter[Report]:
    return TypeAdapter(Report)


def _sections(report: Report) -> Markup:
    text = environment().get_template("sections.html.jinja").render(told(report))
    return Markup(text)  # noqa: S704 - of our own template, which escapes
