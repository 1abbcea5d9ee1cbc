"""What the rules about other programs ask for, as plain facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from adapter_merge.checks.seen import Seen
from adapter_merge.checks.side import CONFIG


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """One folder, as the rules see it.

    Attributes:
        files: paths of all files.
        tensors: names of all tensors.
        contents: path -> JSON object, of the small files that rules ask for and that can be read.
        modules: types in `modules.json`.
        bundled: an adapter lies beside the base's weights on purpose.
    """

    files: AbstractSet[str]
    tensors: AbstractSet[str]
    contents: Mapping[str, Mapping[str, Any]]
    modules: tuple[str, ...]
    bundled: bool

    @property
    def config(self) -> Mapping[str, Any]:
        """`config.json`; empty where it can't be read."""
        return self.contents.get(CONFIG, {})

    @property
    def architectures(self) -> tuple[str, ...]:
        """The classes that `config.json` names."""
        return _strings(self.config.get("architectures"))

    @property
    def text_architectures(self) -> tuple[str, ...]:
        """Those of the text model, where it has some of its own."""
        text = self.config.get("text_config")
        own = _strings(text.get("architectures")) if isinstance(text, dict) else ()
        return own or self.architectures

    @property
    def levels(self) -> Iterator[Mapping[str, Any]]:
        """`config.json` and every config nested in it."""
        yield from _levels(self.config)

    def value(self, path: str, key: str) -> object:
        """The value of a key such as `quantization_config.quant_method`; None where there is none."""
        found: object = self.contents.get(path)
        for part in key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found


def facts_of(seen: Seen) -> Facts:
    """The facts of a folder that was looked at."""
    return Facts(
        files=seen.files.keys(),
        tensors=seen.names,
        contents=seen.side.contents,
        modules=seen.side.module_types,
        bundled=seen.is_bundle,
    )


def _strings(value: object) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def _levels(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Without recursion: a stranger's file may nest deeper than the stack."""
    waiting = [config]
    while waiting:
        level = waiting.pop()
        yield level
        waiting += [value for value in level.values() if isinstance(value, dict)]
