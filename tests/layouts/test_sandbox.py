"""Templates are strangers' code: what they print is found, what they do otherwise ends with nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from adapter_merge.layouts import sandbox
from adapter_merge.layouts.sandbox import MARKER, after_answer, mistake_of
from tests.layouts.templates import CHATML, CLOSED_BY, ESCAPING, FOREVER, HUGE, SYSTEM_FIRST

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


@pytest.mark.parametrize(("template", "token"), CLOSED_BY.items())
def test_what_follows_the_answer_is_found(template: str, token: str) -> None:
    after = after_answer(template, TOKENS)
    assert after is not None
    assert after.strip() == token


@pytest.mark.parametrize("template", [HUGE, ESCAPING, SYSTEM_FIRST, "{{ 1 / 0 }}", "{% if %}", ""])
def test_a_template_that_fails_says_nothing(template: str) -> None:
    assert after_answer(template, TOKENS) is None


def test_a_template_without_an_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_SECONDS", 1)
    start = time.monotonic()
    assert after_answer(FOREVER, TOKENS) is None
    assert time.monotonic() - start < 3


def test_only_the_beginning_of_what_follows_is_kept() -> None:
    after = after_answer(CHATML + "{{ 'x' * 999999 }}", TOKENS)
    assert after is not None
    assert len(after) < 10_000


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ("import os; os.abort()", None),
        ("raise SystemExit(3)", None),
        ("print('{')", None),
        ("print('[]')", None),
        ('print(\'{"after": "x"}\')', "x"),
    ],
)
def test_a_child_that_dies_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, answer: str | None
) -> None:
    (tmp_path / "program.py").write_text(program)
    monkeypatch.setattr(sandbox, "_PROGRAM", tmp_path / "program.py")
    assert after_answer(CHATML, TOKENS) == answer


def test_the_child_sees_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import json, os; print(json.dumps({'after': ' '.join(os.environ)}))"
    (tmp_path / "program.py").write_text(program)
    monkeypatch.setattr(sandbox, "_PROGRAM", tmp_path / "program.py")
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert "HF_TOKEN" not in (after_answer(CHATML, TOKENS) or "").split()


@pytest.mark.parametrize(
    ("template", "mistake"),
    [
        ("{% for a in b %}", "line 1: Unexpected end of template"),
        ("x\n{{ a | nothing }}", "line 2: No filter named 'nothing'"),
        ("(" * 9 + "{{ " + "(" * 9999, "nested"),
        ("{% break %}", "'break' outside loop"),
        (CHATML, None),
        (f"{{{{ raise_exception('{MARKER}') }}}}", None),
    ],
)
def test_what_jinja_finds_wrong_is_said(template: str, mistake: str | None) -> None:
    found = mistake_of(template)
    assert found is None if mistake is None else mistake in (found or "")
