"""The advice of an error about names fits its cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.errors import AdapterKind, AdapterMergeError, MissingTarget, ShapeMismatch
from adapter_merge.naming import resolve
from adapter_merge.plan import Need
from tests.naming.test_resolve import checkpoint, need

_LLAMA: Mapping[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 12,
}
_FILE = {
    "model.embed_tokens.weight": (12, 8),
    **{f"model.layers.{n}.self_attn.q_proj.weight": (8, 8) for n in range(2)},
}
Q = "model.layers.0.self_attn.q_proj.weight"


def error_of(
    names: Sequence[str], *, shape: tuple[int, ...] = (8, 8), **config: Any
) -> AdapterMergeError:
    needs: list[Need] = [need(n, shape) for n in names]
    base: Checkpoint = checkpoint(_FILE)
    with pytest.raises(AdapterMergeError) as caught:
        resolve(needs, base, {**_LLAMA, **config}, label="./adapter")
    return caught.value


@pytest.mark.parametrize(
    ("names", "wrapper"),
    [
        ([f"module.{Q}"], "module"),
        ([Q.replace("self_attn.", "self_attn._orig_mod.")], "_orig_mod"),
        ([f"policy.actor.{Q}"], "policy.actor"),
        ([f"llm.{Q}", f"llm.{Q.replace('0', '1')}"], "llm"),
    ],
)
def test_a_wrapper_is_named(names: list[str], wrapper: str) -> None:
    error = error_of(names)
    assert isinstance(error, MissingTarget)
    assert f"Remove `{wrapper}.` from the names" in error.hint


@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({"auto_map": {"AutoModel": "m.M"}}, "never executed"),
        ({"model_type": "of_next_year"}, "Update transformers"),
        ({"num_attention_heads": "two"}, "Repair `config.json`"),
        ({"num_hidden_layers": 10_000_000}, "number of layers"),
        ({"model_type": None}, "Add `model_type`"),
    ],
)
def test_a_class_that_was_not_asked_is_explained(config: dict[str, Any], part: str) -> None:
    error = error_of(["model.gone.weight"], **config)
    assert "not asked: the model's class" in error.message
    assert part in error.hint
    assert "name another base with `--base`" in error.hint


def test_a_resized_vocabulary_is_named() -> None:
    needs = [need("model.embed_tokens.weight", (14, 8))]
    with pytest.raises(ShapeMismatch) as caught:
        resolve(needs, checkpoint(_FILE), _LLAMA, label="./adapter")
    assert "12 rows" in caught.value.hint
    assert "save_embedding_layers=True" in caught.value.hint


def test_a_head_that_the_base_lacks_is_named() -> None:
    error = error_of([Q, "lm_head.weight"], architectures=["LlamaModel"])
    assert "no such embedding or head" in error.hint


def test_layers_that_the_base_lacks_are_counted() -> None:
    error = error_of([Q, Q.replace("0", "7")])
    assert "layers up to 7, the base up to 1" in error.hint


def test_any_other_name_is_of_another_base() -> None:
    error = error_of([Q, "model.layers.0.self_attn.w_qk.weight"])
    assert error.hint == "Name the base that the adapter was trained on with `--base`."
    assert "another size" in error_of([Q], shape=(9, 9)).hint


def test_a_tied_module_that_the_file_leaves_out_is_named() -> None:
    config = {
        "model_type": "zamba2",
        "architectures": ["Zamba2ForCausalLM"],
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"],
        "num_mem_blocks": 1,
        "n_mamba_heads": 4,
        "mamba_headdim": 16,
        "mamba_d_state": 4,
        "mamba_ngroups": 1,
        "vocab_size": 12,
    }
    end = "shared_transformer.self_attn.q_proj.weight"
    base = checkpoint({f"model.layers.1.{end}": (64, 64)})
    wanted = replace(need(f"model.layers.3.{end}"), fits=lambda _info: True)
    with pytest.raises(AdapterKind, match=rf"`model\.layers\.1\.{end}`"):
        resolve([wanted], base, config, label="./adapter")
