"""The names of the form that transformers loads, for files of every release of colpali-engine."""

from __future__ import annotations

from typing import Any, cast

import pytest

from adapter_merge.checkpoint import TensorInfo
from adapter_merge.errors import Layout, MissingTarget, Unclaimed
from adapter_merge.layouts.native import FORMS
from adapter_merge.plan import AdapterTensor, Edit, PlannedTensor

PROJECTION = {
    "custom_text_proj.weight": "embedding_proj_layer.weight",
    "custom_text_proj.bias": "embedding_proj_layer.bias",
}
PALI_TEXT, PALI_EYES = "vlm.language_model.model.norm.w", "vlm.vision_tower.vision_model.head.w"
QWEN_TEXT, QWEN_EYES = "vlm.model.language_model.norm.w", "vlm.model.visual.merger.w"
NAMES = {
    "ColPali": PROJECTION
    | {
        "model.language_model.model.norm.w": PALI_TEXT,
        "model.model.language_model.norm.w": PALI_TEXT,
        "model.vision_tower.vision_model.head.w": PALI_EYES,
        "model.vision_tower.head.w": PALI_EYES,
        "model.model.vision_tower.head.w": PALI_EYES,
        "model.model.vision_tower.vision_model.head.w": PALI_EYES,
        "model.multi_modal_projector.linear.w": "vlm.multi_modal_projector.linear.w",
        "model.model.multi_modal_projector.linear.w": "vlm.multi_modal_projector.linear.w",
        "model.language_model.lm_head.weight": None,
        "model.lm_head.weight": None,
    },
    "ColQwen2": PROJECTION
    | {
        "model.norm.w": QWEN_TEXT,
        "language_model.norm.w": QWEN_TEXT,
        "model.language_model.norm.w": QWEN_TEXT,
        "visual.merger.w": QWEN_EYES,
        "model.visual.merger.w": QWEN_EYES,
        "lm_head.weight": None,
    },
}
HEAD = "model.lm_head.weight"
SHARED = AdapterTensor(adapter=0, name="head")


class FakeEdit:
    """As far as renaming looks at one."""

    def __init__(self, *uses: AdapterTensor) -> None:
        self.uses = uses


def tensor(name: str, *uses: AdapterTensor) -> PlannedTensor:
    info = TensorInfo(name=name, dtype="F32", shape=(16, 4), start=0, stop=0)
    edit = cast("Edit", cast("Any", FakeEdit(*uses))) if uses else None
    return PlannedTensor(info=info, base=None, edit=edit)


@pytest.mark.parametrize(
    ("engine", "name", "wanted"),
    [(engine, *pair) for engine, names in NAMES.items() for pair in names.items()],
)
def test_a_name_of_any_release_becomes_the_form_s(
    engine: str, name: str, wanted: str | None
) -> None:
    found = [t.info.name for t in FORMS[engine].renamed([tensor(name)])]
    assert found == ([] if wanted is None else [wanted])


@pytest.mark.parametrize("engine", FORMS)
def test_a_tensor_without_a_place_is_refused(engine: str) -> None:
    with pytest.raises(Layout, match=r"no place for the base's tensor `mtp\.w`"):
        FORMS[engine].renamed([tensor("mtp.w")])


def test_two_tensors_of_one_place_are_refused() -> None:
    with pytest.raises(Layout, match="two tensors"):
        FORMS["ColQwen2"].renamed([tensor("visual.merger.w"), tensor("model.visual.merger.w")])


def test_a_head_that_an_adapter_changes_alone_is_refused() -> None:
    with pytest.raises(Unclaimed, match="the adapter changes `model"):
        FORMS["ColPali"].renamed([tensor(HEAD, SHARED)])


def test_a_head_that_shares_its_change_with_the_embedding_is_left_out() -> None:
    embedding = tensor("model.language_model.model.embed_tokens.weight", SHARED)
    found = FORMS["ColPali"].renamed([embedding, tensor(HEAD, SHARED)])
    assert [t.info.name for t in found] == ["vlm.language_model.model.embed_tokens.weight"]


@pytest.mark.parametrize("engine", FORMS)
def test_an_embedding_is_as_long_as_the_projection_has_rows(engine: str) -> None:
    form = FORMS[engine]
    assert form.dimension(form.renamed([tensor("custom_text_proj.weight")])) == 16
    with pytest.raises(MissingTarget, match="no projection"):
        form.dimension([])
