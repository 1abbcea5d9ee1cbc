"""What a run says, wherever it runs: lines for people without tokens, progress, and at last its report."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from adapter_merge.bot import events
from adapter_merge.bot.order import Ears, Ended, Outcome, Progress
from adapter_merge.errors import AdapterMergeError, HubUnavailable, Interrupted
from adapter_merge.figures import printable

_LONGEST = 2_000  # characters of a line
_SHORTEST = 8  # characters of a secret: what is shorter would blacken words
_TOKEN = re.compile(r"\b(?:hf|api_org|gh[a-z]|github_pat)_\w{4,}|(?i:bearer)\s+\S+")
_OUTCOMES: Mapping[str, Outcome] = {
    "merged": "merged",
    "unchanged": "unchanged",
    "skipped": "skipped",
}


def failed(error: AdapterMergeError, *, url: str | None = None) -> Ended:
    """The end of an order that met one of our errors here."""
    return Ended(
        outcome="failed",
        reason=f"{error.message}. {error.hint}",
        again=isinstance(error, HubUnavailable),
        url=url,
    )


class Heard:
    """Takes a run's lines in, from any thread.

    Args:
        ears: who is told.
        secrets: what no line may show; whatever looks like a token isn't shown either.
    """

    def __init__(self, ears: Ears, secrets: Iterable[str] = ()) -> None:
        self._ears = ears
        self._secrets = sorted((s for s in secrets if len(s) >= _SHORTEST), key=len, reverse=True)
        self._lock = threading.Lock()
        self._report: Mapping[str, Any] | None = None
        self._last = ""

    def take(self, line: str) -> None:
        """Take one line, as it came."""
        said = events.read(line)
        with self._lock:
            if isinstance(said, Progress):
                self._ears.progress(said)
            elif said is not None:
                self._report = said
            else:
                self._hear(line)

    def _hear(self, line: str) -> None:
        shown = self._masked(printable(line.rstrip("\r\n").expandtabs(4)))
        shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
        self._last = shown.strip() or self._last
        self._ears.line(shown)

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _TOKEN.sub("***", text)

    @property
    def is_good(self) -> bool:
        """Whether a report came that says of no failure."""
        return self._report is not None and self._report.get("status") in _OUTCOMES

    def ended(self, code: int | None, *, url: str | None = None, silent: str = "") -> Ended:
        """What became of the order, by the report that came last, or else by how the run ended.

        Args:
            code: the program's exit code; None where that isn't known.
            url: where people see it.
            silent: what is known of a run without a report.
        """
        report = self._report
        if report is None:
            return Ended(
                outcome="failed",
                reason=self._silence(code, silent),
                code=code,
                again=code in {HubUnavailable.exit_code, -signal.SIGKILL},
                url=url,
            )
        status = str(report.get("status"))
        outcome = _OUTCOMES.get(status, "failed")
        if outcome != "failed":
            reason = self._masked(str(report.get("reason") or ""))
            return Ended(outcome=outcome, reason=reason, code=code, url=url, report=report)
        found = report.get("error")
        error: Mapping[str, Any] = found if isinstance(found, dict) else {}
        words = (
            f"{error.get('message', '')}. {error.get('hint', '')}"
            if error
            else f"it ended as `{status}`"
        )
        return Ended(
            outcome="stopped" if error.get("code") == Interrupted.exit_code else "failed",
            reason=self._masked(words),
            code=code,
            again=error.get("code") == HubUnavailable.exit_code,
            url=url,
            report=report,
        )

    def _silence(self, code: int | None, silent: str) -> str:
        how = silent or f"it ended with the exit code {code}"
        if code is not None and code < 0:
            how = f"it was killed by signal {-code}, as a system does that has no memory left"
        return (
            f"{how}; its last line was: {self._last}" if self._last else f"{how}, and said nothing"
        )
