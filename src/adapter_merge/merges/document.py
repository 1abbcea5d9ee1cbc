"""YAML with the line of each value; nothing in it can be large, deep, a reference or a type of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

_DEEPEST = 8
_PLAIN = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null"))
_Loader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class Misread(ValueError):
    """A text that is not such a document, with the line on which that shows."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """What a text says; `lines` has the line of each place, counted from 1."""

    value: Any
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict)

    def line(self, where: tuple[str | int, ...]) -> int:
        """The line of a place, or of the nearest one around it."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def at(self, where: tuple[str | int, ...]) -> Any:
        """The value of a place."""
        value = self.value
        for part in where:
            value = value[part]
        return value


def parsed(text: str) -> Document:
    """Read a text.

    Raises:
        Misread: it is no YAML, or more than plain values, lists and keys.
    """
    try:
        _require_plain(text)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark is not None else 1
        raise Misread(line, f"it can't be parsed: {e.problem}") from e
    except yaml.YAMLError as e:
        raise Misread(1, f"it can't be parsed: {str(e).splitlines()[0]}") from e
    if node is None:
        raise Misread(1, "it is empty")
    lines: dict[tuple[str | int, ...], int] = {}
    return Document(value=_value(node, (), lines), lines=lines)


def _require_plain(text: str) -> None:
    """Look at the text before anything is built of it: PyYAML recurses, and references multiply."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark is not None else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise Misread(
                line, "references (`&`, `*`) aren't read; write it out, or use `defaults`"
            )
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise Misread(line, "it is nested too deeply")


def _value(
    node: yaml.Node, where: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]
) -> Any:
    if node.start_mark is not None:
        lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_value(n, (*where, i), lines) for i, n in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, where, lines)
    return _scalar(node)


def _mapping(
    node: yaml.MappingNode, where: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise Misread(line, "a key has to be a word")
        if key.value in found:
            raise Misread(line, f"the key `{key.value[:100]}` stands twice")
        lines[*where, key.value] = line
        found[key.value] = _value(value, (*where, key.value), lines)
    return found


def _scalar(node: yaml.Node) -> Any:
    """Plain values; what YAML takes for a date, or calls by a type of its own, is text."""
    if node.tag not in _PLAIN:
        return node.value
    if node.tag.endswith(":bool") and node.value.lower() not in {"true", "false"}:
        return node.value
    try:
        return _Constructor().construct_object(node)
    except (ValueError, yaml.YAMLError):
        return node.value


class _Constructor(yaml.constructor.SafeConstructor):
    """Makes a plain value of its node."""
