"""The reference holds all of every adapter: methods, saved modules, single tokens, ties, several at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from adapter_merge.encoders.reference import watched
from adapter_merge.probed import NotRun, Ran
from tests.contract import makers
from tests.contract.methods import METHODS, biased, config_of, save_method, unbiased
from tests.encoders.models import VOCABULARY, make, tokenizer
from tests.encoders.proofs import SPARED, Merge, failing, judged, merge, prove, ran

SOME = (
    "DoRA",
    "DoRA with patterns",
    "DoRA with saved modules",
    "DoRA with single tokens",
    "AdaLoRA",
    "LoHa",
    "OFT",
    "IA3",
    "VeRA",
    "VB-LoRA",
    "LN-tuning",
    "GLoRA with biases",
)
# UniLoRA's file names no modules.
OTHERS = tuple(n for n, m in METHODS.items() if m.model in {biased, unbiased} and n not in SOME)
Q_AND_V = ["q_proj", "v_proj"]


def _base(folder: Path, **changes: Any) -> Path:
    model = makers.llama(vocab_size=VOCABULARY, max_position_embeddings=160, **changes)
    makers.save_base(model, folder)
    tokenizer().save_pretrained(folder)
    return folder


def _lora(base: Path, folder: Path, *, seed: int = 1, **options: Any) -> Path:
    model = makers.loaded(base, "AutoModelForCausalLM")
    return makers.save_adapter(model, folder, {"target_modules": Q_AND_V, **options}, seed=seed)


def _merged_by(name: str, root: Path) -> Merge:
    method = METHODS[name]
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_key_value_heads": 4}
    base = _base(root / "base", attention_bias=method.model is biased, **sizes)
    model = makers.loaded(base, "AutoModelForCausalLM")
    save_method(model, root / "adapter", config_of(method))
    ignore = (*SPARED, "T013")
    return merge(base, (str(root / "adapter"),), root / "merged", ignore=ignore)


def _assert_proved(found: Ran) -> None:
    assert failing(found) == set()
    (logits,) = found.distances
    assert logits.effect > 1e-3
    assert logits.error < 1e-4
    assert found.unreached == ()


@pytest.mark.parametrize("name", SOME)
def test_a_method_is_proved(tmp_path: Path, name: str) -> None:
    if name not in METHODS:
        pytest.skip("the installed PEFT doesn't have it")
    _assert_proved(ran(_merged_by(name, tmp_path)))


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_every_method_is_proved(tmp_path: Path, name: str) -> None:
    _assert_proved(ran(_merged_by(name, tmp_path)))


@pytest.mark.parametrize(
    ("base", "options"),
    [
        ({}, {"modules_to_save": ["lm_head"]}),
        ({}, {"modules_to_save": ["embed_tokens", "lm_head"]}),
        ({}, {"bias": "all"}),
        ({"attention_bias": True}, {"lora_bias": True}),
        ({}, {"rank_pattern": {"0.self_attn.q_proj": 2}, "alpha_pattern": {"v_proj": 3}}),
        ({}, {"use_rslora": True}),
        ({}, {"trainable_token_indices": [3, 40, 90]}),
        ({"tie_word_embeddings": True}, {"trainable_token_indices": [3, 40, 90]}),
        ({"tie_word_embeddings": True}, {"target_modules": ["embed_tokens", "q_proj"]}),
        ({"tie_word_embeddings": True}, {"target_modules": ["lm_head", "q_proj"]}),
        ({"tie_word_embeddings": True}, {"modules_to_save": ["embed_tokens"]}),
        ({"tie_word_embeddings": True}, {"modules_to_save": ["lm_head"]}),
    ],
    ids=str,
)
def test_all_of_a_lora_is_there(
    tmp_path: Path, base: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    made = _base(tmp_path / "base", **base)
    adapter = _lora(made, tmp_path / "adapter", **options)
    _assert_proved(ran(merge(made, (str(adapter),), tmp_path / "merged")))


def test_single_tokens_alone_are_exercised(tmp_path: Path) -> None:
    import peft

    base = _base(tmp_path / "base")
    config = peft.TrainableTokensConfig(token_indices=[5, 7], target_modules=["embed_tokens"])
    save_method(makers.loaded(base, "AutoModelForCausalLM"), tmp_path / "adapter", config)
    found = ran(merge(base, (str(tmp_path / "adapter"),), tmp_path / "merged"))
    _assert_proved(found)
    assert len(found.distances[0].cosines) == 10


def test_several_adapters_keep_their_weights(tmp_path: Path) -> None:
    base = _base(tmp_path / "base")
    one = _lora(base, tmp_path / "one", r=4)
    two = _lora(base, tmp_path / "two", seed=2, target_modules=["q_proj", "up_proj"])
    adapters = (f"{one}=0.5", f"{two}=-2")
    made = merge(base, adapters, tmp_path / "merged")
    _assert_proved(ran(made))
    other = merge(base, (f"{one}=0.5", f"{two}=-1.9"), tmp_path / "other")
    assert failing(prove(made, other.folder)) == {"E001"}


def test_adapters_of_an_older_stack_find_their_places(tmp_path: Path) -> None:
    """Trained on the model without its head, under names without `model.`."""
    base = _base(tmp_path / "base")
    makers.save_adapter(
        makers.loaded(base, "AutoModel"),
        tmp_path / "adapter",
        {"target_modules": Q_AND_V, "rank_pattern": {"layers.1.self_attn.q_proj": 3}},
    )
    found = ran(merge(base, (str(tmp_path / "adapter"),), tmp_path / "merged"))
    _assert_proved(found)
    assert "passes over" in judged(found)["E005"].message


def _mixture() -> Any:
    from transformers import MixtralConfig, MixtralForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "num_local_experts": 2}
    return MixtralForCausalLM(MixtralConfig(vocab_size=VOCABULARY, **sizes, **heads))


def test_experts_that_are_stacked_are_proved_by_their_parameters(tmp_path: Path) -> None:
    base = makers.save_base(_mixture(), tmp_path / "base")
    tokenizer().save_pretrained(base)
    adapter = _lora(
        base,
        tmp_path / "adapter",
        target_modules=["q_proj"],
        target_parameters=["experts.down_proj"],
    )
    _assert_proved(ran(merge(base, (str(adapter),), tmp_path / "merged")))


def test_modules_that_no_input_reaches_are_told() -> None:
    import peft
    import torch
    from torch import nn

    model = nn.ModuleDict({name: nn.Linear(4, 4) for name in ("called", "idle")})
    peft.inject_adapter_in_model(peft.LoraConfig(target_modules=["called", "idle"]), model)
    with watched(model) as idle:
        assert idle == {"called", "idle"}
        model["called"](torch.zeros(1, 4))
    model["idle"](torch.zeros(1, 4))
    assert idle == {"idle"}


def test_what_has_no_live_parameter_is_no_reference(tmp_path: Path) -> None:
    """An adapter of single experts, as stacks before transformers 5 had them."""
    base = makers.save_base(_mixture(), tmp_path / "base")
    tokenizer().save_pretrained(base)
    adapter = _lora(base, tmp_path / "adapter", target_modules=["q_proj"])
    makers.change_tensors(adapter, _with_expert)
    found = prove(merge(base, (str(adapter),), tmp_path / "merged"))
    assert isinstance(found, NotRun)
    assert "is no parameter of its own" in found.needs


def _with_expert(tensors: makers.Tensors) -> makers.Tensors:
    import torch

    name = "base_model.model.model.layers.0.block_sparse_moe.experts.1.w2"
    pair = {"A": torch.ones(8, 48), "B": torch.ones(32, 8)}
    return {**tensors, **{f"{name}.lora_{k}.weight": v for k, v in pair.items()}}


def test_several_adapters_of_other_methods_are_skipped(tmp_path: Path) -> None:
    import peft

    base = _base(tmp_path / "base")
    one = _lora(base, tmp_path / "one")
    model = makers.loaded(base, "AutoModelForCausalLM")
    save_method(model, tmp_path / "two", peft.LoHaConfig(r=4, target_modules=Q_AND_V))
    found = prove(merge(base, (str(one), str(tmp_path / "two")), tmp_path / "merged"))
    assert isinstance(found, NotRun)
    assert "plain LoRAs only" in found.needs


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_rounding_is_told_and_is_no_fault(tmp_path: Path, dtype: str) -> None:
    base = _base(tmp_path / "base")
    adapter = _lora(base, tmp_path / "adapter")
    found = ran(merge(base, (str(adapter),), tmp_path / "merged", dtype=dtype))
    assert failing(found) == set()
    (logits,) = found.distances
    assert logits.gap < 1e-6
    assert 1e-4 < logits.rounding == pytest.approx(logits.error, rel=1e-3)


Change = Callable[[Path], object]


@pytest.mark.parametrize("lost", [0.0, 0.001])
def test_an_adapter_that_does_next_to_nothing_is_no_proof(tmp_path: Path, lost: float) -> None:
    base = _base(tmp_path / "base")
    adapter = _lora(base, tmp_path / "adapter")
    makers.change_tensors(
        adapter, lambda ts: {n: t * lost if "lora_B" in n else t for n, t in ts.items()}
    )
    found = ran(merge(base, (f"{adapter}=0.01",), tmp_path / "merged"))
    finding = judged(found)["E003"]
    assert finding.outcome == "fail"
    assert "doesn't exercise the adapter" in finding.message


@pytest.mark.parametrize("kind", ["causal", "sentence", "sentence-vectors"])
def test_a_bundle_computes_what_its_adapter_says(kind: str, tmp_path: Path) -> None:
    """Where it lies while it is proved, its adapter doesn't lead yet."""
    base, adapter = make(kind, tmp_path)
    made = merge(base, (str(adapter),), tmp_path / "bundle", layout="bundled")
    work = made.folder.rename(tmp_path / "work")
    found = ran(made, work)
    assert failing(found) == set()
    told = [d for d in found.distances if not d.derived]
    assert told
    assert all(d.effect > 1e-3 and d.error < 1e-4 for d in told)
    assert found.unreached == ()
    (work / "adapter_config.json").unlink()
    assert "E001" in failing(prove(made, work))


def test_what_peft_cannot_load_because_of_a_shape_fails(tmp_path: Path) -> None:
    """The merge was right; then the file got factors of a layer with other sides."""
    base = _base(tmp_path / "base")
    adapter = _lora(base, tmp_path / "adapter", target_modules=["up_proj"])
    made = merge(base, (str(adapter),), tmp_path / "merged")
    swap = {".lora_A.": ".lora_B.", ".lora_B.": ".lora_A."}

    def swapped(tensors: makers.Tensors) -> makers.Tensors:
        parts = [(n, next(p for p in swap if p in n)) for n in tensors]
        return {n: tensors[n.replace(part, swap[part])].T for n, part in parts}

    makers.change_tensors(adapter, swapped)
    found = prove(made)
    assert isinstance(found, NotRun)
    assert found.unloadable is not None
    assert "up_proj.lora_A.weight` has shape" in found.unloadable
    assert failing(found) == {"E001"}
    assert "no merge of them is right" in judged(found)["E001"].message


def test_what_cannot_be_built_for_another_reason_is_skipped(tmp_path: Path) -> None:
    base = _base(tmp_path / "base")
    adapter = _lora(base, tmp_path / "adapter")
    made = merge(base, (str(adapter),), tmp_path / "merged")
    makers.change_tensors(adapter, lambda ts: dict(list(ts.items())[1:]))
    found = prove(made)
    assert isinstance(found, NotRun)
    assert found.unloadable is None
    assert failing(found) == set()
