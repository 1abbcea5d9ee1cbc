"""The tables of names that join without a class, against the installed transformers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from adapter_merge.errors import MissingTarget
from adapter_merge.naming import resolve
from adapter_merge.naming.quick import MOVED, PREFIXES
from tests.naming.test_resolve import checkpoint, need

# What each class said when it was tried; tests/docs holds it against a sample of them.
_CLASSES = Path(__file__).parents[2] / "docs" / "converters.json"
_EXPERTS = "model.language_model.layers.0.mlp.experts.down_proj"


def test_every_type_whose_converter_takes_a_live_name_is_in_the_table() -> None:
    from transformers import conversion_mapping
    from transformers.core_model_loading import WeightConverter

    moved = {
        (kind, target)
        for kind, rules in conversion_mapping._build_checkpoint_conversion_mapping().items()
        for rule in rules
        if isinstance(rule, WeightConverter)
        for target in rule.target_patterns
        if rule.compiled_sources.search("a.0." + target.lstrip("."))
    }
    # That of `pixio` is a renaming, which only its class shows.
    assert {kind for kind, _ in moved} == set(MOVED) - {"pixio"}
    assert all(re.fullmatch(MOVED[kind], target) for kind, target in moved)


def test_the_table_is_what_every_class_of_transformers_says() -> None:
    moved: dict[str, list[str]] = json.loads(_CLASSES.read_text())["moved"]
    assert moved.keys() == MOVED.keys()
    for kind, names in moved.items():
        assert all(re.search(MOVED[kind], name) for name in names)


@pytest.mark.parametrize("kind", sorted(PREFIXES))
def test_prefixes_are_those_of_the_classes(kind: str) -> None:
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    assert getattr(transformers, MODEL_MAPPING_NAMES[kind]).base_model_prefix == PREFIXES[kind]


@pytest.mark.parametrize(
    "config",
    [{"model_type": "qwen3_vl_moe"}, {"model_type": "x", "inner": {"model_type": "qwen3_vl_moe"}}],
)
def test_a_moved_name_is_not_taken_as_it_is(config: dict[str, object]) -> None:
    base = checkpoint([_EXPERTS])
    assert resolve([need(_EXPERTS)], base, {"model_type": "x"}, label="a").targets
    with pytest.raises(MissingTarget, match="same: 0 of 1"):
        resolve([need(_EXPERTS)], base, {**config, "auto_map": {"AutoModel": "x"}}, label="a")
