"""T014 on a real class: planted faults, and what is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_merge import assemble
from adapter_merge.finding import Finding, Outcome
from adapter_merge.request import AdapterRef, RepoRef, Settings
from tests.contract.makers import (
    Tensors,
    bert,
    change_config,
    llama,
    marian,
    save_adapter,
    save_base,
)
from tests.contract.oracle import ours

NORM, HEAD = "model.norm.weight", "lm_head.weight"


@dataclass(frozen=True, kw_only=True)
class Folders:
    """A base, an adapter and their merge."""

    base: Path
    adapter: Path
    out: Path

    def change(self, folder: Path, change: Callable[[Tensors], object]) -> None:
        path = folder / "model.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path, metadata={"format": "pt"})

    def found(self, *, alone: bool = False) -> Finding:
        """T014 of `check`, with or without the sources."""
        adapters = () if alone else (AdapterRef.model_validate(str(self.adapter)),)
        report = assemble.check(
            RepoRef.model_validate(str(self.out)),
            base=None if alone else RepoRef.model_validate(str(self.base)),
            adapters=adapters,
            settings=Settings.model_validate({"probe": "off"}),
        )
        (found,) = [f for f in report.findings if f.code == "T014"]
        return found


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    base = save_base(llama(), tmp_path / "base")
    lora = {"target_modules": ["q_proj"]}
    adapter = save_adapter(llama(), tmp_path / "adapter", lora)
    assert ours(base, {adapter: 1.0}, tmp_path / "out").status == "merged"
    return Folders(base=base, adapter=adapter, out=tmp_path / "out")


def test_a_right_merge_passes(folders: Folders) -> None:
    found = folders.found()
    assert found.outcome is Outcome.PASS
    assert found.message == "names, shapes and class are those of the base model"
    alone = folders.found(alone=True)
    assert alone.outcome is Outcome.PASS
    assert "`LlamaForCausalLM`" in alone.message


def _beside(tensors: Tensors) -> None:
    tensors["norm.weight"] = torch.ones(48)


def _lost(tensors: Tensors) -> None:
    del tensors[NORM]


def _cut(tensors: Tensors) -> None:
    tensors[NORM] = tensors[NORM][:40].clone()


FAULTS = {
    "two tensors for one parameter": (_beside, "doubled", NORM, "`norm.weight`"),
    "a parameter without a tensor": (_lost, "unfilled", NORM, "no tensor fills 1 parameter"),
    "a tensor of another shape": (_cut, "misshapen", NORM, "another shape"),
}


@pytest.mark.parametrize(("change", "kind", "name", "part"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_of_the_merge_fails_and_one_of_the_base_warns(
    change: Callable[[Tensors], object], kind: str, name: str, part: str, folders: Folders
) -> None:
    folders.change(folders.out, change)
    found = folders.found()
    assert found.outcome is Outcome.FAIL
    assert found.evidence == {kind: [name]}
    assert part in found.message
    assert folders.found(alone=True).outcome is Outcome.WARN
    folders.change(folders.base, change)
    found = folders.found()
    if kind == "doubled":
        assert found.outcome is Outcome.WARN
        assert "the base model's file is the same" in found.message
    else:  # the merge changed no name and no shape, so the class is not asked
        assert found.outcome is Outcome.PASS


def test_a_tensor_that_transformers_leaves_out_is_no_fault(folders: Folders) -> None:
    def add(tensors: Tensors) -> None:
        tensors["mtp.layers.0.weight"] = torch.ones(4)
        tensors["model.rotary_emb.inv_freq"] = torch.ones(6)

    folders.change(folders.base, add)
    folders.change(folders.out, add)
    assert folders.found().outcome is Outcome.PASS


def test_a_tie_fills_what_the_file_leaves_out(tmp_path: Path) -> None:
    base = save_base(llama(tie_word_embeddings=True), tmp_path / "base")
    lora = {"target_modules": ["q_proj"]}
    adapter = save_adapter(llama(tie_word_embeddings=True), tmp_path / "adapter", lora)
    assert ours(base, {adapter: 1.0}, tmp_path / "out").status == "merged"
    made = Folders(base=base, adapter=adapter, out=tmp_path / "out")
    assert HEAD not in load_file(made.out / "model.safetensors")
    assert made.found().outcome is Outcome.PASS
    change_config(made.out, tie_word_embeddings=False)
    found = made.found()
    assert found.outcome is Outcome.FAIL
    assert found.evidence == {"unfilled": [HEAD]}


def test_another_class_that_needs_a_layer_which_the_base_lacks(tmp_path: Path) -> None:
    base = save_base(bert("BertForMaskedLM"), tmp_path / "base")
    adapter = save_adapter(
        bert("BertForMaskedLM"), tmp_path / "adapter", {"target_modules": ["query"]}
    )
    assert ours(base, {adapter: 1.0}, tmp_path / "out").status == "merged"
    change_config(tmp_path / "out", architectures=["BertModel"])
    found = Folders(base=base, adapter=adapter, out=tmp_path / "out").found()
    assert found.outcome is Outcome.FAIL
    assert found.evidence == {"unfilled": ["pooler.dense.weight", "pooler.dense.bias"]}


def test_a_class_that_cannot_be_built_is_skipped(folders: Folders) -> None:
    change_config(folders.out, model_type="of_next_year")
    found = folders.found()
    assert found.outcome is Outcome.SKIP
    assert "`of_next_year`" in found.message


def test_what_the_class_computes_may_be_missing_and_a_head_may_not(tmp_path: Path) -> None:
    base = save_base(marian(), tmp_path / "base")
    adapter = save_adapter(marian(), tmp_path / "adapter", {"target_modules": ["q_proj"]})
    assert ours(base, {adapter: 1.0}, tmp_path / "out").status == "merged"
    made = Folders(base=base, adapter=adapter, out=tmp_path / "out")
    names = load_file(made.out / "model.safetensors").keys()
    assert not any("embed_positions" in n for n in names)
    assert made.found().outcome is Outcome.PASS
    change_config(made.out, tie_word_embeddings=False, share_encoder_decoder_embeddings=False)
    found = made.found()
    assert found.outcome is Outcome.FAIL
    assert HEAD in str(found.evidence["unfilled"])
