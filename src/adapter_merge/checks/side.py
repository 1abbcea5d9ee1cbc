"""What the files beside the weights say: config, modules, tokenizer; facts, no judgement."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from adapter_merge.errors import Corrupt, SourceError
from adapter_merge.folder import read_bytes, read_json

CONFIG, MODULES, TOKENIZER = "config.json", "modules.json", "tokenizer.json"

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class SideLook:
    """What was read from the side files.

    Attributes:
        config: `config.json`; None where it can't be read.
        modules: folders that `modules.json` names and that must hold files; a Normalize module has
            none.
        largest_token: the largest id in `tokenizer.json`; None without that file.
        troubles: file -> why it can't be read.
    """

    config: Mapping[str, Any] | None
    modules: tuple[str, ...]
    largest_token: int | None
    troubles: Mapping[str, SourceError]


def look_beside(folder: Path, files: Mapping[str, int]) -> SideLook:
    """Read the side files of a model's folder; a file that can't be read is a trouble, not an error."""
    troubles: dict[str, SourceError] = {}

    def attempt(path: str, read: Callable[[Path], _T], otherwise: _T) -> _T:
        if path not in files and path != CONFIG:
            return otherwise
        try:
            return read(folder)
        except SourceError as e:
            troubles[path] = e
            return otherwise

    return SideLook(
        config=attempt(CONFIG, _config, None),
        modules=attempt(MODULES, _modules, ()),
        largest_token=attempt(TOKENIZER, _largest_token, None),
        troubles=troubles,
    )


def _config(folder: Path) -> Mapping[str, Any] | None:
    return read_json(folder, CONFIG)


def _modules(folder: Path) -> tuple[str, ...]:
    try:
        entries = json.loads(read_bytes(folder, MODULES))
        pairs = [(entry["path"], entry["type"]) for entry in entries]
        return tuple(path for path, kind in pairs if path and not kind.endswith("Normalize"))
    except (ValueError, TypeError, KeyError, AttributeError) as e:
        raise Corrupt(
            f"`{MODULES}` in `{folder}` is not a list of modules with `path` and `type`",
            hint="Take the file from the base model again.",
        ) from e


def _largest_token(folder: Path) -> int | None:
    tokenizer = read_json(folder, TOKENIZER)
    try:
        vocabulary = (tokenizer.get("model") or {}).get("vocab") or ()
        ids = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
        added = [token["id"] for token in tokenizer.get("added_tokens") or ()]
        return max([*ids, *added], default=None)
    except (TypeError, KeyError, AttributeError) as e:
        raise Corrupt(
            f"`{TOKENIZER}` has no vocabulary that can be read",
            hint="Take the file from the base model again.",
        ) from e
