"""docs/converters.json against a sample of the classes that it was made from, and the registry of transformers."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parent.parent.parent / "docs"
DATA: Mapping[str, Any] = json.loads((DOCS / "converters.json").read_text())
# Classes that rebuild nothing, and the two whose names mean other tensors.
_OTHERS = ["LlamaForCausalLM", "GPT2LMHeadModel", "T5ForConditionalGeneration", "PixioBackbone"]

pytestmark = pytest.mark.skipif(
    version("transformers") != DATA["transformers"],
    reason=f"the file is of transformers {DATA['transformers']}: `make docs-converters`",
)


@pytest.fixture(scope="module")
def converters() -> Iterator[Any]:
    """The script, as a module."""
    sys.path.insert(0, str(DOCS))
    try:
        import converters

        yield converters
    finally:
        sys.path.remove(str(DOCS))


def said(data: Mapping[str, Any], name: str) -> set[tuple[str, str, str]]:
    """What the file says that a class rebuilds, and what becomes of it."""
    rows = (row for row in data["rebuilt"] if name in row["classes"])
    return {(row["by"], row["live"], row["saved"]) for row in rows}


def faults(converters: Any, data: Mapping[str, Any], name: str) -> list[str]:
    """Where a class differs from what the file says of it."""
    kind = converters.classes()[name]
    found = converters.facts(converters.tiny(kind))
    model_type = kind.config_class.model_type
    tensors = {t for row in data["rebuilt"] if name in row["classes"] for t in row["tensors"]}
    wrong = {
        "rebuilt": {(r.by, r.live, r.saved) for r in found.rebuilt} != said(data, name),
        "tensors": not {r.tensor for r in found.rebuilt} <= tensors,
        "moved": not found.moved <= set(data["moved"].get(model_type, ())),
        "plain": found.plain and model_type not in data["plain"],
        "shared": not found.shared
        <= {tuple(group) for group in data["shared"].get(model_type, ())},
    }
    return [part for part, differs in wrong.items() if differs]


def sample() -> list[str]:
    """The first and the last class of each row."""
    ends = (row["classes"][at] for row in DATA["rebuilt"] for at in (0, -1))
    return sorted({*ends, *_OTHERS})


@pytest.mark.slow
def test_a_sample_of_classes_says_what_the_file_says(converters: Any) -> None:
    wrong = {name: faults(converters, DATA, name) for name in sample()}
    assert {name: parts for name, parts in wrong.items() if parts} == {}


@pytest.mark.parametrize("part", ["by", "live", "saved"])
def test_another_fate_would_be_seen(converters: Any, part: str) -> None:
    data = copy.deepcopy(dict(DATA))
    for row in data["rebuilt"]:
        row[part] = "of another release"
    assert faults(converters, data, "NomicBertModel") == ["rebuilt"]


def test_names_that_moved_would_be_seen(converters: Any) -> None:
    assert faults(converters, {**DATA, "moved": {}}, "PixioBackbone") == ["moved"]


def test_weights_that_modules_share_would_be_seen(converters: Any) -> None:
    assert faults(converters, DATA, "CTRLLMHeadModel") == []
    assert faults(converters, {**DATA, "shared": {}}, "CTRLLMHeadModel") == ["shared"]


def test_every_rule_of_the_registry_was_seen_or_is_listed(converters: Any) -> None:
    seen = {(r["by"], n) for r in DATA["rebuilt"] for n in (*r["types"], *r["classes"])}
    unseen = {(by, name) for by, names in DATA["unseen"].items() for name in names}
    assert converters.registered() == (converters.registered() & seen) | unseen
    assert not seen & unseen


def test_every_class_was_tried(converters: Any) -> None:
    known = converters.classes()
    assert len(known) == DATA["tried"]
    assert DATA["failed"].keys() < known.keys()
    assert all(isinstance(converters.tiny(known[n]), str) for n in list(DATA["failed"])[:8])
