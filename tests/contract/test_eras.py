"""Base and adapter as they were before names changed: merged, they compute what today's names compute.

A text alone would not see that an adapter's vision part was lost, so each model is also shown a page.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_merge.finding import Outcome
from tests.contract.eras import ERAS, PICTURE, renamed
from tests.contract.logits import BOUND, assert_close
from tests.contract.makers import change_config, change_tensors
from tests.contract.merges import Side, with_bare_names, write_adapter, write_file
from tests.contract.oracle import ours
from tests.contract.test_methods import checked
from tests.flavours import repos

# Class -> type of the model that sees.
KINDS = {
    "Qwen2VLForConditionalGeneration": "qwen2_vl",
    "Qwen2_5_VLForConditionalGeneration": "qwen2_5_vl",
    "PaliGemmaForConditionalGeneration": "paligemma",
    "Gemma3ForConditionalGeneration": "gemma3",
    "Idefics3ForConditionalGeneration": "idefics3",  # its names are what they were
    "LlavaForConditionalGeneration": "llava",
    "ColPaliForRetrieval": "paligemma",
    "ColQwen2ForRetrieval": "qwen2_vl",
}
ENGINE = {"ColPali": "paligemma", "ColQwen2": "qwen2_vl", "ColQwen2_5": "qwen2_5_vl"}
_ROPE = "rope_parameters"
_SEES = re.compile(r"(^|\.)(visual|vision_tower|vision_model)\.")


def older_config(folder: Path) -> None:
    """`config.json` in the words of its time: rotary parameters, dtype, and Qwen's text model at the top."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    holders = [config, *(config[k] for k in ("text_config", "vlm_config") if k in config)]
    holders += [h["text_config"] for h in holders[1:] if "text_config" in h]
    for holder in holders:
        holder.update(_older_rope(holder.pop(_ROPE, None) or {}))
        if "dtype" in holder:
            holder["torch_dtype"] = holder.pop("dtype")
    if config["model_type"].startswith("qwen2"):
        text = config.pop("text_config")
        config = {**text, **config, "rope_scaling": {**text["rope_scaling"], "type": "mrope"}}
    path.write_text(json.dumps(config))


def _older_rope(rope: Mapping[str, Any]) -> dict[str, Any]:
    if "full_attention" in rope:
        local = rope["sliding_attention"]["rope_theta"]
        return {"rope_theta": rope["full_attention"]["rope_theta"], "rope_local_base_freq": local}
    rest = {k: v for k, v in rope.items() if k not in ("rope_theta", "rope_type")}
    return {k: rope[k] for k in ("rope_theta",) if k in rope} | (
        {"rope_scaling": {"type": "default", **rest}} if rest else {}
    )


def seen(name: str) -> dict[str, torch.Tensor]:
    """A page and a text, as the model takes them."""
    from PIL import Image

    kind = (KINDS | ENGINE)[name]
    page = Image.effect_mandelbrot((90, 60), (-2, -1.2, 1, 1.2), 60).convert("RGB")
    made = repos.images_of(kind)(images=[[page]], return_tensors="pt")
    inputs = {
        k: made[k] for k in ("pixel_values", "pixel_attention_mask", "image_grid_thw") if k in made
    }
    count = {"idefics3": 1}.get(kind, 4)
    if "image_grid_thw" in inputs:
        count = int(inputs["image_grid_thw"].prod()) // 4
    if name.startswith("ColQwen"):
        inputs["pixel_values"] = inputs["pixel_values"][None]
    ids = torch.tensor([[3, *[PICTURE] * count, 5, 6, 7, 8]])
    pictured = (ids == PICTURE).int()
    if kind in {"paligemma", "gemma3"}:
        inputs["token_type_ids"] = pictured
    elif kind.startswith("qwen") and name != "ColQwen2ForRetrieval":
        inputs["mm_token_type_ids"] = pictured
    return {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}


def read(name: str) -> dict[str, torch.Tensor]:
    """A text alone."""
    ids = torch.arange(3, 19)[None]
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


VIEWS = {"text": read, "page": seen}


def loaded(name: str, folder: Path) -> Any:
    """A folder as today's class loads it, with no key too many or too few."""
    library = import_module("colpali_engine.models" if name in ENGINE else "transformers")
    model, info = getattr(library, name).from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    return model.eval()


def outputs(model: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Logits, or a vector for each token."""
    with torch.no_grad():
        made = model(**inputs)
    if isinstance(made, torch.Tensor):
        return made
    found: torch.Tensor = made.logits if "logits" in made else made.embeddings
    return found


def write(name: str, root: Path) -> None:
    """`base` and `adapter` under today's names, and the same as `old-base` and `old-adapter`."""
    write_file(name, Side.of("saved"), root / "base")
    write_file(name, Side.of("old"), root / "old-base")
    older_config(root / "old-base")
    write_adapter(name, Side.of("new"), root / "adapter")
    shutil.copytree(root / "adapter", root / "old-adapter")
    change_tensors(root / "old-adapter", with_bare_names(lambda t: renamed(t, old_names(name))))


def old_names(name: str) -> tuple[tuple[str, str], ...]:
    """The renames of a class whose names changed."""
    return tuple(ERAS.get(name, {}).get("old", ()))


def only_vision(folder: Path) -> None:
    """Leave an adapter its vision part alone; PEFT would fill modules without tensors with noise."""
    change_tensors(folder, lambda tensors: {n: t for n, t in tensors.items() if _SEES.search(n)})
    names = load_file(folder / "adapter_model.safetensors")
    modules = {n.removeprefix("base_model.model.").partition(".lora_")[0] for n in names}
    change_config(folder, target_modules=sorted(modules))


def unmerged(name: str, base: Path, adapter: Path) -> Any:
    """Today's class with the adapter on it."""
    import peft

    model = loaded(name, base)
    return peft.PeftModel.from_pretrained(model, adapter).eval()


def needs(name: str) -> None:
    """Skip a class of colpali-engine where that isn't installed."""
    if name in ENGINE:
        pytest.importorskip("colpali_engine")


def moved(found: torch.Tensor, before: torch.Tensor) -> bool:
    """Whether the adapter shows well above what `assert_close` lets pass."""
    return float((found - before).abs().max()) > 10 * BOUND * float(found.abs().max())


@pytest.mark.parametrize("name", [*KINDS, *ENGINE])
def test_old_base_and_old_adapter_compute_what_today_s_do(name: str, tmp_path: Path) -> None:
    needs(name)
    write(name, tmp_path)
    report = ours(tmp_path / "old-base", {tmp_path / "old-adapter": 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    before = {view: outputs(loaded(name, tmp_path / "base"), VIEWS[view](name)) for view in VIEWS}
    reference = unmerged(name, tmp_path / "base", tmp_path / "adapter")
    result = loaded(name, tmp_path / "out")
    for view, inputs in VIEWS.items():
        expected = outputs(reference, inputs(name))
        assert_close(outputs(result, inputs(name)), expected, bound=BOUND)
        assert moved(expected, before[view])


@pytest.mark.parametrize("name", [*KINDS, *ENGINE])
def test_an_old_vision_part_alone_is_seen_on_a_page_only(name: str, tmp_path: Path) -> None:
    needs(name)
    write(name, tmp_path)
    for adapter in ("adapter", "old-adapter"):
        only_vision(tmp_path / adapter)
    report = ours(tmp_path / "old-base", {tmp_path / "old-adapter": 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    base, result = loaded(name, tmp_path / "base"), loaded(name, tmp_path / "out")
    assert torch.equal(outputs(result, read(name)), outputs(base, read(name)))
    page = seen(name)
    expected = outputs(unmerged(name, tmp_path / "base", tmp_path / "adapter"), page)
    assert_close(outputs(result, page), expected, bound=BOUND)
    assert moved(expected, outputs(base, page))


@pytest.mark.parametrize("new", [r"\1eyes.", r"\1\2.encoder.", r"\1", r"\1\2.\2."])
@pytest.mark.parametrize("name", KINDS)
def test_a_vision_part_under_names_of_no_era_is_merged_whole_or_not_at_all(
    name: str, new: str, tmp_path: Path
) -> None:
    write(name, tmp_path)
    change_tensors(
        tmp_path / "old-adapter",
        lambda tensors: {_SEES.sub(new, n, count=1): t for n, t in tensors.items()},
    )
    report = ours(tmp_path / "old-base", {tmp_path / "old-adapter": 1.0}, tmp_path / "out")
    if "eyes" in new or report.error is not None:
        assert report.error is not None
        assert report.error.type in {"MissingTarget", "Ambiguous"}
        assert not (tmp_path / "out").exists()
        return
    page = seen(name)
    expected = outputs(unmerged(name, tmp_path / "base", tmp_path / "adapter"), page)
    assert_close(outputs(loaded(name, tmp_path / "out"), page), expected, bound=BOUND)


@pytest.mark.parametrize("name", KINDS)
def test_a_result_without_its_vision_part_is_found(name: str, tmp_path: Path) -> None:
    """As a loader leaves it that knows no old names, and says nothing."""
    write(name, tmp_path)
    assert (
        ours(tmp_path / "old-base", {tmp_path / "old-adapter": 1.0}, tmp_path / "out").error is None
    )
    before, path = (
        load_file(tmp_path / "old-base/model.safetensors"),
        tmp_path / "out/model.safetensors",
    )
    lost = {n: before[n] if _SEES.search(n) else t for n, t in load_file(path).items()}
    save_file(lost, path, metadata={"format": "pt"})
    report = checked(tmp_path / "out", tmp_path / "old-base", tmp_path / "old-adapter")
    failed = {f.code for f in report.findings if f.outcome is Outcome.FAIL}
    assert any(code.startswith("T") for code in failed), failed


def test_every_class_that_has_an_older_era_is_shown_a_page() -> None:
    old = {name for name, eras in ERAS.items() if "old" in eras}
    unseen = {"ViTForImageClassification", "MllamaForConditionalGeneration", "BiQwen2"}
    assert old == (KINDS.keys() - {"Idefics3ForConditionalGeneration"}) | ENGINE.keys() | unseen
