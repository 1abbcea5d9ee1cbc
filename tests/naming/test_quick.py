"""The tables of names that join without a class, against the installed transformers."""

from __future__ import annotations

import re

import pytest

from adapter_merge.errors import MissingTarget
from adapter_merge.naming import resolve
from adapter_merge.naming.quick import MOVED, PREFIXES
from tests.naming.test_resolve import checkpoint, need

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
    # That of `pixio` is a renaming, which the next test asks its class for.
    assert {kind for kind, _ in moved} == set(MOVED) - {"pixio"}
    assert all(re.fullmatch(MOVED[kind], target) for kind, target in moved)


def test_a_renaming_takes_a_live_name() -> None:
    from adapter_merge.skeleton import Skeleton, skeleton_of

    config = {"model_type": "pixio", "architectures": ["PixioBackbone"], "num_hidden_layers": 1}
    skeleton = skeleton_of(config, ())
    assert isinstance(skeleton, Skeleton)
    own = (n for n in skeleton.shapes if not n.startswith("pixio."))
    live = [n for n in own if skeleton.place(n).live != (n,)]
    assert live
    assert all(re.search(MOVED["pixio"], n) for n in live)


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
