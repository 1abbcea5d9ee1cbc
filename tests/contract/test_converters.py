"""What transformers rebuilds when it loads a file: edited in the file's own layout, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from adapter_merge.errors import MissingTarget, ShapeMismatch, UnsupportedError
from adapter_merge.folder import read_json
from adapter_merge.naming import Target, resolve
from adapter_merge.plan import Need
from adapter_merge.repository import open_checkpoint
from tests.build import PREFIX, write_json
from tests.contract.eras import of_class
from tests.contract.makers import save_adapter, save_base, tensors_of
from tests.contract.merges import planned
from tests.contract.oracle import differing, merged_by_peft, ours, with_adapters

_LAYER = "model.layers.0"
_TEXT = "model.language_model.layers.0.mlp.experts"
_QWEN = ("qwen3_vl_moe", "Qwen3VLMoeForConditionalGeneration")


@pytest.mark.parametrize("bias", ["none", "lora_only"])
def test_modules_that_are_rows_of_one_tensor(bias: str, tmp_path: Path) -> None:
    base = save_base(of_class("NomicBertModel", "nomic_bert")(), tmp_path / "base")
    assert any(n.endswith("attn.Wqkv.weight") for n in tensors_of(base))
    lora = {"r": 2, "target_modules": ["q_proj", "v_proj", "up_proj"], "bias": bias}
    save_adapter(_nomic(base), tmp_path / "adapter", lora)
    report = ours(base, {tmp_path / "adapter": 0.5}, tmp_path / "out")
    assert report.error is None, report.error
    expected = _by_peft(base, tmp_path / "adapter", 0.5, tmp_path / "peft")
    assert differing(tensors_of(tmp_path / "out"), expected) == []
    assert differing(expected, tensors_of(base)) != []


def _nomic(base: Path) -> Any:
    import transformers

    return transformers.NomicBertModel.from_pretrained(base)


def _by_peft(base: Path, adapter: Path, weight: float, folder: Path) -> dict[str, torch.Tensor]:
    return merged_by_peft(with_adapters(_nomic(base), {adapter: weight}), 1, folder)


def test_a_module_that_was_saved_whole_is_no_row_block(tmp_path: Path) -> None:
    base = save_base(of_class("NomicBertModel", "nomic_bert")(), tmp_path / "base")
    lora = {"r": 2, "target_modules": ["up_proj"], "modules_to_save": ["q_proj"]}
    save_adapter(_nomic(base), tmp_path / "adapter", lora)
    with pytest.raises(UnsupportedError, match="only a delta is added there") as caught:
        planned(base, tmp_path / "adapter")
    assert "modules_to_save" in caught.value.hint


def _moe(kind: str, name: str, folder: Path, layout: str = "saved") -> Path:
    """`layout`: as saved, with the `live` tensors, or with experts `transposed`, as some lie on the Hub."""
    model = of_class(name, kind)()
    save_base(model, folder)
    if layout != "saved":
        tensors = {n: t.contiguous() for n, t in model.state_dict().items()}
        if layout == "transposed":
            experts = [n for n in tensors if ".experts." in n]
            tensors |= {n: tensors[n].transpose(1, 2).contiguous() for n in experts}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _found(base: Path, name: str, shape: tuple[int, ...]) -> Target:
    module, _, parameter = name.rpartition(".")
    need = Need(module=module, parameter=parameter, fits=lambda t: t.shape == shape, required=True)
    config = read_json(base, "config.json")
    return resolve([need], open_checkpoint(base), config, label="a").targets[need.name]


_OLD_EXPERT = f"{_LAYER}.block_sparse_moe.experts.2.w1.weight"


@pytest.mark.parametrize(
    "name",
    [_OLD_EXPERT, f"{_LAYER}.mlp.experts.2.w1.weight", _OLD_EXPERT.removeprefix("model.")],
)
def test_an_expert_of_its_own_is_edited_as_it_lies(name: str, tmp_path: Path) -> None:
    base = _moe("mixtral", "MixtralForCausalLM", tmp_path / "base")
    found = _found(base, name, (48, 32))
    assert (found.tensors, found.converter) == ((_OLD_EXPERT,), None)


def test_an_adapter_of_one_expert_changes_that_expert_alone(tmp_path: Path) -> None:
    base = _moe("mixtral", "MixtralForCausalLM", tmp_path / "base")
    a, b = torch.randn(2, 32), torch.randn(48, 2)
    module = PREFIX + _OLD_EXPERT.removesuffix(".weight").replace("block_sparse_moe", "mlp")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    factors = {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}
    save_file(factors, adapter / "adapter_model.safetensors")
    write_json(adapter / "adapter_config.json", {"peft_type": "LORA", "r": 2, "lora_alpha": 4})
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    before, after = tensors_of(base), tensors_of(tmp_path / "out")
    assert differing(after, before) == [_OLD_EXPERT]
    torch.testing.assert_close(after[_OLD_EXPERT], before[_OLD_EXPERT] + 2 * b @ a)


_EXPERTS = f"{_LAYER}.mlp.experts"


def test_stacked_experts_are_pieces_of_the_file(tmp_path: Path) -> None:
    base = _moe("mixtral", "MixtralForCausalLM", tmp_path / "base")
    found = _found(base, f"{_EXPERTS}.gate_up_proj", (4, 96, 32))
    assert (found.rows, found.converter) == (None, "MergeModulelist, Concatenate")
    assert {(p.tensor, p.expert, p.rows.start, p.rows.stop, p.turned) for p in found.pieces} == {
        (f"{_LAYER}.block_sparse_moe.experts.{e}.{w}.weight", e, start, start + 48, False)
        for e in range(4)
        for w, start in {"w1": 0, "w3": 48}.items()
    }


def test_an_expert_by_number_is_rows_of_stacked_ones(tmp_path: Path) -> None:
    base = _moe("mixtral", "MixtralForCausalLM", tmp_path / "base", "live")
    found = _found(base, _OLD_EXPERT.replace("w1", "w3"), (48, 32))
    assert found.tensors == (f"{_EXPERTS}.gate_up_proj",)
    assert (found.expert, found.rows) == (2, slice(48, 96))


def test_experts_that_are_turned_are_one_piece(tmp_path: Path) -> None:
    base = _moe(*_QWEN, tmp_path / "base", "transposed")
    (piece,) = _found(base, f"{_TEXT}.down_proj", (4, 32, 24)).pieces
    assert (piece.tensor, piece.expert, piece.turned) == (f"{_TEXT}.down_proj", None, True)


def _lost(tensors: dict[str, torch.Tensor]) -> None:
    del tensors[_OLD_EXPERT]


def _shorter(tensors: dict[str, torch.Tensor]) -> None:
    tensors[_OLD_EXPERT] = tensors[_OLD_EXPERT][1:].clone()


def _renumbered(tensors: dict[str, torch.Tensor]) -> None:
    tensors[_OLD_EXPERT.replace(".2.", ".7.")] = tensors.pop(_OLD_EXPERT)


@pytest.mark.parametrize("change", [_lost, _shorter, _renumbered])
def test_experts_that_are_not_all_there_are_refused(
    change: Callable[[dict[str, torch.Tensor]], None], tmp_path: Path
) -> None:
    base = _moe("mixtral", "MixtralForCausalLM", tmp_path / "base")
    tensors = tensors_of(base)
    change(tensors)
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UnsupportedError) as caught:
        _found(base, f"{_EXPERTS}.gate_up_proj", (4, 96, 32))
    assert "`model.layers.0.block_sparse_moe.experts.0.w1.weight`" in caught.value.message
    assert "MergeModulelist" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "shape"),
    [(_OLD_EXPERT.replace(".2.", ".4."), (48, 32)), (_OLD_EXPERT, (47, 32))],
    ids=["no such expert", "another shape"],
)
def test_an_expert_that_a_stack_does_not_have(
    name: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    base = _moe("mixtral", "MixtralForCausalLM", tmp_path / "base", "live")
    with pytest.raises((MissingTarget, ShapeMismatch)):
        _found(base, name, shape)


@pytest.mark.parametrize(("layout", "shape"), [("live", (4, 32, 24)), ("transposed", (4, 24, 32))])
def test_the_shape_tells_whose_layout_an_adapter_has(
    layout: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    base = _moe(*_QWEN, tmp_path / "base", layout)
    found = _found(base, f"{_TEXT}.down_proj", shape)
    assert (found.converter, found.info.shape) == (None, shape)
