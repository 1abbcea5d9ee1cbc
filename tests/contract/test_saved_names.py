"""Saved modules that the base's file calls otherwise than the class: they replace the base's tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_merge.finding import Outcome
from tests.contract.makers import Tensors, change_tensors, save_adapter, save_base
from tests.contract.merges import with_bare_names
from tests.contract.oracle import ours

_TEXT: Mapping[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_EXPERTS = {**_TEXT, "num_local_experts": 4, "num_experts_per_tok": 2}
_ONE_HEAD = {k: v for k, v in _TEXT.items() if k != "num_key_value_heads"}
_VISION = {
    "model_type": "siglip2_vision_model",
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_patches": 16,
    "patch_size": 4,
}
_LFM2 = {**_TEXT, "model_type": "lfm2", "layer_types": ["full_attention", "conv"]}


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A class, the modules that are saved, and what an adapter of transformers 4 calls them.

    Attributes:
        file: names of the class -> those of the base's file, where `save_pretrained` doesn't write them.
    """

    architecture: str
    config: Mapping[str, Any]
    saved: tuple[str, ...]
    old: tuple[str, str]
    target: str = "q_proj"
    file: tuple[tuple[str, str], ...] = ()


_GATE = (".mlp.gate.", ".block_sparse_moe.gate.")
_LAYERS = {"layer_types": ["full_attention", "linear_attention"]}
CASES = {
    "mixtral": Saved(
        architecture="MixtralForCausalLM", config=_EXPERTS, saved=("gate",), old=_GATE
    ),
    "phimoe": Saved(
        architecture="PhimoeForCausalLM",
        config=_EXPERTS,
        saved=("router",),
        old=(".mlp.router.", ".block_sparse_moe.gate."),
    ),
    "minimax": Saved(
        architecture="MiniMaxForCausalLM",
        config={**_EXPERTS, **_LAYERS, "head_dim": 8},
        saved=("gate",),
        old=_GATE,
    ),
    "minimax_m2": Saved(
        architecture="MiniMaxM2ForCausalLM",
        config={**_EXPERTS, "head_dim": 8},
        saved=("gate",),
        old=_GATE,
    ),
    "granitemoe": Saved(
        architecture="GraniteMoeForCausalLM",
        config=_EXPERTS,
        saved=("router",),
        old=(".block_sparse_moe.router.weight", ".block_sparse_moe.router.layer.weight"),
    ),
    "gpt_neox": Saved(
        architecture="GPTNeoXForCausalLM",
        config={**_ONE_HEAD, "tie_word_embeddings": False},
        saved=("lm_head",),
        old=("lm_head.", "embed_out."),
        target="query_key_value",
    ),
    "bert with gamma and beta": Saved(
        architecture="BertForMaskedLM",
        config=_ONE_HEAD,
        saved=("LayerNorm",),
        old=(".nothing.", ".nothing."),
        target="query",
        file=(("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")),
    ),
    "olmo_hybrid": Saved(
        architecture="OlmoHybridForCausalLM",
        config={**_TEXT, "layer_types": ["linear_attention", "full_attention"]},
        saved=("post_attention_layernorm", "input_layernorm"),
        old=(".nothing.", ".nothing."),
    ),
    "lfm2": Saved(
        architecture="Lfm2ForCausalLM",
        config={**_TEXT, "layer_types": ["full_attention", "conv"]},
        saved=("embedding_norm", "operator_norm"),
        old=(".nothing.", ".nothing."),
    ),
    "lfm2_vl": Saved(
        architecture="Lfm2VlForConditionalGeneration",
        config={"text_config": _LFM2, "vision_config": _VISION, "image_token_id": 60},
        saved=("embedding_norm", "post_layernorm"),
        old=(".nothing.", ".nothing."),
    ),
    "esm": Saved(
        architecture="EsmForMaskedLM",
        config={**_ONE_HEAD, "mask_token_id": 3, "position_embedding_type": "rotary"},
        saved=("emb_layer_norm_after", "LayerNorm"),
        old=(".nothing.", ".nothing."),
        target="query",
    ),
}


def base_of(case: Saved, folder: Path) -> tuple[Path, Any]:
    """The base's folder, and the class."""
    import transformers

    known = getattr(transformers, case.architecture)
    torch.manual_seed(3)
    save_base(known(known.config_class(**case.config)), folder)
    path = folder / "model.safetensors"
    save_file(renamed(load_file(path), case.file), path, metadata={"format": "pt"})
    return folder, known


def renamed(tensors: Tensors, renames: tuple[tuple[str, str], ...]) -> Tensors:
    found = {}
    for name, tensor in tensors.items():
        new = name
        for old, wanted in renames:
            new = new.replace(old, wanted)
        found[new] = tensor
    return found


@pytest.mark.parametrize("era", ["transformers 5", "transformers 4"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_saved_module_replaces_the_tensor_that_the_file_calls_otherwise(
    case: Saved, era: str, tmp_path: Path
) -> None:
    import peft

    base, known = base_of(case, tmp_path / "base")
    lora = {"target_modules": [case.target], "modules_to_save": list(case.saved)}
    adapter = save_adapter(known.from_pretrained(base), tmp_path / "adapter", lora)
    model = peft.PeftModel.from_pretrained(known.from_pretrained(base), adapter)
    expected = model.merge_and_unload().state_dict()
    if era == "transformers 4":
        change_tensors(adapter, with_bare_names(lambda t: renamed(t, (case.old,))))
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    assert {f.outcome for f in report.findings if f.code == "T014"} == {Outcome.PASS}
    names = load_file(base / "model.safetensors").keys()
    assert load_file(tmp_path / "out" / "model.safetensors").keys() == names
    found, info = known.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    live = found.state_dict()
    assert live.keys() == expected.keys()
    before = known.from_pretrained(base).state_dict()
    for name, tensor in live.items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6, msg=name)
    changed = {n for n in live if not torch.equal(live[n], before[n])}
    assert all(any(f".{s}." in f".{n}" for n in changed) for s in case.saved)
