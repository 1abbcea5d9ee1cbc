"""A merged repository of each kind: its files, what its card calls it, and the code in that card, run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from adapter_merge.readme import Readme
from tests.contract.oracle import ours
from tests.flavours.test_snippets import FORMS, WITH_VIDEOS, of_engine

_CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
_ADAPTED = re.compile(r"(.*\.(?:q_proj|query|q|qkv|Wqkv|c_proj))\.weight")
_TOKENIZER = {"tokenizer.json", "tokenizer_config.json"}
_OURS = {"README.md", "merge_receipt.json"}
_TEXT = {"config.json", "model.safetensors", *_TOKENIZER, *_OURS}
_WRITES = {*_TEXT, "generation_config.json"}
_SEES = {*_WRITES, "processor_config.json", "chat_template.jinja"}
_PAGES = {*_TEXT, "processor_config.json"}
_CHAIN = {*_TEXT, "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"}
_POOLED = {*_CHAIN, "1_Pooling/config.json"}
_LATE = {"1_Dense/config.json", "1_Dense/model.safetensors", "2_MultiVectorMask/config.json", "3_Normalize/config.json"}  # fmt: skip

# Form -> library, task, files.
KINDS = {
    "sentence-transformers": ("sentence-transformers", "sentence-similarity", _POOLED),
    "prompts": ("sentence-transformers", "sentence-similarity", _POOLED),
    "SparseEncoder": (
        "sentence-transformers",
        "feature-extraction",
        {*_CHAIN, "1_SpladePooling/config.json"},
    ),
    "MultiVectorEncoder": ("sentence-transformers", "feature-extraction", {*_CHAIN, *_LATE}),
    "MultiVectorEncoder of pages": (
        "sentence-transformers",
        "visual-document-retrieval",
        {*_CHAIN, "1_MultiVectorMask/config.json", "processor_config.json"},
    ),
    "CrossEncoder": ("sentence-transformers", "text-ranking", _CHAIN),
    "causal": ("transformers", "text-generation", _WRITES),
    "chat": ("transformers", "text-generation", {*_WRITES, "chat_template.jinja"}),
    "gpt2": ("transformers", "text-generation", _WRITES),
    "t5": ("transformers", None, _WRITES),
    "bare": ("transformers", "feature-extraction", _TEXT),
    "classifier": ("transformers", "text-classification", _TEXT),
    "tokens": ("transformers", "token-classification", _TEXT),
    "answers": ("transformers", "question-answering", _TEXT),
    "masked": ("transformers", "fill-mask", _TEXT),
    **dict.fromkeys(
        ("PaliGemma", "Gemma3", "Idefics3", "LLaVA", "Qwen2-VL", "Qwen2.5-VL", "Qwen3-VL"),
        ("transformers", "image-text-to-text", _SEES),
    ),
    **dict.fromkeys(
        ("ColPali", "ColModernVBert", "ColQwen2"),
        ("transformers", "visual-document-retrieval", _PAGES),
    ),
}
_ENGINE = ("colpali-engine", "visual-document-retrieval", _PAGES)


def adapt(base: Path, folder: Path) -> None:
    """A small adapter on the attention of a base, under the names of its file."""
    folder.mkdir()
    values = np.random.default_rng(1)
    tensors, modules = {}, []
    with safe_open(base / "model.safetensors", framework="np") as file:
        for name in file.keys():  # noqa: SIM118 - it is no dict
            found = _ADAPTED.fullmatch(name)
            if found is None or len(shape := file.get_slice(name).get_shape()) != 2:
                continue
            modules.append(found[1])
            # GPT-2 keeps its weights with the inputs first.
            rows, columns = reversed(shape) if "c_proj" in name else shape
            for part, size in {"A": (2, columns), "B": (rows, 2)}.items():
                key = f"base_model.model.{found[1]}.lora_{part}.weight"
                tensors[key] = values.standard_normal(size, dtype=np.float32) * 0.1
    assert modules
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 2, "target_modules": modules}
    config |= {"fan_in_fan_out": "c_proj" in modules[0]}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def merged(root: Path) -> Readme:
    """Merge, and give the card; one of the base would speak first."""
    (root / "model/README.md").unlink(missing_ok=True)
    adapt(root / "model", root / "adapter")
    report = ours(root / "model", {root / "adapter": 1.0}, root / "out")
    assert report.error is None, report.error
    return Readme.parse((root / "out/README.md").read_text())


def files(folder: Path) -> set[str]:
    """Every file below a folder."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("form", KINDS)
def test_a_merged_repository_is_whole_and_its_card_runs(
    form: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if form in WITH_VIDEOS:
        pytest.importorskip("torchvision")
    (FORMS | WITH_VIDEOS)[form](tmp_path / "model")
    library, task, expected = KINDS[form]
    card = merged(tmp_path)
    assert (card.text("library_name"), card.text("pipeline_tag")) == (library, task)
    assert files(tmp_path / "out") == expected
    run(card, tmp_path, monkeypatch)
    assert capsys.readouterr().out


@pytest.mark.parametrize("name", ["BiIdefics3", "BiPali", "ColIdefics3", "ColPali", "ColQwen2", "ColQwen2_5", "ColQwen3", "ColQwen3_5"])  # fmt: skip
def test_a_merged_repository_of_colpali_engine_is_whole_and_its_card_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("colpali_engine")
    of_engine(name)(tmp_path / "model")
    card = merged(tmp_path)
    library, task, expected = _ENGINE
    assert (card.text("library_name"), card.text("pipeline_tag")) == (library, task)
    assert files(tmp_path / "out") == expected
    run(card, tmp_path, monkeypatch)


def run(card: Readme, root: Path, patch: pytest.MonkeyPatch) -> None:
    """The code in a card, where it was merged."""
    (code,) = _CODE.findall(card.body)
    patch.chdir(root)
    patch.setenv("HF_HUB_OFFLINE", "1")
    exec(code, {})  # noqa: S102 - it is what is tested


def test_every_form_is_merged() -> None:
    assert KINDS.keys() == FORMS.keys() | WITH_VIDEOS.keys()
