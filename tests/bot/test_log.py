from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from adapter_merge.bot.log import Form, install, say


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as it was."""
    loggers = [logging.getLogger(name) for name in (None, "adapter_merge", "uvicorn")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers = handlers


def lines(form: Form) -> io.StringIO:
    stream = io.StringIO()
    install(form, stream)
    return stream


def test_text_is_a_line_with_its_facts() -> None:
    out = lines("text")
    say("delivery", level=logging.WARNING, repo="acme/adapter", reason="it is late", head=None)
    said = r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning: delivery repo=acme/adapter reason="it is late"\n'
    assert re.fullmatch(said, out.getvalue())


def test_json_is_an_object_a_line() -> None:
    out = lines("json")
    say("delivery", repo="acme/adapter", count=2)
    found = json.loads(out.getvalue())
    assert found.pop("at").endswith("Z")
    assert found == {"level": "info", "event": "delivery", "repo": "acme/adapter", "count": 2}


@pytest.mark.parametrize("form", ["text", "json"])
def test_foreign_text_makes_no_line_of_its_own(form: Form) -> None:
    out = lines(form)
    say("delivery", repo="a\n2026 queued\x1b[2J\u202e\u2028", reason='"=')
    logging.getLogger("strange").error("one\ntwo")
    text = out.getvalue()
    assert text.count("\n") == 2
    assert text.replace("\n", "").isascii()
    assert "\x1b" not in text


def test_an_exception_comes_with_its_traceback_in_one_line() -> None:
    out = lines("json")
    try:
        raise ValueError("broken")  # noqa: TRY301
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    found = json.loads(out.getvalue())
    assert "ValueError: broken" in found["traceback"]


def test_what_others_chat_about_is_left_out() -> None:
    out = lines("text")
    logging.getLogger("httpx2").info("a request")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert out.getvalue() == ""
