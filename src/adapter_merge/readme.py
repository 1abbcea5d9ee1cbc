"""README.md of a model repository: YAML metadata at its head, and the text that people read.

It is strangers' data: what can't be parsed gives no metadata and keeps its text, as the Hub does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import yaml

README = "README.md"
# What a card of ours holds beside people's text: one line, and one block.
BEGIN, END = "<!-- adapter-merge:begin -->", "<!-- adapter-merge:end -->"
LINE = "<!-- adapter-merge:line -->"

# Tags that are wrong once an adapter is merged: they name a form that the result doesn't have.
_OF_BUNDLE = ("peft", "lora", "adapter*")
_OF_ADAPTER = (
    *_OF_BUNDLE,
    "mistral-common",
    "bitsandbytes",
    "4-bit",
    "8-bit",
    "gguf",
    "onnx",
    "openvino",
    "mlx",
    "base_model:*",
)

# The Hub takes the first block between two lines of dashes. Source: huggingface_hub `repocard.py`.
_FRONT = re.compile(
    r"\A\s*---[ \t]*\n(?P<front>.*?)\n?^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
MOST = 1 << 20  # characters; what lies behind them is no card any more
_MOST_VALUES = 100_000
_DEEPEST = 64  # brackets and indents; PyYAML recurses
_MOST_BITS = 64  # of a number; Python refuses to write very long ones


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """Without dates, and with `true` and `false` as the only booleans: `no` is a language."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":timestamp"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"true|false", re.IGNORECASE), list("tfTF")
)


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int | str:
    """A number; one that no reader could hold stays the text that it is."""
    value: int = loader.construct_yaml_int(node)
    return value if value.bit_length() <= _MOST_BITS else str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def is_of_adapter(tag: str, *, bundled: bool = False) -> bool:
    """Whether a tag names a form that merged weights, or a bundle, don't have; our own tag doesn't."""
    if tag == "adapter-merge" or (bundled and _fits(tag, _OF_BUNDLE)):
        return False
    return _fits(tag, _OF_ADAPTER)


def _fits(tag: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(tag.lower(), pattern) for pattern in patterns)


@dataclass(frozen=True, kw_only=True, slots=True)
class Readme:
    """One README.md.

    Attributes:
        metadata: the YAML keys; empty where there are none, or where they can't be parsed.
        front: the YAML text as it stands, without its lines of dashes.
        body: everything behind the metadata.
        trouble: why the metadata can't be parsed; None where it can.
        newline: how its lines end; in `front` and `body` all of them end with a plain line feed.
        lacks: why it isn't all that stands there; None where it is.
    """

    metadata: Mapping[str, Any]
    front: str
    body: str
    trouble: str | None = None
    newline: str = "\n"
    lacks: str | None = None

    @classmethod
    def parse(cls, text: str) -> Readme:
        """Read a README.md; never raises."""
        newline = "\r\n" if "\r\n" in text[:MOST] else "\n"
        lacks = f"it has more than {MOST:,} characters" if len(text) > MOST else None
        text = text[:MOST].removeprefix("\ufeff").replace("\r\n", "\n")
        match = _FRONT.match(text)
        if match is None:
            return cls(metadata={}, front="", body=text, newline=newline, lacks=lacks)
        front, body = match["front"], text[match.end() :]
        metadata, trouble = _load(front)
        return cls(
            metadata=metadata,
            front=front,
            body=body,
            trouble=trouble,
            newline=newline,
            lacks=lacks,
        )

    def text(self, key: str) -> str | None:
        """The value of a key that holds one line of text; None for everything else."""
        value = self.metadata.get(key)
        return value.strip() if isinstance(value, str) and value.strip() else None

    def texts(self, key: str) -> tuple[str, ...]:
        """The values of a key that holds one text or a list of texts; what is no text is left out."""
        value = self.metadata.get(key)
        values = value if isinstance(value, list) else [value]
        return tuple(v.strip() for v in values if isinstance(v, str) and v.strip())


def _load(front: str) -> tuple[Mapping[str, Any], str | None]:
    if _depth(front) > _DEEPEST:
        return {}, "its YAML is nested too deeply"
    try:
        value = yaml.load(front, Loader=_Loader)  # noqa: S506 - derived from the safe loader
    # PyYAML takes `!!bool` before any text, and then raises what Python raises.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as e:
        return (
            {},
            f"its YAML can't be parsed: {str(e).splitlines()[0] if str(e) else type(e).__name__}",
        )
    if value is None:
        return {}, None
    if not isinstance(value, dict):
        return {}, "its YAML is no mapping"
    if not _is_finite(value):
        return {}, "its YAML refers to itself, or many times to the same"
    return {str(k): v for k, v in value.items()}, None


def _is_finite(value: object) -> bool:
    """Whether a value can be walked through: YAML's references can make little text endless."""
    level, seen = [value], 0
    while level and seen <= _MOST_VALUES:
        seen += len(level)
        level = [inner for outer in level for inner in _inside(outer)]
    return not level


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _depth(front: str) -> int:
    """An upper bound of how deep the YAML is nested, without parsing it."""
    lines = front.splitlines()
    indents = {len(line) - len(line.lstrip()) for line in lines}
    inline = max((line.count("- ") + line.count("? ") for line in lines), default=0)
    return _brackets(front) + len(indents) + inline


def _brackets(front: str) -> int:
    depth = deepest = 0
    for character in front:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth = max(0, depth - 1)
    return deepest
