"""Two parts of a model can look alike: an adapter of one never lands on the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter_merge.errors import AdapterMergeError, Ambiguous, MissingTarget, ShapeMismatch
from tests.contract.eras import of_class
from tests.contract.makers import (
    bert,
    change_tensors,
    llama,
    save_adapter,
    save_base,
    t5,
    tensors_of,
)
from tests.contract.merges import (
    Side,
    expected,
    planned,
    with_bare_names,
    write_adapter,
    write_file,
)
from tests.contract.oracle import differing, ours

_LINEAR = ["q_proj", "fc1"]


def _saved(model: Any, root: Path, adapter: Any, target: str | list[str]) -> None:
    save_base(model, root / "base")
    save_adapter(adapter, root / "adapter", {"r": 2, "target_modules": target})


def _clip() -> Any:
    return of_class("CLIPModel", "clip")()


def _clip_text() -> Any:
    import transformers

    return transformers.CLIPTextModel(_clip().config.text_config)


@pytest.mark.parametrize("names", ["", "text_model."])
def test_a_vision_tower_does_not_land_on_a_text_model_of_its_size(
    names: str, tmp_path: Path
) -> None:
    _saved(_clip_text(), tmp_path, _clip(), r"vision_model.*(q_proj|fc1)")
    _rename_file(tmp_path / "base", lambda n: names + n)
    with pytest.raises(MissingTarget, match="0 of 4 found"):
        planned(tmp_path / "base", tmp_path / "adapter")


def test_the_text_tower_lands_there(tmp_path: Path) -> None:
    _saved(_clip_text(), tmp_path, _clip(), r"text_model.*(q_proj|fc1)")
    plan = planned(tmp_path / "base", tmp_path / "adapter")
    assert [e.target for e in plan.edits if "text_model" in e.target or "layers" in e.target]
    assert len(plan.edits) == 4


def _rename_file(folder: Path, rename: Any) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file({rename(n): t for n, t in load_file(path).items()}, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("make", "part", "ways"),
    [
        (_clip, "vision_model", ["`vision_model`", "`text_model`"]),
        (t5, "encoder", ["`encoder`", "`decoder`"]),
    ],
)
def test_a_part_that_fits_twice_is_refused(
    make: Any, part: str, ways: list[str], tmp_path: Path
) -> None:
    target = r".*SelfAttention\.q" if make is t5 else _LINEAR
    _saved(make(), tmp_path, make().get_submodule(part), target)
    with pytest.raises(Ambiguous) as caught:
        planned(tmp_path / "base", tmp_path / "adapter")
    assert all(way in caught.value.message for way in ways)


@pytest.mark.parametrize(
    ("base", "adapter", "target", "error", "said"),
    [
        (llama(hidden_size=64), llama(), ["q_proj"], ShapeMismatch, "2 of 2 found, 2 of them with another"),
        (llama(), llama(num_hidden_layers=3), ["q_proj"], MissingTarget, "the names are the same: 2 of 3"),
        (llama().model, llama(), ["q_proj", "lm_head"], MissingTarget, "leaves out `model.`: 2 of 3"),
    ],
)  # fmt: skip
def test_another_base_is_refused_with_what_each_reading_covered(
    base: Any,
    adapter: Any,
    target: list[str],
    error: type[AdapterMergeError],
    said: str,
    tmp_path: Path,
) -> None:
    _saved(base, tmp_path, adapter, target)
    with pytest.raises(error) as caught:
        planned(tmp_path / "base", tmp_path / "adapter")
    assert said in caught.value.message
    assert "the names are those of the model's class" in caught.value.message


def test_a_projection_that_the_base_lacks(tmp_path: Path) -> None:
    write_file("PaliGemmaForConditionalGeneration", Side.of("saved"), tmp_path / "base")
    write_adapter("ColPali", Side.of("new"), tmp_path / "adapter")
    with pytest.raises(MissingTarget, match=r"`custom_text_proj\.weight`"):
        planned(tmp_path / "base", tmp_path / "adapter")


@pytest.mark.parametrize("holder", ["0.auto_model.", "0.model."])
def test_a_pipeline_s_name_before_the_model_s(holder: str, tmp_path: Path) -> None:
    _saved(bert(), tmp_path, bert(), ["query", "value"])
    change_tensors(
        tmp_path / "adapter",
        with_bare_names(lambda tensors: {holder + n: t for n, t in tensors.items()}),
    )
    plan = planned(tmp_path / "base", tmp_path / "adapter")
    assert plan.naming == (f"the file leaves out `{holder}`",)
    assert len(plan.edits) == 4


@pytest.mark.parametrize(
    "name", ["LlavaForConditionalGeneration", "Gemma3ForConditionalGeneration"]
)
def test_the_text_part_of_an_adapter_on_a_file_of_its_text_model(name: str, tmp_path: Path) -> None:
    base = write_file(name, Side.of("text, saved"), tmp_path / "base")
    changes = write_adapter(name, Side.of("new"), tmp_path / "adapter")
    text = "model.language_model."
    change_tensors(
        tmp_path / "adapter",
        with_bare_names(lambda found: {n: t for n, t in found.items() if n.startswith(text)}),
    )
    assert ours(base, {tmp_path / "adapter": 1.0}, tmp_path / "out").error is None
    file = set(_values(tensors_of(base)))
    there = [(old, new) for old, new in changes if file & set(_values({"": old}))]
    assert differing(tensors_of(tmp_path / "out"), expected(base, there)) == []
    assert planned(base, tmp_path / "adapter").naming == (f"the file leaves out `{text}`",)


def _values(tensors: Any) -> list[bytes]:
    return [t.contiguous().numpy().tobytes() for t in tensors.values()]
