"""One program and one folder: what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from adapter_merge.checks.consumers.book import Consumer, Outcome, Rule
from adapter_merge.checks.consumers.facts import Facts


class Status(StrEnum):
    """Whether a program serves the merged model."""

    LOADS = "loads"
    FAILS = "fails"
    WRONG = "wrong"
    NOT_SERVED = "not served"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """The status, and the rules that are broken, the worst first."""

    status: Status
    broken: tuple[Rule, ...]


_WORST_FIRST = (Outcome.FAILS, Outcome.WRONG, Outcome.WARNS)
_STATUS = {Outcome.FAILS: Status.FAILS, Outcome.WRONG: Status.WRONG, Outcome.WARNS: Status.LOADS}


def judge(consumer: Consumer, facts: Facts) -> Judged:
    """Ask every rule of a program that serves such models."""
    if consumer.serves and not any(condition.holds(facts) for condition in consumer.serves):
        return Judged(status=Status.NOT_SERVED, broken=())
    broken = sorted(
        (rule for rule in consumer.rules if rule.when.holds(facts)),
        key=lambda rule: _WORST_FIRST.index(rule.outcome),
    )
    status = _STATUS[broken[0].outcome] if broken else Status.LOADS
    return Judged(status=status, broken=tuple(broken))
