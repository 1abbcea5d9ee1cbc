"""What became of an order, by what its run said."""

from __future__ import annotations

from typing import Any

import pytest

from adapter_merge.bot.dispatch.heard import Heard, failed
from adapter_merge.bot.events import told_report
from adapter_merge.bot.order import Ended
from adapter_merge.errors import GithubUnavailable, HubUnavailable, RequestError
from adapter_merge.report import ErrorRecord, Report
from tests.bot.dispatch.places import Heard as Listening


def ended(code: int | None, *lines: str, secrets: tuple[str, ...] = ()) -> Ended:
    heard = Heard(Listening().ears(), secrets)
    for line in lines:
        heard.take(line)
    return heard.ended(code)


def _report(status: Any, code: int = 0) -> str:
    error = ErrorRecord(type="X", code=code, message="it can't", hint="Wait.") if code else None
    return told_report(Report(status=status, reason="so", error=error))


@pytest.mark.parametrize(
    ("code", "lines", "outcome", "again", "reason"),
    [
        (0, [_report("merged")], "merged", False, "so"),
        (0, [_report("unchanged")], "unchanged", False, "so"),
        (0, [_report("skipped")], "skipped", False, "so"),
        (10, [_report("failed", 5)], "failed", False, "it can't. Wait."),
        (10, [_report("failed", 9)], "failed", True, "it can't. Wait."),
        (130, [_report("failed", 130)], "stopped", False, "it can't. Wait."),
        (0, [_report("done")], "failed", False, "it ended as `done`"),
        (9, [], "failed", True, "it ended with the exit code 9, and said nothing"),
        (1, ["a", " "], "failed", False, "it ended with the exit code 1; its last line was: a"),
        (0, [_report("failed", 5), _report("merged")], "merged", False, "so"),
    ],
)
def test_the_last_report_counts(
    code: int, lines: list[str], outcome: str, again: bool, reason: str
) -> None:
    found = ended(code, *lines)
    assert (found.outcome, found.again, found.reason, found.code) == (outcome, again, reason, code)
    assert (found.report is None) == (not any("report" in line for line in lines))


def test_a_secret_is_nowhere_in_the_end() -> None:
    secret = "a-very-long-word"
    error = ErrorRecord(type="X", code=5, message=f"no {secret}", hint="hf_abcdefgh")
    found = ended(5, told_report(Report(status="failed", error=error)), secrets=(secret, ""))
    assert found.reason == "no ***. ***"
    assert ended(1, f"with {secret}", secrets=(secret,)).reason.endswith("with ***")


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (HubUnavailable("a", hint="b"), True),
        (GithubUnavailable("a", hint="b"), True),
        (RequestError("a", hint="b"), False),
    ],
)
def test_an_error_of_ours_is_an_end(error: Any, again: bool) -> None:
    assert failed(error, url="u") == Ended(outcome="failed", reason="a. b", again=again, url="u")
