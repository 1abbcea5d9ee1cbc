from __future__ import annotations

import pytest

from adapter_merge.errors import Corrupt, Layout
from adapter_merge.layouts.chain import module_folders, require_whole
from tests.layouts.test_families import POOLED, modules
from tests.layouts.tiny import WEIGHTS, Files, MakeRepo, MakeSide

DENSE = modules(("", "Transformer"), ("2_Dense", "Dense"))
NORMALIZE = [
    *DENSE,
    {"path": "3_Normalize", "type": "sentence_transformers.base.modules.normalize.Normalize"},
]
SPLADE = modules(("", "MLMTransformer"), ("1_Splade", "SpladePooling"))
DENSE_FILES: Files = {"2_Dense/config.json": {}, "2_Dense/model.safetensors": WEIGHTS}


@pytest.mark.parametrize(
    "content", ["{", {"a": 1}, ["a"], [{"path": ""}], [{"path": 1, "type": "x"}]]
)
def test_a_broken_modules_file_is_corrupt(make_repo: MakeRepo, content: object) -> None:
    with pytest.raises(Corrupt, match=r"modules\.json"):
        module_folders(make_repo({"modules.json": content}))


def test_the_folder_of_a_module_is_written_in_one_way(make_repo: MakeRepo) -> None:
    repo = make_repo({"modules.json": modules(("", "Transformer"), ("./2_Dense/", "Dense"))})
    assert module_folders(repo) == {"2_Dense"}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, None),
        ({"modules.json": POOLED}, "the folder `1_Pooling`"),
        ({"modules.json": POOLED, "1_Pooling_old/config.json": {}}, "the folder `1_Pooling`"),
        ({"modules.json": POOLED, "1_Pooling/config.json": {}}, None),
        ({"modules.json": modules(("../out", "Dense"))}, "the folder `../out`"),
        ({"modules.json": DENSE, "2_Dense/config.json": {}}, "the Dense layer `2_Dense`"),
        ({"modules.json": DENSE, **DENSE_FILES}, None),
        ({"modules.json": DENSE, "2_Dense/pytorch_model.bin": b"x"}, None),
        # Since sentence-transformers 6.0 it has a config, and would be loaded without it.
        ({"modules.json": NORMALIZE, **DENSE_FILES}, "the folder `3_Normalize`"),
        (
            {"modules.json": NORMALIZE, **DENSE_FILES, "3_Normalize/README.md": "x"},
            "the Normalize module `3_Normalize`, which has no `config.json`",
        ),
        ({"modules.json": NORMALIZE, **DENSE_FILES, "3_Normalize/config.json": {}}, None),
        ({"modules.json": SPLADE, "1_Splade/x.json": {}}, "the SpladePooling module `1_Splade`"),
    ],
)
def test_a_gap_is_an_error_with_its_name(
    make_repo: MakeRepo, files: Files, said: str | None
) -> None:
    repo = make_repo(files)
    if said is None:
        return require_whole(repo)
    with pytest.raises(Corrupt, match=said):
        require_whole(repo)
    return None


@pytest.mark.parametrize("kind", ["Transformer", "MLMTransformer", "CLIPModel"])
def test_a_model_in_a_folder_is_refused(make_repo: MakeRepo, kind: str) -> None:
    folder = f"0_{kind}"
    files: Files = {"modules.json": modules((folder, kind)), f"{folder}/config.json": {}}
    with pytest.raises(Layout, match=f"`modules.json` of the base keeps the model in `{folder}`"):
        require_whole(make_repo(files))


def test_an_adapter_with_a_gap_does_not_fall_back_to_the_base(make_side: MakeSide) -> None:
    base: Files = {"modules.json": DENSE, **DENSE_FILES}
    with pytest.raises(Corrupt, match=r"`modules\.json` of `0` names the folder `2_Dense`"):
        make_side(base, {"modules.json": DENSE})


def test_an_adapter_without_its_normalize_is_refused(make_side: MakeSide) -> None:
    base: Files = {"modules.json": NORMALIZE, **DENSE_FILES, "3_Normalize/config.json": {}}
    with pytest.raises(Corrupt, match=r"of `0` names the folder `3_Normalize`, which isn't there"):
        make_side(base, {"modules.json": NORMALIZE, **DENSE_FILES})


def test_a_gap_in_a_base_whose_chain_is_not_used_is_none(make_side: MakeSide) -> None:
    whole: Files = {"modules.json": DENSE, **DENSE_FILES}
    side = make_side({"modules.json": DENSE}, whole)
    assert {f.origin for f in side.files if f.path in whole} == {"0"}
