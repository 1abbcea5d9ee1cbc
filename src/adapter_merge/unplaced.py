"""A receipt for others: folders by their names, without what leads to them on the machine that merged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapter_merge.receipt import Receipt, SourceRecord
from adapter_merge.request import RepoRef


def unplaced(receipt: Receipt) -> Receipt:
    """The same receipt, in which no folder of a source has more than its last part, wherever it is spelled."""
    records = (receipt.base, *receipt.adapters)
    shorter = {old: new for r in records if r.commit is None for old, new in _spellings(r.source)}
    longest_first = dict(sorted(shorter.items(), key=lambda pair: -len(pair[0])))
    told = Receipt.model_validate(_walked(receipt.model_dump(mode="json"), longest_first))
    adapters = tuple(_named(record) for record in told.adapters)
    return told.model_copy(update={"base": _named(told.base), "adapters": adapters})


def _named(record: SourceRecord) -> SourceRecord:
    ref = RepoRef.model_validate(record.source)
    named = record.source if ref.folder is None else f"./{ref.name}"
    return record.model_copy(update={"source": named})


def _spellings(source: str) -> list[tuple[str, str]]:
    """How a folder may be spelled -> how it is spelled for others; none of an id."""
    ref = RepoRef.model_validate(source)
    if ref.folder is None:
        return []
    name = f"./{ref.name}"
    whole = str(ref.folder.expanduser().absolute())
    real = str(ref.folder.expanduser().resolve())
    # `.` and `..` are spelled in many a sentence that means no folder.
    written = [source] if len(Path(source).parts) > 1 else []
    return [(text.rstrip("/"), name) for text in (whole, real, *written) if text.strip("/.")]


def _walked(value: Any, shorter: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for old, new in shorter.items():
            value = value.replace(old, new)
        return value
    if isinstance(value, dict):
        return {_walked(k, shorter): _walked(v, shorter) for k, v in value.items()}
    if isinstance(value, list):
        return [_walked(v, shorter) for v in value]
    return value
