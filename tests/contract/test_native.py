"""The form that transformers loads: its classes compute from it what colpali-engine's compute from base and adapter.

colpali-engine isn't asked here, but in `tests/colpali`: what its classes do with their inner model is a few
lines, which stand below.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_merge import assemble
from adapter_merge.finding import Outcome
from adapter_merge.report import Report
from adapter_merge.request import AdapterRef, RepoRef, Settings
from tests.build import of_the_merge
from tests.contract import eras
from tests.contract.makers import change_config
from tests.contract.merges import Side, write_adapter, write_file
from tests.contract.oracle import ours
from tests.contract.test_eras import older_config
from tests.flavours import repos

PALI, QWEN = "ColPali", "ColQwen2"
NATIVE = {PALI: "ColPaliForRetrieval", QWEN: "ColQwen2ForRetrieval"}
CASES = [
    (PALI, "saved", "new"),
    (PALI, "live", "old"),
    (PALI, "old", "new"),
    (QWEN, "saved", "old"),
    (QWEN, "old", "new"),
    (QWEN, "full", "new"),
]
Inputs = dict[str, torch.Tensor]


def text() -> Inputs:
    """Two queries, one of them shorter."""
    ids = torch.tensor([[5, 17, 42, 23, 9, 31, 60], [11, 8, 55, 3, 0, 0, 0]])
    return {"input_ids": ids, "attention_mask": (ids != 0).long()}


def page(name: str) -> Inputs:
    """A picture, as the processors of colpali-engine give it."""
    pixels = torch.randn(1, 3, 28, 28, generator=torch.Generator().manual_seed(3))
    if name == PALI:
        ids = torch.tensor([[eras.PICTURE] * 4 + [2, 7, 9, 5]])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}
    grid = torch.tensor([[1, 4, 6]])
    ids = torch.tensor([[5] + [eras.PICTURE] * 6 + [2, 7, 9]])
    patches = torch.randn(1, 24, 3 * 2 * 14 * 14, generator=torch.Generator().manual_seed(3))
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": patches,
        "image_grid_thw": grid,
    }


def by_engine(name: str, model: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """What a class of colpali-engine gives: projected, of length one, nothing where the mask is."""
    given = dict(inputs)
    if name == PALI:
        hidden = model.model(**given, output_hidden_states=True).hidden_states[-1]
    else:
        if "pixel_values" in given:
            given["pixel_values"] = given["pixel_values"][0]
            given["mm_token_type_ids"] = (given["input_ids"] == eras.PICTURE).int()
        hidden = model(**given).last_hidden_state
    found: torch.Tensor = model.custom_text_proj(hidden)
    found = found / found.norm(dim=-1, keepdim=True)
    return found * given["attention_mask"].unsqueeze(-1)


def by_transformers(name: str, model: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Its own class; from transformers 5 on ColQwen2's gives patches the positions of words, unless it is told."""
    given = dict(inputs)
    if name == QWEN and "pixel_values" in given:
        given["position_ids"], _ = model.vlm.get_rope_index(
            given["input_ids"],
            image_grid_thw=given["image_grid_thw"],
            attention_mask=given["attention_mask"],
            mm_token_type_ids=(given["input_ids"] == eras.PICTURE).int(),
        )
    found: torch.Tensor = model(**given).embeddings
    return found


def load_native(name: str, folder: Path) -> Any:
    """The result in the class of transformers; nothing may be missing, left over, or of another shape."""
    import transformers

    cls = getattr(transformers, NATIVE[name])
    model, info = cls.from_pretrained(folder, output_loading_info=True)
    assert not {k: v for k, v in info.items() if v}
    return model.eval()


def reference(name: str, adapter: Path, *, merge: bool) -> Any:
    """The class of colpali-engine with the adapter of today's names on it, or with its weights merged by PEFT."""
    import peft

    wrapped = peft.PeftModel.from_pretrained(eras.part_of(name, "whole"), adapter).eval()
    return wrapped.merge_and_unload() if merge else wrapped.get_base_model()


def make(name: str, root: Path, *, base: str = "saved", adapter: str = "new") -> None:
    """`base`, `adapter`, and `new`, the same adapter under today's names."""
    write_file(name, Side(part="whole", era=base), root / "base")
    torch.manual_seed(5)
    write_adapter(name, Side(part="whole", era=adapter), root / "adapter")
    torch.manual_seed(5)
    write_adapter(name, Side(part="whole", era="new"), root / "new")


def merge(root: Path, **settings: object) -> Report:
    """`out`, in the form of transformers."""
    settings = {"native": True, **settings}
    return ours(root / "base", {root / "adapter": 1.0}, root / "out", **settings)


def checked(root: Path, **settings: object) -> Report:
    """`adapter-merge check` of `out` against what it was made of; a receipt says its form, else a setting."""
    return assemble.check(
        RepoRef.model_validate(str(root / "out")),
        base=RepoRef.model_validate(str(root / "base")),
        adapters=(AdapterRef.model_validate(str(root / "adapter")),),
        settings=Settings.model_validate(settings),
    )


@pytest.mark.parametrize(("name", "base", "adapter"), CASES)
def test_the_class_of_transformers_computes_what_that_of_colpali_engine_does(
    name: str, base: str, adapter: str, tmp_path: Path
) -> None:
    make(name, tmp_path, base=base, adapter=adapter)
    assert merge(tmp_path).error is None
    native = load_native(name, tmp_path / "out")
    bare = eras.part_of(name, "whole").eval()
    merged = reference(name, tmp_path / "new", merge=True)
    unmerged = reference(name, tmp_path / "new", merge=False)
    for inputs in (text(), page(name)):
        with torch.no_grad():
            found = by_transformers(name, native, inputs)
            assert torch.equal(found, by_engine(name, merged, inputs))
            wanted, before = (by_engine(name, m, inputs) for m in (unmerged, bare))
        assert (found - wanted).abs().max() < 1e-5
        assert (wanted - before).abs().max() > 1e-3, "the adapter shows nowhere"


@pytest.mark.parametrize(("name", "base", "adapter"), CASES)
def test_the_names_are_those_that_transformers_saves_again(
    name: str, base: str, adapter: str, tmp_path: Path
) -> None:
    make(name, tmp_path, base=base, adapter=adapter)
    merge(tmp_path)
    model = load_native(name, tmp_path / "out")
    model.save_pretrained(tmp_path / "again")
    ours_, theirs = (
        load_file(tmp_path / folder / "model.safetensors") for folder in ("out", "again")
    )
    assert _with_level(theirs) == set(ours_)


def _with_level(names: Mapping[str, object]) -> set[str]:
    """transformers 5 leaves out one level of the vision tower, which 4 and vLLM need."""
    tower = "vlm.vision_tower."
    return {
        n.replace(tower, f"{tower}vision_model.") if "vision_model" not in n else n for n in names
    }


@pytest.mark.parametrize("name", NATIVE)
def test_the_weights_are_those_of_the_engine_s_form_byte_for_byte(
    name: str, tmp_path: Path
) -> None:
    make(name, tmp_path)
    merge(tmp_path)
    ours(tmp_path / "base", {tmp_path / "adapter": 1.0}, tmp_path / "engine")
    native, engine = (
        sorted(bytes(t.numpy()) for t in load_file(tmp_path / f / "model.safetensors").values())
        for f in ("out", "engine")
    )
    assert native == engine


@pytest.mark.parametrize("name", NATIVE)
def test_a_second_run_changes_nothing_and_the_checks_hold(name: str, tmp_path: Path) -> None:
    make(name, tmp_path)
    first = merge(tmp_path)
    found = of_the_merge(first.findings)
    assert [f for f in found if f.code.startswith("T") and f.outcome is not Outcome.PASS] == []
    assert merge(tmp_path).status == "unchanged"
    out = RepoRef.model_validate(str(tmp_path / "out"))
    assert assemble.verify(out).findings[0].outcome is Outcome.PASS
    card = (tmp_path / "out" / "README.md").read_text()
    assert "library_name: transformers" in card
    assert "pipeline_tag: visual-document-retrieval" in card
    assert "--native" in card


def test_without_the_option_the_result_is_another(tmp_path: Path) -> None:
    make(PALI, tmp_path)
    merge(tmp_path)
    assert merge(tmp_path, native=False).status == "merged"
    assert "custom_text_proj.weight" in load_file(tmp_path / "out" / "model.safetensors")


def lose(start: str, tensors: dict[str, torch.Tensor], base: Path) -> dict[str, torch.Tensor]:
    """The result without a part of the adapter: that part's weights as the base has them."""
    before = load_file(base / "model.safetensors")
    return {
        n: before[n.replace("vlm.model.", "")] if n.startswith(start) else t
        for n, t in tensors.items()
    }


@pytest.mark.parametrize(
    ("fault", "code"),
    [("vlm.model.visual.", "T005"), ("vlm.model.language_model.", "T005"), ("name", "T001")],
)
@pytest.mark.parametrize("receipt", [True, False])
def test_a_fault_in_the_form_is_found(fault: str, code: str, receipt: bool, tmp_path: Path) -> None:
    make(QWEN, tmp_path)
    merge(tmp_path)
    path = tmp_path / "out" / "model.safetensors"
    tensors = load_file(path)
    if fault == "name":
        tensors["custom_text_proj.bias"] = tensors.pop("embedding_proj_layer.bias")
    else:
        tensors = lose(fault, tensors, tmp_path / "base")
    save_file(tensors, path, metadata={"format": "pt"})
    if not receipt:
        (tmp_path / "out" / "merge_receipt.json").unlink()
    report = checked(tmp_path, native=not receipt)
    assert code in {f.code for f in report.findings if f.outcome is Outcome.FAIL}


def test_an_adapter_beside_the_form_is_found(tmp_path: Path) -> None:
    make(QWEN, tmp_path)
    merge(tmp_path)
    shutil.copy(tmp_path / "adapter" / "adapter_config.json", tmp_path / "out")
    report = checked(tmp_path)
    assert "F004" in {f.code for f in report.findings if f.outcome is Outcome.FAIL}


def test_the_config_holds_the_base_s(tmp_path: Path) -> None:
    make(QWEN, tmp_path)
    before = json.loads((tmp_path / "base" / "config.json").read_text())
    report = merge(tmp_path, dtype="bf16")
    after = json.loads((tmp_path / "out" / "config.json").read_text())
    outside = {"architectures", "dtype", "transformers_version"}
    assert after["vlm_config"] == {k: v for k, v in before.items() if k not in outside}
    assert after["dtype"] == "bfloat16"
    assert (after["model_type"], after["embedding_dim"]) == ("colqwen2", 128)
    declared = {c.subject for c in report.changes}
    assert {"config.json: dtype", "config.json: model_type", "config.json: vlm_config"} <= declared


@pytest.mark.parametrize("name", NATIVE)
def test_a_config_of_its_time_is_read_inside_the_form(name: str, tmp_path: Path) -> None:
    make(name, tmp_path, base="old", adapter="old")
    older_config(tmp_path / "base")
    assert merge(tmp_path).error is None
    native = load_native(name, tmp_path / "out")
    merged = reference(name, tmp_path / "new", merge=True)
    for inputs in (text(), page(name)):
        with torch.no_grad():
            found = by_transformers(name, native, inputs)
            assert torch.equal(found, by_engine(name, merged, inputs))


def test_transformers_gives_patches_the_positions_of_words(tmp_path: Path) -> None:
    """Where this fails it asks for the grid again: tell so in the guide, and where its versions are judged."""
    make(QWEN, tmp_path)
    merge(tmp_path)
    native = load_native(QWEN, tmp_path / "out")
    with torch.no_grad():
        told = by_transformers(QWEN, native, page(QWEN))
        assert not torch.equal(native(**page(QWEN)).embeddings, told)


def test_the_processor_of_the_base_becomes_that_of_transformers(tmp_path: Path) -> None:
    import transformers

    make(PALI, tmp_path)
    repos.processor(transformers.PaliGemmaProcessor, "paligemma").save_pretrained(tmp_path / "base")
    report = merge(tmp_path)
    assert {"processor_config.json: processor_class", "queries and pages"} <= {
        c.subject for c in report.changes
    }
    found = transformers.AutoProcessor.from_pretrained(tmp_path / "out")
    assert type(found) is transformers.ColPaliProcessor
    assert found.process_queries(["where"])["input_ids"].shape[0] == 1


def test_a_head_is_left_out_with_the_file_that_it_alone_fills(tmp_path: Path) -> None:
    make(PALI, tmp_path)
    tensors = load_file(tmp_path / "base" / "model.safetensors")
    (tmp_path / "base" / "model.safetensors").unlink()
    head = {
        "model.language_model.lm_head.weight": tensors[
            "model.language_model.model.embed_tokens.weight"
        ].clone()
    }
    files = {"model-00001-of-00002.safetensors": tensors, "model-00002-of-00002.safetensors": head}
    for file, content in files.items():
        save_file(content, tmp_path / "base" / file, metadata={"format": "pt"})
    index = {"weight_map": {n: file for file, content in files.items() for n in content}}
    (tmp_path / "base" / "model.safetensors.index.json").write_text(json.dumps(index))
    assert merge(tmp_path).error is None
    out = tmp_path / "out"
    assert [p.name for p in out.glob("*.safetensors")] == ["model-00001-of-00002.safetensors"]
    load_native(PALI, out)


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("ColPaliForRetrieval", "RequestError", "nothing to do"),
        ("ColModernVBertForRetrieval", "RequestError", "nothing to do"),
        ("ColQwen2_5", "UnsupportedError", "`ColQwen2_5`"),
        ("ColIdefics3", "UnsupportedError", "`ColIdefics3`"),
        ("ColModernVBert", "UnsupportedError", "`ColModernVBert`"),
        ("BiQwen2", "UnsupportedError", "`BiQwen2`"),
        ("LlamaForCausalLM", "UnsupportedError", "is for models of colpali-engine"),
    ],
)
def test_other_bases_are_refused_with_the_reason(
    name: str, error: str, said: str, tmp_path: Path
) -> None:
    make(name, tmp_path)
    change_config(tmp_path / "base", architectures=[name])
    found = merge(tmp_path).error
    assert found is not None
    assert (found.type, found.hint[:5]) in {(error, "Leave"), (error, "Merge")}
    assert said in found.message
