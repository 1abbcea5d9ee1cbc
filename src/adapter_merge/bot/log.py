"""The bot's log, on stderr: a line each, as text for people or JSON for programs.

Foreign text is escaped, so it starts no line of its own and moves no cursor.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Literal

Form = Literal["text", "json"]
_NAME = "adapter_merge"


def install(form: Form, stream: IO[str] | None = None) -> None:
    """Have everything that is logged in this process written as lines."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_NAME).setLevel(logging.INFO)
    # It warns of each request that is no HTTP, and anybody can send those.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


def say(event: str, *, level: int = logging.INFO, **facts: object) -> None:
    """Log an event and its facts; None is left out."""
    known = {key: value for key, value in facts.items() if value is not None}
    logging.getLogger(f"{_NAME}.bot").log(level, event, extra={"facts": known})


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **_facts(record),
        }
        return json.dumps(line, default=str)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        facts = "".join(f" {key}={_shown(value)}" for key, value in _facts(record).items())
        return f"{_at(record)} {level}{_plain(record.getMessage())}{facts}"


def _facts(record: logging.LogRecord) -> Mapping[str, object]:
    """What the event came with, and the traceback of an exception."""
    facts: Mapping[str, object] = getattr(record, "facts", {})
    if record.exc_info is None:
        return facts
    return {**facts, "traceback": logging.Formatter().formatException(record.exc_info)}


def _at(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def _shown(value: object) -> str:
    """A value in one word, or in quotes."""
    text = str(value)
    return (
        text
        if text.isascii() and text.isprintable() and not set(text) & set(' "=')
        else json.dumps(text)
    )


def _plain(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]
