"""What a check says: one finding a subject, and all of them as a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Outcome(StrEnum):
    """How a check ended for one subject; `skip` says what it would have needed."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One sentence about one subject.

    Attributes:
        code: a letter and three digits, never reused (`T004`).
        outcome: pass, warn, fail or skip.
        subject: the file, tensor or setting that was looked at.
        message: what was seen, in one sentence.
        evidence: JSON values that back the sentence.
    """

    code: str
    outcome: Outcome
    subject: str
    message: str
    evidence: Mapping[str, object] = field(default_factory=dict)


WEIGHT = (Outcome.FAIL, Outcome.WARN, Outcome.SKIP, Outcome.PASS)


_IGNORED = " (ignored on request)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What one or more checks say of one subject in the same words."""

    outcome: Outcome
    codes: tuple[str, ...]
    subject: str
    message: str


def by_weight(findings: Iterable[Finding]) -> tuple[Said, ...]:
    """Findings as people read them: the heaviest first, and what several checks say alike only once."""
    codes: dict[tuple[Outcome, str, str], list[str]] = {}
    ordered = sorted(findings, key=lambda f: (WEIGHT.index(f.outcome), f.code, f.subject))
    for finding in ordered:
        words = (finding.outcome, finding.subject, finding.message)
        codes.setdefault(words, []).append(finding.code)
    return tuple(
        Said(outcome=outcome, codes=tuple(found), subject=subject, message=message)
        for (outcome, subject, message), found in codes.items()
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """All findings of a run, with the user's `--ignore` and `--strict` applied."""

    findings: tuple[Finding, ...]

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that stop a result from being sealed."""
        return tuple(f for f in self.findings if f.outcome is Outcome.FAIL)

    @classmethod
    def of(
        cls, findings: tuple[Finding, ...], *, ignore: tuple[str, ...], strict: tuple[str, ...]
    ) -> Verdict:
        """Weigh findings: an ignored failure warns, a strict warning fails."""
        return cls(findings=tuple(_weigh(f, ignore=ignore, strict=strict) for f in findings))


def unweighed(finding: Finding) -> Finding:
    """A finding of a result that stands, as its check gave it: what was ignored then failed."""
    if finding.outcome is Outcome.WARN and finding.message.endswith(_IGNORED):
        message = finding.message.removesuffix(_IGNORED)
        return replace(finding, outcome=Outcome.FAIL, message=message)
    return finding


def _weigh(finding: Finding, *, ignore: tuple[str, ...], strict: tuple[str, ...]) -> Finding:
    if finding.outcome is Outcome.FAIL and finding.code in ignore:
        message = f"{finding.message}{_IGNORED}"
        return replace(finding, outcome=Outcome.WARN, message=message)
    is_strict = finding.code in strict or "all" in strict
    if finding.outcome is Outcome.WARN and is_strict and finding.code not in ignore:
        message = f"{finding.message} (a failure because of `--strict`)"
        return replace(finding, outcome=Outcome.FAIL, message=message)
    return finding
