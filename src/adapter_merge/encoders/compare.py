"""From the arrays of four states to distances: which groups can be compared, and how scores follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from adapter_merge.encoders import measures
from adapter_merge.encoders.job import STATES
from adapter_merge.encoders.retrieval import Search, agreement, searches
from adapter_merge.encoders.rows import Floats, Outputs, Rows
from adapter_merge.probed import SCORES, Distance, Shape


@np.errstate(all="ignore")  # what isn't finite is for the checks to say
def compare(
    states: Mapping[str, Outputs],
) -> tuple[tuple[Distance, ...], Mapping[str, tuple[Shape | None, Shape | None]]]:
    """All distances, and the groups whose shapes differ (reference, merged)."""
    reference, merged = states["reference"], states["merged"]
    groups = sorted(reference.keys() | merged.keys())
    shapes = {g: (_shape(reference.get(g)), _shape(merged.get(g))) for g in groups}
    misfits = {g: pair for g, pair in shapes.items() if pair[0] != pair[1]}
    fitting = [g for g in groups if g not in misfits]
    found = [measures.distance(g, {s: states[s][g] for s in STATES}) for g in fitting]
    found += [_ranked(states, search) for search in searches(frozenset(fitting))]
    return tuple(found), misfits


@np.errstate(all="ignore")
def towers(states: Mapping[str, Outputs]) -> Mapping[str, float]:
    """For each `without:TOWER` state, how far outputs move that the tower reaches, the most moved group."""
    reference = states["reference"]
    return {
        state.removeprefix("without:"): float(
            np.max([_moved(reference[g].values, r.values) for g, r in outputs.items()])
        )
        for state, outputs in states.items()
        if state.startswith("without:")
    }


def _moved(reference: Floats, without: Floats) -> float:
    return measures.length(without, reference) / max(measures.length(reference), measures.TINY)


def _shape(rows: Rows | None) -> Shape | None:
    if rows is None:
        return None
    return Shape(counts=tuple(map(int, rows.counts)), width=int(rows.values.shape[1]))


def _ranked(states: Mapping[str, Outputs], search: Search) -> Distance:
    tables = {s: search.table(states[s]) for s in STATES}
    rows = {s: Rows.single(np.ascontiguousarray(t)) for s, t in tables.items()}
    plain = measures.distance(f"{SCORES}{search.documents}", rows)
    return replace(plain, top=agreement(tables["merged"], tables["reference"]))
