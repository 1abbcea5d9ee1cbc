"""What the Hub reads out of a repository's files: the card's metadata, the model's config, its weights."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

_FRONT = re.compile(r"\s*---[ \t]*\r?\n(?P<yaml>.*?)\r?\n---", re.DOTALL)
_MOST = 25 << 20  # bytes of a header that the Hub reads
_MOST_VALUES = 100_000
_OF_CONFIG = ("model_type", "architectures", "quantization_config")


def front(text: str) -> dict[str, Any] | None:
    """The metadata of a card; None where it has none.

    Raises:
        ValueError: it is no YAML, or no mapping.
    """
    found = _FRONT.match(text)
    if found is None:
        return None
    try:
        values = yaml.safe_load(found["yaml"]) or {}
    except yaml.YAMLError as e:
        raise ValueError(f"YAML parse error: {e}") from e
    if not isinstance(values, dict):
        raise ValueError("the metadata is not a mapping")  # noqa: TRY004 - all that is wrong is one error
    if not _is_bounded(values):
        raise ValueError("the metadata has too many values")
    return values


def _is_bounded(value: object) -> bool:
    """Whether it isn't endless once its aliases are written out."""
    seen, level = 0, [value]
    while level and seen <= _MOST_VALUES:
        seen += len(level)
        level = [inner for outer in level for inner in _inside(outer)]
    return not level


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def faults(values: Mapping[str, Any]) -> Iterator[str]:
    """What the Hub wouldn't take of a card's metadata."""
    for key in ("license", "base_model"):
        if key in values and not isinstance(values[key], (str, list)):
            yield f'"{key}" must be a string or a list of strings'


def bases(card: Mapping[str, Any]) -> list[str]:
    """The bases that a card names."""
    named = card.get("base_model")
    return [named] if isinstance(named, str) else _words(named)


def tags(card: Mapping[str, Any]) -> list[str]:
    """The tags of a repository, those that the Hub makes of its card among them."""
    found = _words(card.get("tags"))
    if card.get("license"):
        found.append(f"license:{card['license']}")
    for base in bases(card):
        found.append(f"base_model:{base}")
        if card.get("base_model_relation"):
            found.append(f"base_model:{card['base_model_relation']}:{base}")
    return found


def _words(value: object) -> list[str]:
    """What a card lists; anything else that people write there is nothing."""
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def config(text: bytes) -> dict[str, Any] | None:
    """What the Hub shows of a `config.json`."""
    try:
        values = json.loads(text)
    except ValueError:
        return None
    return {key: values[key] for key in _OF_CONFIG if key in values}


def parameters(paths: list[Path]) -> dict[str, int]:
    """How many numbers of each dtype the safetensors files hold, by their headers."""
    found: Counter[str] = Counter()
    for path in paths:
        # A file that is none is no reason to show nothing of the repository.
        with suppress(AttributeError, KeyError, TypeError, ValueError):
            found.update(_counted(path))
    return dict(found)


def _counted(path: Path) -> Counter[str]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(size)) if size <= _MOST else {}
    found: Counter[str] = Counter()
    for name, tensor in header.items():
        if name != "__metadata__":
            found[tensor["dtype"]] += math.prod(tensor["shape"])
    return found
