"""What the files beside the weights say: config, modules, tokenizer; facts, no judgement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from adapter_merge.errors import Corrupt, SourceError
from adapter_merge.folder import parse_json, read_bytes, read_json, writes_nothing

CONFIG, MODULES, TOKENIZER = "config.json", "modules.json", "tokenizer.json"
# Small files that say how other programs load the folder.
_READ_BY_OTHERS = (
    "tokenizer_config.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
)

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class SideLook:
    """What was read from the side files.

    Attributes:
        config: `config.json`; None where it can't be read.
        modules: folders that `modules.json` names and that must hold files.
        module_types: the classes that it names.
        contents: path -> JSON object, of `config.json` and of the small files that other programs read.
        largest_token: the largest id in `tokenizer.json`; None without that file.
        troubles: file -> why it can't be read.
    """

    config: Mapping[str, Any] | None
    modules: tuple[str, ...]
    module_types: tuple[str, ...]
    contents: Mapping[str, Mapping[str, Any]]
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

    config = attempt(CONFIG, partial(read_json, path=CONFIG), None)
    no_modules: tuple[tuple[str, str], ...] = ()
    entries = attempt(MODULES, _modules, no_modules)
    others = {p: attempt(p, partial(read_json, path=p), None) for p in _READ_BY_OTHERS}
    return SideLook(
        config=config,
        modules=tuple(p for p, kind in entries if p and not writes_nothing(kind)),
        module_types=tuple(kind for _, kind in entries),
        contents={p: c for p, c in {CONFIG: config, **others}.items() if c is not None},
        largest_token=attempt(TOKENIZER, _largest_token, None),
        troubles=troubles,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _modules(folder: Path) -> tuple[tuple[str, str], ...]:
    """Folder and class of each module."""
    try:
        entries = parse_json(read_bytes(folder, MODULES), name=f"`{MODULES}` in `{folder}`")
        return tuple((_text(entry["path"]), _text(entry["type"])) for entry in entries)
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
