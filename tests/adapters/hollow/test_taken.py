"""Whether loaders would take an adapter: asked of real classes without weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapter_merge.adapters.hollow import Taken, taken
from adapter_merge.request import AdapterRef, RepoRef
from adapter_merge.stages.resolve import resolve_adapter, resolve_base
from tests.contract import eras, makers
from tests.contract.makers import change_config, change_tensors, save_adapter, save_base

QUERIES = {"r": 4, "target_modules": ["query"]}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A bare encoder, and an adapter that was trained on it."""
    base = save_base(makers.bert(), tmp_path / "base")
    adapter = save_adapter(makers.loaded(base, "AutoModel"), tmp_path / "adapter", QUERIES)
    return base, adapter


def asked(base: Path, adapter: Path) -> Taken:
    ref = AdapterRef.model_validate(str(adapter))
    return taken(resolve_adapter(ref), resolve_base(RepoRef.model_validate(str(base))))


def test_the_class_that_takes_all_is_named(folders: tuple[Path, Path]) -> None:
    assert asked(*folders) == Taken(by="BertModel")


def test_a_transformers_that_tells_nothing_isn_t_believed(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    monkeypatch.setattr(transformers.PreTrainedModel, "load_adapter", lambda *_: None)
    assert "doesn't tell" in asked(*folders).why


def _drop(folder: Path) -> None:
    change_tensors(folder, lambda ts: {n: t for n, t in ts.items() if ".1." not in n})


def _more(folder: Path) -> None:
    name = "base_model.model.encoder.layer.9.attention.self.query.lora_A.weight"
    change_tensors(folder, lambda ts: {**ts, name: next(iter(ts.values())).clone()})


def _saved(folder: Path) -> None:
    name = "base_model.model.pooler.dense.weight"
    change_tensors(folder, lambda ts: {**ts, name: next(iter(ts.values())).clone()})


def _rows(folder: Path) -> None:
    name = "base_model.model.words.token_adapter.trainable_tokens_delta"
    change_tensors(folder, lambda ts: {**ts, name: next(iter(ts.values())).clone()})


def _foreign(folder: Path) -> None:
    change_tensors(folder, lambda ts: {n.removeprefix("base_model."): t for n, t in ts.items()})


def _says(**values: object) -> Callable[[Path], None]:
    return lambda folder: change_config(folder, **values)


@pytest.mark.parametrize(
    ("plant", "why"),
    [
        (_drop, "its file lacks"),
        (_more, "no layer takes"),
        (_saved, "its `pooler.dense.weight` of shape [4, 32] finds of shape [32, 32]"),
        (_rows, "its rows for `words` find none"),
        (_foreign, "no name that PEFT saves"),
        (_says(target_modules=["gone"]), "can't load it"),
        (_says(new_option=True), "doesn't know its option"),
        (_says(peft_type="PREFIX_TUNING"), "PREFIX_TUNING is never merged"),
        (_says(peft_type="WHO"), "its method is WHO"),
        (_says(peft_type=None), "has no `peft_type`"),
    ],
)
def test_what_a_loader_would_lose_is_said(
    folders: tuple[Path, Path], plant: Callable[[Path], None], why: str
) -> None:
    plant(folders[1])
    found = asked(*folders)
    assert found.by == ""
    assert why in found.why


def test_a_class_that_is_not_known_is_said(folders: tuple[Path, Path]) -> None:
    change_config(folders[0], model_type="nobody")
    assert "isn't part of transformers" in asked(*folders).why


def test_it_says_nothing_and_leaves_transformers_as_it_was(
    folders: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging

    before = logging.is_progress_bar_enabled()
    asked(*folders)
    assert capfd.readouterr() == ("", "")
    assert logging.is_progress_bar_enabled() is before


@pytest.mark.parametrize("name", ["ColPali", "ColQwen2"])
def test_the_colpali_family_s_tree_is_asked(name: str, tmp_path: Path) -> None:
    base = save_base(eras.MODELS[name](), tmp_path / "base")
    change_config(base, architectures=[name])
    lora = {"r": 4, "target_modules": r".*(q_proj|custom_text_proj)"}
    adapter = save_adapter(eras.MODELS[name](), tmp_path / "adapter", lora)
    assert asked(base, adapter) == Taken(by=name)
