"""Repositories that sentence-transformers saved: merged, they give what base and adapter give unmerged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapter_merge.flavours import Look, flavour_of
from tests.contract import makers
from tests.contract.oracle import ours
from tests.flavours.test_snippets import tokenizer

sentence_transformers = pytest.importorskip("sentence_transformers")

SENTENCES = ["Anna lives", "Where is harbour Anna", "harbour"]
PROMPTS = {"query": "Where ", "document": ""}
_LORA = {"r": 4, "lora_alpha": 6, "target_modules": ["query", "value", "dense"]}


def _inner(folder: Path, kind: str = "BertModel") -> Path:
    makers.save_base(makers.bert(kind), folder)
    tokenizer().save_pretrained(folder)
    return folder


def _base(root: Path) -> Path:
    """Encoder, pooling, dense layer and norm, with prompts; `inner` has the encoder alone."""
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    torch.manual_seed(3)
    modules = [
        Transformer(str(_inner(root / "inner"))),
        Pooling(32, "cls"),
        Dense(32, 8),
        Normalize(),
    ]
    made = sentence_transformers.SentenceTransformer(modules=modules, prompts=PROMPTS, device="cpu")
    made.save(str(root / "base"))
    return root / "base"


def _of(kind: str, inner: str, **given: object) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        torch.manual_seed(3)
        source = str(_inner(root / "inner", inner))
        made = getattr(sentence_transformers, kind)(source, device="cpu", **given)
        made.save_pretrained(str(root / "base"))
        return root / "base"

    return make


def _trained(kind: str, base: Path, folder: Path, **prompts: str) -> Path:
    """An adapter that the library saved, with side modules and prompts that were trained with it."""
    import peft

    made = getattr(sentence_transformers, kind)(str(base), device="cpu")
    torch.manual_seed(5)
    made.add_adapter(peft.LoraConfig(**_LORA))
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "lora_" in name or not name.startswith("0."):
                parameter.normal_(0, 0.5)
    made.prompts |= prompts
    made.save_pretrained(str(folder))
    assert (folder / "adapter_model.safetensors").exists()
    return folder


def _encoded(kind: str, folder: Path) -> tuple[Any, np.ndarray]:
    made = getattr(sentence_transformers, kind)(str(folder), device="cpu")
    if kind == "CrossEncoder":
        return made, np.asarray(made.predict([(s, "harbour") for s in SENTENCES]))
    if kind == "SentenceTransformer":
        return made, np.concatenate([made.encode(SENTENCES), made.encode_query(SENTENCES)])
    queries = made.encode_query(SENTENCES)
    return made, np.asarray(made.similarity(queries, made.encode_document(SENTENCES)))


def _chain(made: Any) -> Iterator[str]:
    return (type(module).__name__ for module in made)


def _assert_same(kind: str, out: Path, adapter: Path, base: Path) -> Any:
    """As the adapter's folder, which the library loads unmerged onto the base that it names."""
    result, found = _encoded(kind, out)
    reference, expected = _encoded(kind, adapter)
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
    assert np.abs(_encoded(kind, base)[1] - expected).max() > 1e-3 * np.abs(expected).max()
    assert list(_chain(result)) == list(_chain(reference))
    assert result.prompts == reference.prompts
    return result


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("onto", ["base", "inner"])
def test_trained_side_modules_and_prompts_win_whole(
    onto: str, compat: bool, tmp_path: Path
) -> None:
    base = _base(tmp_path)
    adapter = _trained("SentenceTransformer", base, tmp_path / "adapter", query="Anna ")
    report = ours(tmp_path / onto, {adapter: 1.0}, tmp_path / "out", compat=compat)
    assert report.error is None, report.error
    result = _assert_same("SentenceTransformer", tmp_path / "out", adapter, base)
    assert result.prompts["query"] == "Anna "
    dense = "2_Dense/model.safetensors"
    assert (tmp_path / "out" / dense).read_bytes() == (adapter / dense).read_bytes()
    assert (tmp_path / "out" / dense).read_bytes() != (base / dense).read_bytes()
    kinds = [m["type"] for m in json.loads((tmp_path / "out/modules.json").read_text())]
    assert all(k.startswith("sentence_transformers.models.") for k in kinds) is compat


def test_an_adapter_without_modules_gets_the_base_s(tmp_path: Path) -> None:
    base = _base(tmp_path)
    adapter = _trained("SentenceTransformer", base, tmp_path / "adapter")
    for path in adapter.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.name.startswith("adapter_"):
            path.unlink()
    assert ours(base, {adapter: 1.0}, tmp_path / "out").error is None
    result = _encoded("SentenceTransformer", tmp_path / "out")[0]
    assert list(_chain(result)) == ["Transformer", "Pooling", "Dense", "Normalize"]
    assert result.prompts == PROMPTS
    for name in ("modules.json", "2_Dense/model.safetensors", "1_Pooling/config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (base / name).read_bytes()


def test_a_chain_under_its_older_names_is_kept(tmp_path: Path) -> None:
    base = _base(tmp_path)
    adapter = _trained("SentenceTransformer", base, tmp_path / "adapter")
    # What the library wrote before 5.4, for which `--compat` has its own tests.
    assert ours(base, {adapter: 1.0}, tmp_path / "older", compat=True).error is None
    for path in ("modules.json", "sentence_bert_config.json", "1_Pooling/config.json"):
        shutil.copy(tmp_path / "older" / path, adapter / path)
    assert ours(base, {adapter: 1.0}, tmp_path / "out").error is None
    assert (tmp_path / "out/modules.json").read_bytes() == (adapter / "modules.json").read_bytes()
    _assert_same("SentenceTransformer", tmp_path / "out", adapter, base)


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("SparseEncoder", _of("SparseEncoder", "BertForMaskedLM")),
        ("MultiVectorEncoder", _of("MultiVectorEncoder", "BertModel")),
        ("CrossEncoder", _of("CrossEncoder", "BertModel", num_labels=1)),
    ],
)
def test_the_other_classes_are_merged_and_named(
    kind: str, make: Callable[[Path], Path], tmp_path: Path
) -> None:
    base = make(tmp_path)
    adapter = _trained(kind, base, tmp_path / "adapter")
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    _assert_same(kind, tmp_path / "out", adapter, base)
    look = Look.at(tmp_path / "out")
    assert f"{kind}('./out')" in flavour_of(look).snippet(look, "./out", None)


@pytest.mark.parametrize("of", ["base", "adapter"])
def test_a_module_that_is_not_there_is_an_error_with_its_name(of: str, tmp_path: Path) -> None:
    base = _base(tmp_path)
    adapter = _trained("SentenceTransformer", base, tmp_path / "adapter")
    if of == "base":
        (adapter / "modules.json").unlink()
    shutil.rmtree(tmp_path / of / "2_Dense")
    error = ours(base, {adapter: 1.0}, tmp_path / "out").error
    assert error is not None
    assert (error.type, "`2_Dense`" in error.message) == ("Corrupt", True)


def test_an_encoder_in_a_folder_is_refused_with_what_helps(tmp_path: Path) -> None:
    base = _base(tmp_path)
    adapter = _trained("SentenceTransformer", base, tmp_path / "adapter")
    inside = base / "0_Transformer"
    inside.mkdir()
    for path in [p for p in base.iterdir() if p.is_file() and p.name != "modules.json"]:
        path.rename(inside / path.name)
    modules = json.loads((base / "modules.json").read_text())
    (base / "modules.json").write_text(json.dumps([{**modules[0], "path": "0_Transformer"}, *modules[1:]]))  # fmt: skip
    error = ours(base, {adapter: 1.0}, tmp_path / "out").error
    assert error is not None
    assert (error.type, "`0_Transformer`" in error.message) == ("Layout", True)
    # The hint: loaded and saved again, it stands at the top.
    sentence_transformers.SentenceTransformer(str(base), device="cpu").save(str(tmp_path / "again"))
    assert ours(tmp_path / "again", {adapter: 1.0}, tmp_path / "out").error is None
