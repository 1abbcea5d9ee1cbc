"""Several adapters of different methods on one base: each changes what the one before it left."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.contract.makers import Build, save_base, tensors_of
from tests.contract.methods import METHODS, Method, biased, config_of, lora, save_method
from tests.contract.oracle import differing, ours
from tests.contract.test_methods import finding, merged_by_peft, own_class

PLAIN = lora(4, "q_proj", "v_proj")
CHAINS = {
    "DoRA, then LoHa": ("DoRA", "LoHa"),
    "LoHa, then DoRA": ("LoHa", "DoRA"),
    "IA3, then OFT": ("IA3", "OFT"),
}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_base(biased(), tmp_path / "base")


def adapter_of(name: str, base: Path, folder: Path) -> Path:
    method = METHODS.get(name, PLAIN)
    save_method(own_class(base), folder, config_of(method))
    return folder


@pytest.mark.parametrize("names", CHAINS.values(), ids=CHAINS.keys())
def test_each_method_takes_what_the_one_before_left(
    names: tuple[str, str], base: Path, tmp_path: Path
) -> None:
    one, two = (adapter_of(name, base, tmp_path / name) for name in names)
    report = ours(base, {one: 1.0, two: 1.0}, tmp_path / "out")
    assert report.status == "merged", report.error
    merged_by_peft(base, one, tmp_path / "first", torch.float32)
    expected = merged_by_peft(tmp_path / "first", two, tmp_path / "second", torch.float32)
    assert differing(tensors_of(tmp_path / "out"), expected) == []


@pytest.mark.parametrize("order", [("plain", "DoRA"), ("DoRA", "plain")])
def test_a_plain_lora_stands_anywhere_in_the_chain(
    order: tuple[str, str], base: Path, tmp_path: Path
) -> None:
    folders = {adapter_of(name, base, tmp_path / name): 1.0 for name in order}
    report = ours(base, folders, tmp_path / "out")
    assert report.status == "merged", report.error
    assert finding(report, "T005").evidence["through_layers"] == 14
    one, two = folders
    merged_by_peft(base, one, tmp_path / "first", torch.float32)
    expected = merged_by_peft(tmp_path / "first", two, tmp_path / "second", torch.float32)
    assert differing(tensors_of(tmp_path / "out"), expected) == []


def test_workers_don_t_change_a_bit(base: Path, tmp_path: Path) -> None:
    adapter = adapter_of("DoRA", base, tmp_path / "DoRA")
    for workers in (1, 4):
        assert ours(base, {adapter: 1.0}, tmp_path / str(workers), workers=workers).error is None
    one, four = (tensors_of(tmp_path / str(workers)) for workers in (1, 4))
    assert differing(one, four) == []


@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_a_dtype_is_rounded_to_once(dtype: str, base: Path, tmp_path: Path) -> None:
    adapter = adapter_of("DoRA", base, tmp_path / "DoRA")
    assert ours(base, {adapter: 1.0}, tmp_path / "out", dtype=dtype).error is None
    expected = merged_by_peft(base, adapter, tmp_path / "peft", torch.float32)
    assert differing(tensors_of(tmp_path / "out"), expected) == []


def test_a_base_in_float64_is_refused(tmp_path: Path) -> None:
    model: Build = biased
    base = save_base(model(), tmp_path / "base", dtype="fp64")
    adapter = adapter_of("HRA", base, tmp_path / "HRA")
    error = ours(base, {adapter: 1.0}, tmp_path / "out").error
    assert error is not None
    assert (error.type, error.code) == ("AdapterKind", 4)
    assert "float32" in error.message


@pytest.mark.skipif("GLoRA" not in METHODS, reason="this PEFT doesn't have it")
def test_glora_is_refused_where_a_bias_needs_the_weight(base: Path, tmp_path: Path) -> None:
    method = METHODS["GLoRA with biases"]
    config = config_of(method)
    config.config_C = "vector"
    save_method(own_class(base), tmp_path / "GLoRA", config)
    error = ours(base, {tmp_path / "GLoRA": 1.0}, tmp_path / "out").error
    assert error is not None
    assert "config_C" in error.hint


@pytest.mark.skipif("Super-Tuning" not in METHODS, reason="this PEFT doesn't have it")
def test_super_tuning_is_refused_where_its_file_has_no_positions(
    base: Path, tmp_path: Path
) -> None:
    config = config_of(METHODS["Super-Tuning"])
    config.save_precomputed_indices = False
    save_method(own_class(base), tmp_path / "adapter", config)
    error = ours(base, {tmp_path / "adapter": 1.0}, tmp_path / "out").error
    assert error is not None
    assert (error.type, error.code) == ("AdapterKind", 4)
    assert "save_precomputed_indices" in error.message


def test_kasa_is_refused_for_what_it_does_to_the_base(base: Path, tmp_path: Path) -> None:
    from peft.tuners.lora import config as variants

    if not hasattr(variants, "KasaConfig"):
        pytest.skip("this PEFT doesn't have it")
    options = {"target_modules": ["q_proj"], "r": 8}
    kasa = Method(
        config="LoraConfig", edited=2, options=options, nested=("kasa_config", "KasaConfig", {})
    )
    model = save_method(own_class(base), tmp_path / "adapter", config_of(kasa))
    name = "model.layers.0.self_attn.q_proj"
    under = model.get_base_model().get_submodule(name).base_layer.weight
    assert not torch.equal(under, own_class(base).get_submodule(name).weight)
    error = ours(base, {tmp_path / "adapter": 1.0}, tmp_path / "out").error
    assert error is not None
    assert "singular values" in error.message


def test_oft_on_a_convolution_is_refused(tmp_path: Path) -> None:
    from tests.contract.makers import vit
    from tests.contract.methods import of

    base = save_base(vit(), tmp_path / "base")
    method = of("OFTConfig", 1, "projection", model=vit, oft_block_size=0, r=4)
    save_method(own_class(base), tmp_path / "OFT", config_of(method))
    error = ours(base, {tmp_path / "OFT": 1.0}, tmp_path / "out").error
    assert error is not None
    assert "convolution" in error.message
