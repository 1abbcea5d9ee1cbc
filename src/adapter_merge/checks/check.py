"""What a check is, and the wording that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Protocol, TypeVar

from adapter_merge.checks.seen import Seen
from adapter_merge.finding import Finding, Outcome
from adapter_merge.plan import Plan

_NAMED = 3  # names in a sentence
_LISTED = 10  # names in the evidence

NEEDS_SOURCES = (
    "not checked: it needs to know what was merged; "
    "run `adapter-merge check FOLDER --base BASE --adapter ADAPTER`"
)
NEEDS_WEIGHTS = "not checked: the weights can't be read"
WARNS_ONLY = "Nothing to ignore: it only warns, unless `--strict` names it."


class Explained(Protocol):
    """What stands behind a code.

    Attributes:
        code: a letter and three digits, never reused.
        title: what must hold, in a few words.
        why: what goes wrong where it doesn't.
        fix: what to do then.
        look: where to see more of it: a command or a place.
        ignore: whether `--ignore` makes sense.
    """

    @property
    def code(self) -> str: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def why(self) -> str: ...  # noqa: D102
    @property
    def fix(self) -> str: ...  # noqa: D102
    @property
    def look(self) -> str: ...  # noqa: D102
    @property
    def ignore(self) -> str: ...  # noqa: D102


class Check(Explained, Protocol):
    """One question about a result."""

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """At least one finding; at most one of each outcome."""
        ...


class Named(Protocol):
    """What findings are about: how they call it, and whether another program made it."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def foreign(self) -> bool: ...  # noqa: D102


_C = TypeVar("_C", bound=Check)


def passed(check: Explained, seen: Named, message: str, **evidence: object) -> Finding:
    """It holds; `evidence` has the counts."""
    return _finding(check, seen, Outcome.PASS, message, evidence)


def skipped(check: Explained, seen: Named, message: str, **evidence: object) -> Finding:
    """It can't be told; the message says what it needs."""
    return _finding(check, seen, Outcome.SKIP, message, evidence)


def failed(check: Explained, seen: Named, message: str, **evidence: object) -> Finding:
    """It doesn't hold."""
    return _finding(check, seen, Outcome.FAIL, message, evidence)


def warned(check: Explained, seen: Named, message: str, **evidence: object) -> Finding:
    """It doesn't hold, and may be meant so."""
    return _finding(check, seen, Outcome.WARN, message, evidence)


def milder(check: Explained, seen: Named, message: str, **evidence: object) -> Finding:
    """A failure of our own result; of another program's only a warning."""
    outcome = Outcome.WARN if seen.foreign else Outcome.FAIL
    return _finding(check, seen, outcome, message, evidence)


def _finding(
    check: Explained, seen: Named, outcome: Outcome, message: str, evidence: dict[str, object]
) -> Finding:
    return Finding(
        code=check.code, outcome=outcome, subject=seen.name, message=message, evidence=evidence
    )


def against_plan(
    judge: Callable[[_C, Seen, Plan], Iterable[Finding]],
) -> Callable[[_C, Seen], Iterable[Finding]]:
    """Judge only where both the weights and the plan are known; else say what is needed."""

    @wraps(judge)
    def judge_if_known(check: _C, seen: Seen) -> Iterable[Finding]:
        if seen.plan is None:
            return (skipped(check, seen, NEEDS_SOURCES),)
        if seen.checkpoint is None:
            return (skipped(check, seen, NEEDS_WEIGHTS),)
        return judge(check, seen, seen.plan)

    return judge_if_known


def of_merging(
    judge: Callable[[_C, Seen], Iterable[Finding]],
) -> Callable[[_C, Seen], Iterable[Finding]]:
    """Judge only where something is merged: in a bundle it holds."""

    @wraps(judge)
    def judge_if_merged(check: _C, seen: Seen) -> Iterable[Finding]:
        if seen.is_bundle:
            return (passed(check, seen, "the adapter lies beside the weights: nothing is merged"),)
        return judge(check, seen)

    return judge_if_merged


def listed(names: Sequence[str]) -> str:
    """The first names, for a sentence: "`a`, `b`, `c` and 4 more"."""
    text = ", ".join(f"`{name}`" for name in names[:_NAMED])
    more = len(names) - _NAMED
    return f"{text} and {more} more" if more > 0 else text


def first(names: Sequence[str]) -> list[str]:
    """The first names, for the evidence."""
    return list(names[:_LISTED])


def number(count: int, noun: str) -> str:
    """A count with its noun: "1 tensor", "3 tensors"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
