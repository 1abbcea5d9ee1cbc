"""The questions that a rule can ask: name -> a function of the facts and the rule's operand.

`not_` before a name asks for the opposite. Where an operand is a list, one match is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from fnmatch import fnmatchcase
from typing import Any

from adapter_merge.checks.consumers.facts import Facts
from adapter_merge.checks.consumers.rope import rope_lost

Keys = Mapping[str, Sequence[str]]  # path -> keys
Values = Mapping[str, Mapping[str, Sequence[Any]]]  # path -> key -> values
Predicate = Callable[[Facts, Any], bool]


def _any_matches(names: AbstractSet[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _files(facts: Facts, patterns: Sequence[str]) -> bool:
    """A pattern without a folder means the top folder alone."""
    top = {path for path in facts.files if "/" not in path}
    return _any_matches(top, [p for p in patterns if "/" not in p]) or _any_matches(
        facts.files, [p for p in patterns if "/" in p]
    )


def _has(facts: Facts, keys: Keys) -> bool:
    """A key is there, and is not null."""
    return any(facts.value(path, k) is not None for path, names in keys.items() for k in names)


def _lacks(facts: Facts, keys: Keys) -> bool:
    """The file is there, and one of the keys isn't, or is null."""
    return any(
        path in facts.contents and facts.value(path, k) is None
        for path, names in keys.items()
        for k in names
    )


def _equals(facts: Facts, values: Values) -> bool:
    return any(value in allowed for value, allowed in _present(facts, values))


def _unequal(facts: Facts, values: Values) -> bool:
    """A key is there, with another value."""
    return any(value not in allowed for value, allowed in _present(facts, values))


def _present(facts: Facts, values: Values) -> Iterable[tuple[object, Sequence[Any]]]:
    for path, keys in values.items():
        for key, allowed in keys.items():
            value = facts.value(path, key)
            if value is not None:
                yield value, allowed


def _is_list(facts: Facts, keys: Keys) -> bool:
    return any(
        isinstance(facts.value(path, k), list) for path, names in keys.items() for k in names
    )


def _vocabulary(facts: Facts, wanted: bool) -> bool:
    return any("vocab_size" in level for level in facts.levels) is wanted


def _stem(name: str, suffixes: Sequence[str]) -> str | None:
    """The name without its task: a loader may build another head on the same model."""
    return next((name.removesuffix(s) for s in suffixes if name.endswith(s)), None)


def _architecture_stem(facts: Facts, operand: Mapping[str, Sequence[str]]) -> bool:
    stems = {_stem(known, operand["suffixes"]) for known in operand["known"]} - {None}
    return any(_stem(name, operand["suffixes"]) in stems for name in facts.architectures)


PREDICATES: Mapping[str, Predicate] = {
    "files": _files,
    "tensors": lambda facts, patterns: _any_matches(facts.tensors, patterns),
    "has": _has,
    "lacks": _lacks,
    "equals": _equals,
    "unequal": _unequal,
    "is_list": _is_list,
    "vocabulary": _vocabulary,
    "bundled": lambda facts, wanted: facts.bundled is wanted,
    "architecture": lambda facts, names: not {*facts.architectures}.isdisjoint(names),
    "architecture_stem": _architecture_stem,
    "text_architecture": lambda facts, names: not {*facts.text_architectures}.isdisjoint(names),
    "ends": lambda facts, ends: any(a.endswith(tuple(ends)) for a in facts.architectures),
    "model_type": lambda facts, types: facts.config.get("model_type") in types,
    "module_ends": lambda facts, ends: any(m.endswith(tuple(ends)) for m in facts.modules),
    "module_not_in": lambda facts, known: not {*facts.modules} <= {*known},
    "module_outside": lambda facts, starts: any(
        not m.startswith(tuple(starts)) for m in facts.modules
    ),
    "rope_lost": rope_lost,
}
