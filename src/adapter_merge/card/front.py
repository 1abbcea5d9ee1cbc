"""The card's metadata as text: our keys written anew, everything else left as it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

import yaml

from adapter_merge.card.keys import BESIDE, OURS, tags
from adapter_merge.readme import Readme

_KEY = re.compile(r"([A-Za-z_][\w-]*)[ \t]*:(?:[ \t]|$)")
# These three say one thing: where one is ours, what stands in the others is old.
_LICENCE = ("license", "license_name", "license_link")


def front(keys: Mapping[str, object], standing: Readme | None) -> str:
    """YAML text, without its lines of dashes.

    Args:
        keys: ours, and on a first run those that are carried.
        standing: the card that stands there; its tags are kept beside ours, its comments and further keys as
            they are written. Where it can't be parsed all of it stays, as nobody can tell what is ours.
    """
    if standing is not None and standing.trouble is not None:
        return f"{standing.front}\n"
    before = standing.metadata if standing is not None else {}
    wanted = dict(keys)
    if standing is not None and "tags" in wanted:
        every = [*standing.texts("tags"), *_texts(wanted["tags"])]
        wanted["tags"] = tags(every, bundled=wanted.get("base_model_relation") == BESIDE)
    stale = {k for k in _LICENCE if "license" in wanted and k not in wanted}
    chunks = _chunks(standing.front, before) if standing is not None else {}
    merged = {k: chunk for k, chunk in chunks.items() if k not in stale}
    for key, value in wanted.items():
        if key not in merged or before.get(key) != value:
            merged[key] = _notes(merged.get(key, "")) + _dump({key: value})
    first = [k for k in OURS if k in merged and k not in chunks]
    return "".join(merged[k] for k in [*first, *(k for k in merged if k not in first)])


def _notes(chunk: str) -> str:
    """The comments before a key."""
    return "".join(f"{line}\n" for line in takewhile(_is_comment, chunk.split("\n")))


def _is_comment(line: str) -> bool:
    return line.startswith("#")


def _texts(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else []


def _chunks(text: str, metadata: Mapping[str, Any]) -> dict[str, str]:
    """The text of each key with what follows it; all of it written anew where lines don't tell the keys apart."""
    found: dict[str, str] = {}
    key = notes = ""
    for line in text.split("\n"):
        match = _KEY.match(line)
        if match is None and _is_comment(line):
            notes += f"{line}\n"  # it speaks of what follows
            continue
        key = match[1] if match is not None else key
        found[key] = f"{found.get(key, '')}{notes}{line}\n"
        notes = ""
    if found.keys() == metadata.keys():
        return {**found, key: found[key] + notes} if found else {}
    return {k: _dump({k: value}) for k, value in metadata.items()}


def _dump(value: Mapping[str, object]) -> str:
    return yaml.dump(dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


class _Dumper(yaml.SafeDumper):
    """Without references, which other readers of YAML may not know."""

    def ignore_aliases(self, data: object) -> bool:
        return True
