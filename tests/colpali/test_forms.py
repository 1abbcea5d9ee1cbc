"""Merged models in the classes of colpali-engine, and in those of transformers: queries and pages, by path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_merge import assemble
from adapter_merge.finding import Outcome
from adapter_merge.request import AdapterRef, RepoRef, Settings
from tests.contract import makers
from tests.contract.oracle import ours
from tests.flavours import repos

pytestmark = pytest.mark.colpali

QUERIES = ["where is the harbour?", "who"]
# Without the pooling head's `out_proj`, which its class reads past PEFT's layer.
_LAYERS = r"(?!.*head\.attention)(.*\.)?([qkvo]_proj|out_proj|gate_proj|up_proj|down_proj|fc1|fc2|qkv|proj|mlp\.0|linear)"
TARGETS = rf"{_LAYERS}|custom_text_proj"
BOUND = 1e-5
Inputs = Mapping[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Family:
    """A class of colpali-engine and the type of its model; `eyes` is where its vision tower is."""

    name: str
    kind: str
    eyes: str

    @property
    def processor(self) -> str:
        return f"{self.name}Processor"

    def of_engine(self, folder: Path) -> Any:
        model, info = self._class.from_pretrained(folder, output_loading_info=True)
        assert not {k: v for k, v in info.items() if v}
        return model.eval()

    def native(self, folder: Path) -> Any:
        import transformers

        cls = getattr(transformers, f"{self.name}ForRetrieval")
        model, info = cls.from_pretrained(folder, output_loading_info=True)
        assert not {k: v for k, v in info.items() if v}
        return model.eval()

    @property
    def _class(self) -> Any:
        return getattr(import_module("colpali_engine.models"), self.name)

    def asked(self, folder: Path) -> dict[str, Inputs]:
        """Queries and pages as colpali-engine prepares them."""
        maker = getattr(import_module("colpali_engine.models"), self.processor)
        processor = maker.from_pretrained(folder)
        return {
            "queries": processor.process_queries(QUERIES),
            "pages": processor.process_images(pages()),
        }

    def make(self, root: Path) -> None:
        """`base`, `adapter`, and both merged: `out`, and `native` in the form of transformers."""
        repos.engine(self.name, self.processor, self.kind)(root / "base")
        makers.save_adapter(self.of_engine(root / "base"), root / "adapter", _lora())
        for to, native in (("out", False), ("native", True)):
            report = ours(root / "base", {root / "adapter": 1.0}, root / to, native=native)
            assert report.error is None, report.error


FAMILIES = [
    Family(name="ColPali", kind="paligemma", eyes="vision_tower."),
    Family(name="ColQwen2", kind="qwen2_vl", eyes="visual."),
]


def _lora() -> dict[str, object]:
    return {"r": 4, "lora_alpha": 6, "target_modules": TARGETS}


def pages() -> list[Any]:
    """One upright, one lying."""
    from PIL import Image

    shapes = ((60, 90), (90, 60))
    return [Image.effect_mandelbrot(s, (-2, -1.2, 1, 1.2), 60).convert("RGB") for s in shapes]


def engine(model: Any, inputs: Inputs) -> torch.Tensor:
    """The vectors of a model of colpali-engine, which changes the inputs that it gets."""
    with torch.no_grad():
        found: torch.Tensor = model(**dict(inputs))
    return found


def native(model: Any, inputs: Inputs) -> torch.Tensor:
    """Those of a model of transformers; ColQwen2's takes the places of patches only where they are given."""
    given = dict(inputs)
    if "image_grid_thw" in given:
        names = ("image_grid_thw", "attention_mask", "mm_token_type_ids")
        told = {name: given[name] for name in names}
        given["position_ids"], _ = model.vlm.get_rope_index(given["input_ids"], **told)
    with torch.no_grad():
        found: torch.Tensor = model(**given).embeddings
    return found


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_the_merged_model_loads_by_path_and_equals_base_and_adapter(
    family: Family, tmp_path: Path
) -> None:
    import peft

    family.make(tmp_path)
    merged, bare = (family.of_engine(tmp_path / f) for f in ("out", "base"))
    unmerged = peft.PeftModel.from_pretrained(
        family.of_engine(tmp_path / "base"), tmp_path / "adapter"
    ).eval()
    for inputs in family.asked(tmp_path / "out").values():
        wanted = engine(unmerged, inputs)
        assert (engine(merged, inputs) - wanted).abs().max() < BOUND
        assert (engine(bare, inputs) - wanted).abs().max() > 100 * BOUND


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_the_form_of_transformers_equals_that_of_colpali_engine(
    family: Family, tmp_path: Path
) -> None:
    family.make(tmp_path)
    ours_, theirs = family.native(tmp_path / "native"), family.of_engine(tmp_path / "out")
    for inputs in family.asked(tmp_path / "out").values():
        assert torch.equal(native(ours_, inputs), engine(theirs, inputs))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_both_forms_bring_a_processor(family: Family, tmp_path: Path) -> None:
    import transformers

    family.make(tmp_path)
    found = transformers.AutoProcessor.from_pretrained(tmp_path / "native")
    assert type(found) is getattr(transformers, family.processor)
    model = family.native(tmp_path / "native")
    asked, shown = found.process_queries(QUERIES), found.process_images(images=pages())
    with torch.no_grad():
        scores = found.score_retrieval(model(**asked).embeddings, model(**shown).embeddings)
    assert scores.shape == (2, 2)
    by_engine = family.asked(tmp_path / "native")
    assert torch.equal(shown["pixel_values"], by_engine["pages"]["pixel_values"])


@pytest.mark.parametrize("form", ["out", "native"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_a_lost_vision_adapter_is_found(family: Family, form: str, tmp_path: Path) -> None:
    """Queries can't show it."""
    family.make(tmp_path)
    whole = {k: engine(family.of_engine(tmp_path / "out"), v) for k, v in _asked(family, tmp_path)}
    lose_eyes(family, tmp_path, form)
    report = assemble.check(
        RepoRef.model_validate(str(tmp_path / form)),
        base=RepoRef.model_validate(str(tmp_path / "base")),
        adapters=(AdapterRef.model_validate(str(tmp_path / "adapter")),),
        settings=Settings.model_validate({}),
    )
    assert "T005" in {f.code for f in report.findings if f.outcome is Outcome.FAIL}
    if form == "out":
        lost = {
            k: engine(family.of_engine(tmp_path / "out"), v) for k, v in _asked(family, tmp_path)
        }
        assert torch.equal(lost["queries"], whole["queries"])
        assert (lost["pages"] - whole["pages"]).abs().max() > 100 * BOUND


def _asked(family: Family, root: Path) -> list[tuple[str, Inputs]]:
    return list(family.asked(root / "base").items())


def lose_eyes(family: Family, root: Path, form: str) -> None:
    """The vision tower as the base has it, whatever its names are there."""
    base = load_file(root / "base" / "model.safetensors")
    path = root / form / "model.safetensors"
    ends = {n.partition(family.eyes)[2]: t for n, t in base.items() if family.eyes in n}
    tensors = load_file(path)
    for name in (n for n in tensors if family.eyes in n):
        tensors[name] = ends[name.partition(family.eyes)[2].removeprefix("vision_model.")]
    save_file(tensors, path, metadata={"format": "pt"})
