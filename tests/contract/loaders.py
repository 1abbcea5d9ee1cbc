"""A program that loads folders and ids as people do, each job apart, and says what came out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

IDS = [[5, 17, 42, 23, 9, 31, 60], [11, 8, 55, 3, 27, 44, 2]]
TEXTS = ["abba is here", "a longer text about a harbour"]

# `by` names a loader; `where` is a folder or an id, `base` what an adapter is put on.
Job = Mapping[str, str]


def _forward(model: Any) -> Any:
    import torch

    ids = torch.tensor(IDS)
    with torch.no_grad():
        found = model.eval().float()(input_ids=ids, attention_mask=torch.ones_like(ids))
    return found if isinstance(found, torch.Tensor) else found[0]


def _auto(name: str, where: str) -> Any:
    import transformers

    return getattr(transformers, name).from_pretrained(where)


def _onto(name: str, where: str, base: str) -> Any:
    import peft

    return _forward(peft.PeftModel.from_pretrained(_auto(name, base), where))


def _auto_peft(name: str, where: str) -> Any:
    import peft

    return _forward(getattr(peft, name).from_pretrained(where))


def _sentence(where: str) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer

    return torch.tensor(SentenceTransformer(where, device="cpu").encode(TEXTS))


def _engine(name: str, where: str) -> Any:
    return getattr(import_module("colpali_engine.models"), name).from_pretrained(where)


def _engine_onto(name: str, where: str, base: str) -> Any:
    import peft

    return _forward(peft.PeftModel.from_pretrained(_engine(name, base), where))


KINDS: Mapping[str, Callable[[str, Job], Any]] = {
    "auto": lambda name, job: _forward(_auto(name, job["where"])),
    "onto": lambda name, job: _onto(name, job["where"], job["base"]),
    "auto-peft": lambda name, job: _auto_peft(name, job["where"]),
    "sentence": lambda _, job: _sentence(job["where"]),
    "engine": lambda name, job: _forward(_engine(name, job["where"])),
    "engine-onto": lambda name, job: _engine_onto(name, job["where"], job["base"]),
}


def _done(job: Job) -> list[float] | str:
    kind, _, name = job["by"].partition(":")
    try:
        values: list[float] = KINDS[kind](name, job).flatten().tolist()
    # Whatever a loader stops with is what is asked for.
    except Exception as e:
        return f"{type(e).__name__}: {e}"
    return values


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    jobs = json.load(sys.stdin)
    json.dump({name: _done(job) for name, job in jobs.items()}, sys.stdout)
