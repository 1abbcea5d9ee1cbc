"""What models are run on, and one's own file of it, which is a stranger's as long as it isn't parsed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from adapter_merge.errors import RequestError
from adapter_merge.figures import middle

_MOST = 256  # of each kind: they are run in one batch
_LARGEST = 4_000_000  # bytes of the file
_HINT = 'Write JSON or YAML: `{"texts": ["..."], "queries": ["..."], "images": ["page.png"]}`.'
_SHOWN = 80  # characters of a text in a message

# The place of a query, and that of something that it should find.
Pairs: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """Texts, questions, and pages: files of one's own, or drawn ones where `draw` says so.

    `relevant`: `text` or `page` -> which of them each query should find; empty where nobody said.
    """

    texts: tuple[str, ...]
    queries: tuple[str, ...]
    pages: tuple[str, ...] = ()
    draw: bool = False
    relevant: Mapping[str, Pairs] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnInputs:
    """What a file gives; of a kind that it leaves empty ours are taken. `relevant`: see `Inputs`."""

    texts: tuple[str, ...]
    queries: tuple[str, ...]
    images: tuple[str, ...]
    relevant: Mapping[str, Pairs] = field(default_factory=dict)


_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100_000)]
_Texts = Annotated[list[_Text], Field(default_factory=list, max_length=_MOST)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    texts: _Texts
    queries: _Texts
    images: _Texts
    relevant: dict[_Text, Annotated[list[_Text], Field(min_length=1, max_length=_MOST)]] = {}


def read_inputs(path: Path) -> OwnInputs:
    """One's own inputs: JSON or YAML with `texts`, `queries` and `images`, paths from the file's folder.

    `relevant` has queries, and for each the texts and images that it should find, as they stand in the others.

    Raises:
        RequestError: it can't be read, holds something else or nothing, an image isn't there, or something
            relevant isn't in it.
    """
    read = _parsed(path)
    if not (read.texts or read.queries or read.images):
        raise RequestError(f"`{path}` holds no inputs", hint=_HINT)
    home = path.expanduser().resolve().parent
    images = [home / image for image in read.images]
    absent = [name for name, found in zip(read.images, images, strict=True) if not found.is_file()]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise RequestError(
            f"`{path}` names the image `{absent[0]}`{more}, which isn't there",
            hint=f"Paths count from `{home}`, where the file lies.",
        )
    return OwnInputs(
        texts=tuple(read.texts),
        queries=tuple(read.queries),
        images=tuple(map(str, images)),
        relevant=_relevant(read, path),
    )


def _relevant(read: _File, path: Path) -> Mapping[str, Pairs]:
    answers = [a for found in read.relevant.values() for a in found]
    for what, names, where in (
        ("the query", read.relevant, {"queries": read.queries}),
        ("what a query should find:", answers, {"texts": read.texts, "images": read.images}),
    ):
        known = {text for texts in where.values() for text in texts}
        absent = next((name for name in names if name not in known), None)
        if absent is not None:
            places = " or ".join(f"`{place}`" for place in where)
            raise RequestError(
                f"`relevant` of `{path}` names {what} `{middle(absent, _SHOWN)}`, which isn't among its {places}",
                hint="Write queries, texts and images in `relevant` as they stand in their own lists.",
            )
    kinds = {"text": read.texts, "page": read.images}
    pairs = {k: placed_pairs(read.relevant, read.queries, found) for k, found in kinds.items()}
    return {kind: found for kind, found in pairs.items() if found}


def placed_pairs(
    relevant: Mapping[str, Iterable[str]], queries: Sequence[str], found: Sequence[str]
) -> Pairs:
    """By places: the same query, text or page may stand in several."""
    return tuple(
        (q, f)
        for q, query in enumerate(queries)
        for f, name in enumerate(found)
        if name in relevant.get(query, ())
    )


def _parsed(path: Path) -> _File:
    try:
        data = path.expanduser().read_bytes()
        if len(data) > _LARGEST:
            raise RequestError(
                f"`{path}` has {len(data):,} bytes, more than the {_LARGEST:,} of a file with inputs",
                hint="Some texts and pages are enough: name another file with `--probes`.",
            )
        read = json.loads(data) if path.suffix == ".json" else yaml.safe_load(data)
        return _File.model_validate(read)
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = f"`{where}`: {first['msg']}" if where else str(first["msg"])
        raise RequestError(f"`{path}` isn't a file with inputs: {what}", hint=_HINT) from e
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as e:
        why = e.strerror if isinstance(e, OSError) else str(e).splitlines()[0]
        raise RequestError(f"no inputs can be read from `{path}`: {why}", hint=_HINT) from e
