"""What a user's settings make of findings: which fail, and with which error."""

from __future__ import annotations

from dataclasses import replace

from adapter_merge.errors import CheckFailed
from adapter_merge.finding import Finding, Verdict
from adapter_merge.probed import NotRun, Probed
from adapter_merge.request import Settings


def as_asked(probed: Probed, settings: Settings) -> Probed:
    """With `--probe require` that nothing ran is a failure."""
    if isinstance(probed, NotRun):
        return replace(probed, required=settings.probe == "require")
    return probed


def judge(findings: tuple[Finding, ...], settings: Settings) -> Verdict:
    """All findings, with `--ignore` and `--strict` applied."""
    return Verdict.of(findings, ignore=settings.ignore, strict=settings.strict)


def stop_on_failure(verdict: Verdict, *, hint: str | None = None) -> None:
    """Raise for a verdict that has failures; without a hint the next step is the first one's explanation.

    Raises:
        CheckFailed: it has.
    """
    if not verdict.failures:
        return
    first, *others = verdict.failures
    more = f", and {len(others)} more" if others else ""
    raise CheckFailed(
        f"{first.code} failed for {first.subject}: {first.message}{more}",
        hint=hint or explain(verdict),
        verdict=verdict,
    )


def explain(verdict: Verdict) -> str:
    """The next step where checks failed."""
    code = verdict.failures[0].code
    return f"`adapter-merge codes {code}` says what it means, how to look, and what to do."
