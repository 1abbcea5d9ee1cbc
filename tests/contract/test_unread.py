"""The `out_proj` of torch's attention alone: PEFT's forward pass never reads its layer, and its merge does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from tests.contract.makers import Tensors, change_tensors, save_base, tensors_of
from tests.contract.methods import config_of, lora, of, save_method, siglip
from tests.contract.oracle import differing, ours
from tests.contract.test_methods import merged_by_peft, own_class

_ALONE = "head.attention.out_proj"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_base(siglip(), tmp_path / "base")


def pooled(model: Any) -> torch.Tensor:
    """What the attention at the end makes."""
    picture = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        found: torch.Tensor = model(picture).pooler_output
    return found


def test_peft_s_forward_pass_is_the_base_s_and_its_merge_is_not(base: Path, tmp_path: Path) -> None:
    unmerged = save_method(own_class(base), tmp_path / "adapter", config_of(lora(1, _ALONE)))
    torch.testing.assert_close(pooled(unmerged), pooled(own_class(base)), atol=1e-5, rtol=1e-5)
    merged_by_peft(base, tmp_path / "adapter", tmp_path / "peft", torch.float32)
    assert not torch.allclose(pooled(own_class(tmp_path / "peft")), pooled(unmerged), atol=1e-2)


ROWS = {
    "LoRA": lora(1, _ALONE),
    "LoRA and its bias": lora(2, _ALONE, lora_bias=True),
    "LoRA, beside others": lora(2, "out_proj"),
    "LoRA of the parameter": lora(1, target_parameters=[f"{_ALONE}.weight"]),
    "DoRA": lora(1, _ALONE, use_dora=True),
    "LoHa": of("LoHaConfig", 1, _ALONE, r=4),
    "IA3": of("IA3Config", 1, _ALONE, feedforward_modules=[]),
}


@pytest.mark.parametrize("method", ROWS.values(), ids=ROWS.keys())
def test_a_trained_one_is_refused(method: Any, base: Path, tmp_path: Path) -> None:
    save_method(own_class(base), tmp_path / "adapter", config_of(method))
    error = ours(base, {tmp_path / "adapter": 1.0}, tmp_path / "out").error
    assert error is not None
    assert (error.type, error.code) == ("AdapterKind", 4)
    assert f"{_ALONE}." in error.message
    assert "`attention` in `target_modules`" in error.hint
    assert not (tmp_path / "out").exists()


def untrained(part: str) -> Callable[[Tensors], Tensors]:
    """As `all-linear` leaves them: no gradient came there."""
    return lambda tensors: {
        n: torch.zeros_like(t) if _ALONE in n and part in n else t for n, t in tensors.items()
    }


def test_one_that_was_never_trained_changes_nothing(base: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    save_method(own_class(base), adapter, config_of(lora(2, "out_proj")))
    change_tensors(adapter, untrained("lora_B"))
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.status == "merged", report.error
    (changed,) = differing(tensors_of(tmp_path / "out"), tensors_of(base))
    assert changed.endswith("encoder.layers.0.self_attn.out_proj.weight")


def test_one_inside_an_adapted_attention_counts(base: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    both = lora(2, "head.attention", _ALONE)
    unmerged = save_method(own_class(base), adapter, config_of(both))
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.status == "merged", report.error
    merged = own_class(tmp_path / "out")
    torch.testing.assert_close(pooled(merged), pooled(unmerged), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(pooled(merged), pooled(own_class(base)), atol=1e-2)


def split() -> Any:
    """Its file has the tensors of torch's attention; the class has four linear layers."""
    from transformers import Tipsv2TextConfig, Tipsv2TextModel

    return Tipsv2TextModel(
        Tipsv2TextConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=4,
            vocab_size=64,
        )
    )


@pytest.mark.parametrize("targets", [["out_proj"], ["q_proj", "out_proj"]])
def test_one_that_the_class_calls_is_merged(targets: list[str], tmp_path: Path) -> None:
    if not hasattr(transformers, "Tipsv2TextModel"):
        pytest.skip("this transformers doesn't have the class")
    base, adapter = save_base(split(), tmp_path / "base"), tmp_path / "adapter"
    assert "transformer.resblocks.0.attn.in_proj_weight" in tensors_of(base)
    save_method(own_class(base), adapter, config_of(lora(len(targets), *targets)))
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.status == "merged", report.error
    expected = merged_by_peft(base, adapter, tmp_path / "peft", torch.float32)
    assert differing(tensors_of(tmp_path / "out"), expected) == []
