"""Experts: PEFT's bits whatever the layout of file and adapter, and the outputs of the unmerged model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_merge.errors import UnsupportedError
from adapter_merge.finding import Outcome
from tests.build import PREFIX, write_json
from tests.contract.eras import of_class
from tests.contract.makers import (
    Tensors,
    change_config,
    change_tensors,
    loaded,
    save_adapter,
    save_base,
    tensors_of,
)
from tests.contract.merges import planned
from tests.contract.methods import llama4
from tests.contract.oracle import differing, merged_by_peft, ours, with_adapters
from tests.contract.test_methods import checked, finding

_SIZES = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": False,
    "num_experts_per_tok": 2,
}
_LATENT = {
    "num_key_value_heads": 4, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1, "q_lora_rank": 16, "kv_lora_rank": 16,
    "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8,
}  # fmt: skip
_ATTENTION = ["q_proj", "o_proj"]
_EXPERTS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
_LAYER = "model.layers.1"


def _tiny(kind: str, **sizes: object) -> Callable[[], Any]:
    def build() -> Any:
        import transformers

        config = transformers.CONFIG_MAPPING[kind](**{**_SIZES, **sizes})
        return transformers.AutoModelForCausalLM.from_config(config)

    return build


def _seeing(kind: str, **text: object) -> Callable[[], Any]:
    """Of a class with images."""

    def build() -> Any:
        import transformers

        sizes = {k: v for k, v in _SIZES.items() if k != "tie_word_embeddings"}
        eyes = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 1,
                "num_attention_heads": 2, "image_size": 28, "patch_size": 14}  # fmt: skip
        config = transformers.CONFIG_MAPPING[kind](
            text_config={**sizes, **text}, vision_config=eyes
        )
        return transformers.AutoModelForImageTextToText.from_config(config)

    return build


def _experts(number: int, inner: int = 24, **sizes: object) -> Mapping[str, object]:
    return {"num_experts": number, "moe_intermediate_size": inner, **sizes}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A class with experts, what of it is adapted, and how many tensors of its file that changes."""

    build: Callable[[], Any]
    edited: int
    modules: list[str] | str = field(default_factory=lambda: _ATTENTION)
    parameters: list[str] = field(default_factory=lambda: _EXPERTS)
    lora: Mapping[str, object] = field(default_factory=dict)
    auto: str = "AutoModelForCausalLM"

    def loaded(self, base: Path) -> Any:
        return loaded(base, self.auto, dtype=torch.float32)

    @property
    def options(self) -> Mapping[str, object]:
        return {
            "r": 3,
            "lora_alpha": 7,
            "target_modules": self.modules,
            "target_parameters": self.parameters,
            **self.lora,
        }


MIXTRAL = _tiny("mixtral", num_local_experts=4)
CASES = {
    "mixtral": Case(build=MIXTRAL, edited=28),
    "mixtral, one of two parameters": Case(build=MIXTRAL, edited=20, parameters=_EXPERTS[:1]),
    "mixtral, ranks by patterns": Case(
        build=MIXTRAL,
        edited=28,
        lora={"rank_pattern": {"gate_up_proj": 6}, "alpha_pattern": {r".*\.down_proj": 5}},
    ),
    "mixtral, as PEFT converts its projections": Case(
        build=MIXTRAL, edited=28, modules=["q_proj", "o_proj", "w1", "w2", "w3"], parameters=[]
    ),
    # Among them are the routers, whose weight is a parameter too.
    "mixtral, all-linear as PEFT converts it": Case(
        build=MIXTRAL, edited=34, modules="all-linear", parameters=[]
    ),
    "qwen3_moe": Case(build=_tiny("qwen3_moe", head_dim=8, **_experts(4)), edited=28),
    "qwen2_moe, rsLoRA": Case(
        build=_tiny("qwen2_moe", shared_expert_intermediate_size=40, **_experts(4)),
        edited=28,
        lora={"use_rslora": True},
    ),
    # Its `gate_up_proj` is square, and the names of its experts have one and two digits.
    "olmoe": Case(build=_tiny("olmoe", intermediate_size=16, num_experts=12), edited=76),
    "deepseek_v3": Case(
        build=_tiny("deepseek_v3", n_routed_experts=4, moe_intermediate_size=24, **_LATENT),
        edited=14,
        modules=["kv_b_proj"],
    ),
    # No gate; and its config has a number that JSON hasn't.
    "nemotron_h": Case(
        build=_tiny(
            "nemotron_h", head_dim=8, n_routed_experts=4, moe_intermediate_size=24, n_groups=2, n_group=1,
            moe_shared_expert_intermediate_size=24, topk_group=1, mamba_num_heads=4, mamba_head_dim=16,
            ssm_state_size=8, layers_block_type=["moe", "attention"], pad_token_id=0,
        ),
        edited=9, modules=["o_proj"], parameters=["experts.up_proj", "experts.down_proj"],
    ),
    # Stored as the class has them; (experts, in, out), all of them square but for one.
    "gpt_oss": Case(
        build=_tiny("gpt_oss", intermediate_size=32, head_dim=8, num_local_experts=4), edited=8
    ),
    "gpt_oss, biases": Case(
        build=_tiny("gpt_oss", intermediate_size=32, head_dim=8, num_local_experts=4),
        edited=10,
        parameters=[*_EXPERTS, "experts.down_proj_bias"],
    ),
    "llama4": Case(
        build=llama4, edited=6, modules=["q_proj"],
        parameters=["experts.gate_up_proj", "experts.down_proj"],
    ),
    # Its dense layers are fused too; the file has gate and up apart.
    "minimax_m3_vl": Case(
        build=_seeing(
            "minimax_m3_vl", num_local_experts=4, dense_intermediate_size=40, shared_intermediate_size=40,
            head_dim=8, rotary_dim=8, mlp_layer_types=["dense", "sparse"], index_n_heads=2, index_head_dim=8,
            layer_types=["full_attention"] * 2,
        ),
        edited=19, modules=["q_proj", "gate_up_proj"], auto="AutoModelForImageTextToText",
    ),
    # The file stacks its experts, with gate and up apart.
    "step3p7": Case(
        build=_seeing(
            "step3p7", n_routed_experts=4, moe_intermediate_size=24, share_expert_dim=40, head_dim=8, sliding_window=16,
            num_sliding_attention_heads=4, mlp_layer_types=["dense", "sparse"],
            layer_types=["full_attention"] * 2, swiglu_limits=[None] * 2, swiglu_limits_shared=[None] * 2,
        ),
        edited=5, modules=["o_proj"], auto="AutoModelForImageTextToText",
    ),
}  # fmt: skip


def _model(base: Path) -> Any:
    return loaded(base, "AutoModelForCausalLM", dtype=torch.float32)


def _live(model: Any, base: Path) -> Path:
    """The base once more, with the tensors that the class has."""
    tensors = {n: t.contiguous() for n, t in model.state_dict().items()}
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    return base


def _logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval()(input_ids=torch.arange(60).reshape(3, 20)).logits
    return found


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_file_is_what_transformers_saves_after_peft_s_merge(
    case: Case, dtype: str, tmp_path: Path
) -> None:
    base, adapter = save_base(case.build(), tmp_path / "base", dtype=dtype), tmp_path / "adapter"
    save_adapter(case.loaded(base), adapter, case.options)
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    found, before = tensors_of(tmp_path / "out"), tensors_of(base)
    wrapped = with_adapters(case.loaded(base), {adapter: 1.0})
    unmerged = _logits(wrapped)
    expected = merged_by_peft(wrapped, 1, tmp_path / "peft")
    assert found.keys() == expected.keys() == before.keys()
    assert differing(found, expected) == []
    assert len(differing(found, before)) == report.counts["tensors_edited"] == case.edited
    assert finding(report, "T005").outcome is Outcome.PASS
    assert finding(report, "T007").outcome is Outcome.PASS
    if dtype == "fp32":
        torch.testing.assert_close(_logits(case.loaded(tmp_path / "out")), unmerged)
        assert not torch.equal(_logits(case.loaded(base)), unmerged)


@pytest.mark.parametrize("name", ["mixtral", "qwen3_moe", "olmoe"])
def test_a_file_that_holds_the_live_layout(name: str, tmp_path: Path) -> None:
    model, adapter = CASES[name].build(), tmp_path / "adapter"
    base = _live(model, save_base(model, tmp_path / "base"))
    save_adapter(_model(base), adapter, CASES[name].options)
    report = ours(base, {adapter: 0.5}, tmp_path / "out")
    assert report.error is None, report.error
    wrapped = with_adapters(_model(base), {adapter: 0.5})
    expected = wrapped.merge_and_unload(adapter_names=["a"]).state_dict()
    assert differing(tensors_of(tmp_path / "out"), expected) == []
    assert finding(report, "T005").outcome is Outcome.PASS


@pytest.mark.parametrize("layout", ["saved", "live"])
def test_factors_of_a_release_of_peft_that_read_all_experts_as_turned(
    layout: str, tmp_path: Path
) -> None:
    """PEFT before 0.19 takes the second dimension for the inputs, whatever the class says."""

    def turned() -> Any:
        model = _model(base)
        for module in model.modules():
            if hasattr(module, "is_transposed"):
                module.is_transposed = True
        return model

    base, adapter = save_base(MIXTRAL(), tmp_path / "base"), tmp_path / "adapter"
    if layout == "live":
        _live(_model(base), base)
    save_adapter(turned(), adapter, CASES["mixtral"].options)
    factors = load_file(adapter / "adapter_model.safetensors")
    assert factors[f"{PREFIX}{_LAYER}.mlp.experts.base_layer.lora_A.weight"].shape == (12, 96)
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    found = tensors_of(tmp_path / "out")
    merged = with_adapters(turned(), {adapter: 1.0})
    if layout == "saved":
        expected = merged_by_peft(merged, 1, tmp_path / "peft")
    else:
        expected = merged.merge_and_unload(adapter_names=["a"]).state_dict()
    assert differing(found, expected) == []
    assert len(differing(found, tensors_of(base))) == (28 if layout == "saved" else 8)
    assert finding(report, "T005").outcome is Outcome.PASS


@pytest.mark.parametrize("layout", ["live", "turned"])
def test_experts_that_lie_turned_in_the_file(layout: str, tmp_path: Path) -> None:
    model = of_class("Qwen3VLMoeForConditionalGeneration", "qwen3_vl_moe")()
    base, adapter = _live(model, save_base(model, tmp_path / "base")), tmp_path / "adapter"
    vision = "AutoModelForImageTextToText"
    lora = {"r": 3, "target_modules": ["q_proj"], "target_parameters": _EXPERTS}
    save_adapter(loaded(base, vision), adapter, lora)
    merged = with_adapters(loaded(base, vision), {adapter: 1.0}).merge_and_unload(
        adapter_names=["a"]
    )
    expected: Tensors = dict(merged.state_dict())
    if layout == "turned":
        path = base / "model.safetensors"
        save_file(_turned(load_file(path)), path, metadata={"format": "pt"})
        expected = _turned(expected)
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    assert differing(tensors_of(tmp_path / "out"), expected) == []
    assert len(differing(tensors_of(tmp_path / "out"), tensors_of(base))) == 6
    assert finding(report, "T005").outcome is Outcome.PASS


def _turned(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    return {
        n: t.transpose(1, 2).contiguous() if ".experts." in n else t for n, t in tensors.items()
    }


def _by_number(folder: Path, names: tuple[str, str, str], *, rooted: bool) -> Tensors:
    """An adapter of the experts 0 and 2, as PEFT saves it where each is a module; gives its factors."""
    draw, tensors = torch.Generator().manual_seed(3), Tensors()
    for expert in (0, 2):
        for name in names:
            outputs, inputs = (32, 24) if name in {"w2", "down_proj"} else (24, 32)
            module = f"{_LAYER}.mlp.experts.{expert}.{name}"
            tensors[f"{module}.lora_A.weight"] = torch.randn(3, inputs, generator=draw)
            tensors[f"{module}.lora_B.weight"] = torch.randn(outputs, 3, generator=draw)
    folder.mkdir()
    held = {PREFIX + n: t for n, t in tensors.items()}
    save_file(held, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 3, "lora_alpha": 6, "use_rslora": rooted}
    write_json(folder / "adapter_config.json", {**config, "target_modules": list(names)})
    return tensors


_BY_NUMBER = {
    "mixtral": (_tiny("mixtral", num_local_experts=4, intermediate_size=24), ("w1", "w3", "w2")),
    "qwen2_moe": (
        _tiny("qwen2_moe", shared_expert_intermediate_size=40, **_experts(4)),
        ("gate_proj", "up_proj", "down_proj"),
    ),
}


@pytest.mark.parametrize("rooted", [False, True], ids=["plain", "rsLoRA"])
@pytest.mark.parametrize("layout", ["saved", "live"])
@pytest.mark.parametrize("kind", _BY_NUMBER)
def test_an_adapter_of_experts_by_number(
    kind: str, layout: str, rooted: bool, tmp_path: Path
) -> None:
    """PEFT gets such adapters wrong on stacked experts, so that the formula is the oracle."""
    build, names = _BY_NUMBER[kind]
    model = build()
    base = save_base(model, tmp_path / "base")
    factors = _by_number(tmp_path / "adapter", names, rooted=rooted)
    wanted = {n: t.clone() for n, t in model.state_dict().items()}
    scale = 6 / 3**0.5 if rooted else 6 / 3
    for expert in (0, 2):
        for place, name in enumerate(names):
            a, b = (factors[f"{_LAYER}.mlp.experts.{expert}.{name}.lora_{x}.weight"] for x in "AB")
            stack = wanted[f"{_LAYER}.mlp.experts.{'down' if place == 2 else 'gate_up'}_proj"]
            stack[expert, slice(None) if place == 2 else _half(place)] += b @ a * scale
    if layout == "live":
        _live(model, base)
    report = ours(base, {tmp_path / "adapter": 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    assert report.counts["tensors_edited"] == (2 if layout == "live" else 6)
    assert differing(dict(_model(tmp_path / "out").state_dict()), wanted) == []
    assert finding(report, "T005").outcome is Outcome.PASS


def _half(place: int) -> slice:
    return slice(24 * place, 24 * (place + 1))


def _swapped(tensors: Tensors) -> Tensors:
    w1, w3 = (f"{_LAYER}.block_sparse_moe.experts.1.{w}.weight" for w in ("w1", "w3"))
    return {**tensors, w1: tensors[w3], w3: tensors[w1]}


def _reordered(tensors: Tensors) -> Tensors:
    one, two = (f"{_LAYER}.block_sparse_moe.experts.{e}.w2.weight" for e in (1, 2))
    return {**tensors, one: tensors[two], two: tensors[one]}


def _of_another(tensors: Tensors, base: Tensors) -> Iterator[tuple[str, torch.Tensor]]:
    """The delta of the expert before."""
    for name, value in tensors.items():
        found = name
        for expert in range(4):
            found = found.replace(f"experts.{expert}.w1", f"experts.*{(expert + 1) % 4}.w1")
        found = found.replace("*", "")
        yield name, base[name] + tensors[found] - base[found] if found != name else value


FAULTS: Mapping[str, Callable[[Tensors, Tensors], Tensors]] = {
    "gate and up are swapped": lambda found, _: _swapped(found),
    "two experts are swapped": lambda found, _: _reordered(found),
    "each expert got another's delta": lambda found, base: dict(_of_another(found, base)),
    "one expert was left out": lambda found, base: {
        n: base[n] if ".experts.3." in n else t for n, t in found.items()
    },
    "half the scale": lambda found, base: {
        n: base[n] + (t - base[n]) / 2 if ".experts." in n else t for n, t in found.items()
    },
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_second_route_finds_what_another_program_did_wrong(fault: str, tmp_path: Path) -> None:
    base, adapter = save_base(MIXTRAL(), tmp_path / "base"), tmp_path / "adapter"
    save_adapter(_model(base), adapter, CASES["mixtral"].options)
    other = tmp_path / "other"
    found = merged_by_peft(with_adapters(_model(base), {adapter: 1.0}), 1, other)
    assert finding(checked(other, base, adapter), "T005").outcome is Outcome.PASS
    broken = FAULTS[fault](found, tensors_of(base))
    save_file(broken, other / "model.safetensors", metadata={"format": "pt"})
    assert finding(checked(other, base, adapter), "T005").outcome is Outcome.FAIL


def test_several_adapters_on_the_same_experts(tmp_path: Path) -> None:
    base = save_base(MIXTRAL(), tmp_path / "base")
    adapters = {tmp_path / "one": 1.0, tmp_path / "two": -0.5}
    for seed, folder in enumerate(adapters):
        save_adapter(_model(base), folder, CASES["mixtral"].options, seed=seed)
    report = ours(base, adapters, tmp_path / "out")
    assert report.error is None, report.error
    expected = merged_by_peft(with_adapters(_model(base), adapters), 2, tmp_path / "peft")
    assert differing(tensors_of(tmp_path / "out"), expected) == []


def test_only_a_delta_is_cut_into_pieces(tmp_path: Path) -> None:
    base, adapter = save_base(MIXTRAL(), tmp_path / "base"), tmp_path / "adapter"
    save_adapter(_model(base), adapter, CASES["mixtral"].options)
    name = f"{_LAYER}.mlp.experts.down_proj"
    whole = torch.zeros(4, 32, 48)
    change_tensors(adapter, lambda tensors: {**tensors, PREFIX + name: whole})
    change_config(adapter, modules_to_save=["experts"])
    with pytest.raises(UnsupportedError, match="only a LoRA's delta is cut") as caught:
        planned(base, adapter)
    assert name in caught.value.message


def test_another_method_than_lora_on_an_expert_of_a_stack(tmp_path: Path) -> None:
    build, names = _BY_NUMBER["mixtral"]
    model, adapter = build(), tmp_path / "adapter"
    base = _live(model, save_base(model, tmp_path / "base"))
    factors = _by_number(adapter, names, rooted=False)
    sizes = {n.removesuffix(".lora_B.weight"): len(t) for n, t in factors.items() if "_B" in n}
    marks = {f"{PREFIX}{m}.lora_magnitude_vector": torch.ones(s) for m, s in sizes.items()}
    change_tensors(adapter, lambda tensors: {**tensors, **marks})
    change_config(adapter, use_dora=True)
    with pytest.raises(UnsupportedError, match="only a LoRA's delta is added") as caught:
        planned(base, adapter)
    assert "experts.0.w1" in caught.value.message
