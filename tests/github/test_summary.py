from __future__ import annotations

from dataclasses import replace

import pytest

from adapter_merge.finding import Finding, Outcome
from adapter_merge.github.mermaid import escaped
from adapter_merge.github.summary import MOST, Told, fitted, summary
from adapter_merge.markup import active
from adapter_merge.receipt import SourceRecord
from adapter_merge.report import ErrorRecord, Report

EVIL = '"]; x["<img src=x onerror=alert(1)>` | [a](javascript:b) \n# Heading\n```\n::error::'

REPORT = Report(
    status="merged",
    to="org/merged",
    adapters=(SourceRecord(source="org/adapter", commit="a" * 40, digests={}),),
    base=SourceRecord(source="org/base", commit="b" * 40, digests={}),
    counts={"tensors_edited": 2, "tensors_total": 7},
    seconds={"merge": 1.0, "total": 2.0},
)


def finding(number: int, text: str = "seen") -> Finding:
    return Finding(code="T001", outcome=Outcome.WARN, subject=f"s{number}", message=text)


def test_tells_what_came_of_what() -> None:
    text = summary(Told(reports=(REPORT,)))

    assert text.startswith("## ✓ merged: `org/merged`")
    assert "```mermaid\nflowchart LR" in text
    assert "| adapter | `org/adapter` at `aaaaaaaaaaaa` |" in text
    assert "2 edited of 7" in text


def test_a_failure_says_what_to_do() -> None:
    error = ErrorRecord(type="Gated", code=3, message="`org/base` is gated", hint="Ask for it.")

    text = summary(Told(reports=(replace(REPORT, status="failed", error=error),), note="No token."))

    assert text.startswith("> No token.")
    assert "**Gated**, exit code 3: `org/base` is gated" in text
    assert "Next: Ask for it." in text


def test_names_of_strangers_are_text() -> None:
    source = SourceRecord(source=EVIL, commit=EVIL, digests={})
    error = ErrorRecord(type="Corrupt", code=3, message=EVIL, hint=EVIL)
    report = replace(
        REPORT, to=EVIL, adapters=(source,), base=source, findings=(finding(1, EVIL),), error=error
    )

    text = summary(Told(reports=(report, report), note=EVIL))

    assert set(active(text)) == set()
    assert not [line for line in text.splitlines() if line.startswith(("# ", "::"))]
    assert text.count("```mermaid") == 2
    assert text.count("\n```\n") == 2


@pytest.mark.parametrize("text", ['"', "<b>", "]", "`", "#", "é\u202e", "\x1b[0m"])
def test_a_label_holds_nothing_that_ends_it(text: str) -> None:
    assert not set('"<>]`\x1b\u202e') & set(escaped(text))


def test_stays_below_the_limit_and_says_so() -> None:
    found = tuple(finding(n, "é" * 250) for n in range(60))
    many = (replace(REPORT, findings=found),) * 100

    text = summary(Told(reports=many))

    assert len(text.encode()) <= MOST
    assert "More was left out" in text
    assert fitted(["a", "b"], MOST) == "a\n\nb\n\n"
