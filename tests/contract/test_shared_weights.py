"""Modules that share a weight besides the vocabulary's: a change of one of them is refused, and the tie is named."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_merge.bases.shared_weights import COMMON
from adapter_merge.finding import Outcome
from tests.contract.makers import llama, save_adapter, save_base
from tests.contract.oracle import ours

_DATA = json.loads((Path(__file__).parents[2] / "docs" / "converters.json").read_text())
_SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def zamba2() -> Any:
    """Three blocks of attention that are one."""
    from transformers import Zamba2Config, Zamba2ForCausalLM

    kinds = ["mamba", "hybrid", "mamba", "hybrid", "mamba", "hybrid"]
    return Zamba2ForCausalLM(
        Zamba2Config(
            **_SIZES,
            intermediate_size=32,
            layers_block_type=kinds,
            num_mem_blocks=1,
            mamba_d_state=4,
            mamba_headdim=16,
            n_mamba_heads=4,
            mamba_ngroups=1,
            adapter_rank=4,
            use_mem_rope=False,
        )
    )


def ctrl() -> Any:
    """A tied embedding under a name of its own."""
    from transformers import CTRLConfig, CTRLLMHeadModel

    return CTRLLMHeadModel(
        CTRLConfig(vocab_size=64, n_positions=32, n_embd=32, dff=32, n_layer=1, n_head=2)
    )


def udop() -> Any:
    """The projection of patches is the encoder's, too."""
    from transformers import UdopConfig, UdopForConditionalGeneration

    return UdopForConditionalGeneration(
        UdopConfig(
            vocab_size=64,
            d_model=32,
            d_kv=8,
            d_ff=32,
            num_layers=1,
            num_heads=4,
            image_size=16,
            patch_size=8,
        )
    )


BLOCK = r".*layers\.1\.shared_transformer\.self_attn\.q_proj"
REFUSED = {
    "one block of zamba2": (zamba2, {"target_modules": BLOCK}, "shared_transformer"),
    "all blocks of zamba2": (zamba2, {"target_modules": ["q_proj"]}, "shared_transformer"),
    "a saved block of zamba2": (
        zamba2,
        {"target_modules": ["in_proj"], "modules_to_save": ["input_layernorm"]},
        "shared_transformer",
    ),
    "the embedding of ctrl": (ctrl, {"target_modules": ["w"]}, "lm_head.weight"),
    "the head of ctrl": (ctrl, {"target_modules": ["lm_head"]}, "transformer.w.weight"),
    "the patches of udop": (udop, {"target_modules": [r"proj"]}, "patch"),
}


@pytest.mark.parametrize(("build", "lora", "named"), REFUSED.values(), ids=REFUSED.keys())
def test_a_change_of_one_is_refused_by_the_name_of_the_tie(
    build: Any, lora: dict[str, object], named: str, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    base = save_base(build(), tmp_path / "base")
    known = type(build())
    adapter = save_adapter(known.from_pretrained(base), tmp_path / "adapter", lora)
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("AdapterKind", 4), report.error.message
    assert " ties " in report.error.message
    assert named in report.error.message
    assert "bundled" in report.error.hint
    assert not (tmp_path / "out").exists()


OTHERS = {
    "zamba2 beside its blocks": (zamba2, ["in_proj"]),
    "ctrl beside its vocabulary": (ctrl, ["Wq"]),
    "udop beside its patches": (udop, ["q"]),
}


@pytest.mark.parametrize(("build", "targets"), OTHERS.values(), ids=OTHERS.keys())
def test_what_shares_nothing_is_merged(build: Any, targets: list[str], tmp_path: Path) -> None:
    import peft

    torch.manual_seed(1)
    base = save_base(build(), tmp_path / "base")
    known = type(build())
    lora = {"target_modules": targets}
    adapter = save_adapter(known.from_pretrained(base), tmp_path / "adapter", lora)
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    assert {f.outcome for f in report.findings if f.code == "T014"} == {Outcome.PASS}
    model = peft.PeftModel.from_pretrained(known.from_pretrained(base), adapter)
    expected = model.merge_and_unload().state_dict()
    found, info = known.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    for name, tensor in found.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6, msg=name)


def test_common_types_share_nothing_else() -> None:
    assert not COMMON & _DATA["shared"].keys()
    assert {"zamba", "zamba2", "ctrl", "udop", "luke", "d_fine"} <= _DATA["shared"].keys()


def test_a_common_type_needs_no_class(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from adapter_merge.bases import shared_weights

    def fail(*_args: object) -> None:
        raise AssertionError

    base = save_base(llama(), tmp_path / "base")
    adapter = save_adapter(llama(), tmp_path / "adapter", {"target_modules": ["q_proj"]})
    monkeypatch.setattr(shared_weights, "skeleton_of", fail)
    assert ours(base, {adapter: 1.0}, tmp_path / "out").error is None
    path = base / "config.json"
    path.write_text(re.sub(r'"model_type": "\w+"', '"model_type": "arcee"', path.read_text()))
    with pytest.raises(AssertionError):
        ours(base, {adapter: 1.0}, tmp_path / "other")
