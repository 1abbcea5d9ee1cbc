"""The data files, read into frozen values."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from adapter_merge.checks.consumers.facts import Facts
from adapter_merge.checks.consumers.predicates import PREDICATES

_SHARED = "shared"
_NOT = "not_"


class Outcome(StrEnum):
    """What a broken rule means: it doesn't load, it loads as something else, or with a remark."""

    FAILS = "fails"
    WRONG = "wrong"
    WARNS = "warns"


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One predicate with its operand."""

    predicate: str
    operand: Any

    def holds(self, facts: Facts) -> bool:
        """Whether the facts answer it with yes."""
        name = self.predicate.removeprefix(_NOT)
        return PREDICATES[name](facts, self.operand) is not self.predicate.startswith(_NOT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """Questions that all must be answered with yes."""

    questions: tuple[Question, ...]

    def holds(self, facts: Facts) -> bool:
        """Whether all are."""
        return all(question.holds(facts) for question in self.questions)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One thing that a program does with a folder.

    Attributes:
        id: unique among the rules of its program.
        outcome: what it means where the condition holds.
        when: the condition.
        says: what is wrong, as the end of a sentence.
        fix: what to do, as a sentence.
        source: package and version, file and symbol where it was read.
    """

    id: str
    outcome: Outcome
    when: Condition
    says: str
    fix: str
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Consumer:
    """A program that loads models, in the version whose source was read.

    Attributes:
        name: as `check --for` takes it.
        title: as people write it.
        version: the one that was read.
        otherwise: why it doesn't serve the other models, as the end of a sentence.
        serves: a model is one of its kind where one of these holds, or where there are none.
        rules: all that can go wrong.
    """

    name: str
    title: str
    version: str
    otherwise: str
    serves: tuple[Condition, ...]
    rules: tuple[Rule, ...]


@cache
def consumer(name: str) -> Consumer:
    """A program by its name; the rules of the program that it loads with come first."""
    data = _read(name)
    lists = {**_read(_SHARED), **data.get("lists", {}), "thetas": data.get("thetas", ())}
    suffixes = data.get("suffixes", ())
    own = tuple(_rule(entry, lists, suffixes) for entry in data["rule"])
    return Consumer(
        name=data["name"],
        title=data["title"],
        version=data["version"],
        otherwise=data.get("otherwise", ""),
        serves=tuple(_condition(entry, lists, suffixes) for entry in data.get("serves", ())),
        rules=(*_inherited(data), *own),
    )


def _read(name: str) -> Mapping[str, Any]:
    return tomllib.loads((files(__package__) / f"{name}.toml").read_text(encoding="utf-8"))


def _inherited(data: Mapping[str, Any]) -> Iterator[Rule]:
    if "uses" in data:
        yield from (r for r in consumer(data["uses"]).rules if r.id not in data.get("without", ()))


def _rule(entry: Mapping[str, Any], lists: Mapping[str, Any], suffixes: Sequence[str]) -> Rule:
    return Rule(
        id=entry["id"],
        outcome=Outcome(entry["outcome"]),
        when=_condition(entry["when"], lists, suffixes),
        says=entry["says"],
        fix=entry["fix"],
        source=entry["source"],
    )


def _condition(
    entry: Mapping[str, Any], lists: Mapping[str, Any], suffixes: Sequence[str]
) -> Condition:
    """A word as operand names a list."""

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: resolved(part) for key, part in value.items()}
        return lists[value] if isinstance(value, str) else value

    def operand(name: str, value: Any) -> Any:
        found = resolved(value)
        return {"known": found, "suffixes": suffixes} if name.endswith("_stem") else found

    return Condition(
        questions=tuple(
            Question(predicate=name, operand=operand(name, value)) for name, value in entry.items()
        )
    )
