"""Our templates: every value that stands in one is foreign text and is escaped, whoever wrote it."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from adapter_merge.figures import counted, nbytes, number, percent, printable

_HERE = "adapter_merge.pages"


@cache
def environment(*beside: str) -> Environment:
    """The environment of this room's templates, and of those in other packages, which come first."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package, ".") for package in (*beside, _HERE)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.filters.update(
        counted=counted, nbytes=nbytes, number=number, percent=percent, ticked=ticked
    )
    return made


def _finalize(value: object) -> object:
    """What a page may not hold, such as control characters, is written out."""
    return value if isinstance(value, Markup) else printable(str(value))


def ticked(text: str) -> Markup:
    """A message whose literals stand in backticks, with those as code."""
    parts = printable(text).split("`")
    if len(parts) % 2 == 0:  # one backtick has no partner, so none is trusted
        return escape(printable(text))
    code = Markup("<code>{}</code>")
    return Markup().join(code.format(p) if i % 2 else p for i, p in enumerate(parts))


@cache
def style(name: str) -> Markup:
    """One of the room's style sheets."""
    return Markup((files(_HERE) / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file


def digest(content: str) -> str:
    """The source expression that lets a page use exactly this inline style. Source: CSP level 3, section 2.3.1."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
