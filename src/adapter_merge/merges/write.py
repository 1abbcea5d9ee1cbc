"""One entry as a merges.yaml of its own, which says all that the entry means."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from adapter_merge.merges.spec import kebab
from adapter_merge.merges.wanted import Wanted
from adapter_merge.request import AdapterRef, RepoRef

# Fields of a request that have no key of their own.
_BESIDE = frozenset({"adapters", "base_rule"})


def written(wanted: Wanted) -> str:
    """The text of a file with this entry alone; read again it gives an equal one.

    What was left out stays left out, so that it still means what it does by default.
    """
    asked, terms = wanted.request, wanted.terms
    entry: dict[str, Any] = {"adapter": [_adapter(a) for a in asked.adapters]}
    for values in (asked, terms):
        said = (f for f in type(values).model_fields if f in values.model_fields_set)
        entry.update({kebab(f): _plain(getattr(values, f)) for f in said if f not in _BESIDE})
    if asked.base_rule.place == "watch":
        entry["from-watch"] = True
    if wanted.supersedes is not None:
        entry["supersedes"] = wanted.supersedes
    bases = {pattern: ref.text for pattern, ref in wanted.bases.items()}
    file = {**({"bases": bases} if bases else {}), "merges": [entry]}
    return yaml.dump(file, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000)


class _Dumper(yaml.SafeDumper):
    """Writes each value out: what repeats is no reference, which merges.yaml doesn't know."""

    def ignore_aliases(self, data: object) -> bool:
        """Whether a value is written again where it stands twice."""
        return True


def _adapter(asked: AdapterRef) -> str:
    # Behind the last `=` of a text stands its weight.
    plain = asked.weight == 1 and "=" not in asked.ref.text
    return asked.ref.text if plain else f"{asked.ref.text}={asked.weight!r}"


def _plain(value: object) -> object:
    match value:
        case RepoRef():
            return value.text
        case Path():
            return str(value)
        case timedelta():
            return f"{value.total_seconds():f}s"
        case tuple():
            return list(value)
    return value
