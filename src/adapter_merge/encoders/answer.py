"""The child's words as values; its arrays have no objects, so nothing of it is run here."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from typing import Any

from adapter_merge.encoders.inputs import Inputs
from adapter_merge.encoders.job import Place
from adapter_merge.probed import NotRun, PlainLoad, Probed, Ran, Side

_KEPT = 300


def read_answer(place: Place, inputs: Inputs, *, code: int) -> Probed:
    """What the child found on its inputs; `code` is what it ended with."""
    try:
        answer = json.loads(place.answer.read_bytes())
    except (OSError, ValueError):
        return NotRun(needs=f"a child that lives: it ended with {code}, {_end(place)}")
    if "unloadable" in answer:
        why = answer["unloadable"]
        return NotRun(needs=f"a reference, and PEFT loads none: {why}", unloadable=why)
    if "broken" in answer:
        return NotRun(needs=f"a reference, and none can be built: {answer['broken']}")
    if "lacking" in answer:
        return NotRun(needs=f"a library that isn't there: {answer['lacking']}")
    if "memory" in answer:
        return NotRun(needs="more memory than there was for it")
    return _ran(answer, place, inputs)


def _ran(answer: Mapping[str, Any], place: Place, inputs: Inputs) -> Probed:
    import numpy as np

    from adapter_merge.encoders.compare import compare, towers
    from adapter_merge.encoders.retrieval import retrieval
    from adapter_merge.encoders.rows import unpack

    try:
        with np.load(place.arrays, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        names = {name.split("|")[0] for name in arrays}
        states = {state: unpack(arrays, state) for state in names}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as e:
        return NotRun(needs=f"numbers, and the child's can't be read: {e}")
    ran = answer["merged"] is not None
    distances, misfits = compare(states) if ran else ((), {})
    return Ran(
        reference=_side(answer["reference"]),
        merged=_side(answer["merged"]) if ran else None,
        distances=distances,
        misfits=misfits,
        towers=towers(states),
        retrieval=retrieval(states, inputs) if ran else (),
        unreached=tuple(answer["unreached"]),
        plain=tuple(_plain(p) for p in answer["plain"]),
        seconds={k: round(v, 2) for k, v in answer["seconds"].items()},
        peak_rss_bytes=answer["peak"],
        trouble=answer["trouble"],
    )


def _end(place: Place) -> str:
    text = place.log.read_bytes()[-4096:].decode(errors="replace").strip()
    return f"`{text.splitlines()[-1][:_KEPT]}`" if text else "and said nothing"


def _side(read: Mapping[str, Any]) -> Side:
    return Side(kind=read["kind"], facts=read["facts"], unfilled=tuple(read["unfilled"]))


def _plain(read: Mapping[str, Any]) -> PlainLoad:
    lists = {k: tuple(read[k]) for k in ("missing", "unexpected")}
    return PlainLoad(
        adapter=read["adapter"], tensors=read["tensors"], refusal=read["refusal"], **lists
    )
