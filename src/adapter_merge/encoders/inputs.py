"""What models are run on, and one's own file of it, which is a stranger's as long as it isn't parsed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from adapter_merge.errors import RequestError

_MOST = 256  # of each kind: they are run in one batch
_LARGEST = 4_000_000  # bytes of the file
_HINT = 'Write JSON or YAML: `{"texts": ["..."], "queries": ["..."], "images": ["page.png"]}`.'


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """Texts, questions, and pages: files of one's own, or drawn ones where `draw` says so."""

    texts: tuple[str, ...]
    queries: tuple[str, ...]
    pages: tuple[str, ...] = ()
    draw: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnInputs:
    """What a file gives; of a kind that it leaves empty ours are taken."""

    texts: tuple[str, ...]
    queries: tuple[str, ...]
    images: tuple[str, ...]


_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100_000)]
_Texts = Annotated[list[_Text], Field(default_factory=list, max_length=_MOST)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    texts: _Texts
    queries: _Texts
    images: _Texts


def read_inputs(path: Path) -> OwnInputs:
    """One's own inputs: JSON or YAML with `texts`, `queries` and `images`, paths from the file's folder.

    Raises:
        RequestError: it can't be read, holds something else or nothing, or an image isn't there.
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
    texts, queries = tuple(read.texts), tuple(read.queries)
    return OwnInputs(texts=texts, queries=queries, images=tuple(map(str, images)))


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
