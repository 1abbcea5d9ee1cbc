"""Renders a chat template, which is a stranger's code: a program of its own, started by `sandbox`.

It reads one JSON object on stdin and writes one on stdout; `sandbox` says what is in them. Nothing of
this package is imported, so that it starts in some hundredths of a second.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from jinja2 import TemplateError, TemplateSyntaxError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node, Scope
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

_MEMORY = 1 << 30
_SECONDS = 10
_KEPT = 4096
# What a template prints must not depend on the day.
_NOW = datetime(2025, 1, 1, tzinfo=UTC)


class _Generation(Extension):
    """The tag that marks what an assistant says; it prints its content."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return Scope(body, lineno=line)


def environment() -> ImmutableSandboxedEnvironment:
    """What a template may use, as transformers offers it (`utils/chat_template_utils.py`)."""
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    made.filters["tojson"] = _tojson
    made.globals |= {"raise_exception": _raise, "strftime_now": _NOW.strftime}
    return made


def _tojson(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def answer(asked: Mapping[str, Any]) -> dict[str, str]:
    """What is asked about a template: its mistake, or what it prints behind the marker."""
    try:
        template = environment().from_string(asked["template"])
    except TemplateSyntaxError as e:
        return {"mistake": f"line {e.lineno}: {e.message}"}
    except RecursionError:
        return {"mistake": "its expressions are nested too deeply"}
    except SyntaxError as e:  # jinja writes Python, which has limits and rules of its own
        return {"mistake": f"Python can't compile it: {e.msg}"}
    marker = asked["marker"]
    for messages in asked["chats"]:
        try:
            text = template.render(
                messages=messages,
                tools=None,
                documents=None,
                add_generation_prompt=False,
                **asked["tokens"],
            )
        except Exception:  # noqa: S112 - whatever a stranger's code raises: this form isn't for it
            continue
        _, found, after = text.rpartition(marker)
        if found:
            return {"after": after[:_KEPT]}
    return {}


def _limit() -> None:
    """Hold memory, processor time and files; wall-clock time is held from outside."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, limit in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_FSIZE, 0),
    ):
        try:
            resource.setrlimit(kind, (limit, limit))
        except (OSError, ValueError):  # a system that doesn't know this limit
            continue


if __name__ == "__main__":
    _limit()
    sys.stdout.write(json.dumps(answer(json.load(sys.stdin))))
