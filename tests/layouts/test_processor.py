from __future__ import annotations

from typing import Any

import pytest

from adapter_merge.layouts.families import PROCESSOR, choose
from tests.layouts.tiny import Files, MakeRepo, MakeSide

IMAGES = {"image_processor_type": "XImageProcessor", "size": {"height": 28}, "do_resize": True}
VIDEOS = {"video_processor_type": "XVideoProcessor", "size": {"height": 28}}
SOUND = {"feature_extractor_type": "XFeatureExtractor", "sampling_rate": 16000}
NAMED = {"processor_class": "XProcessor"}
NEW: Files = {"processor_config.json": {"image_processor": IMAGES, "seq": 4, **NAMED}}
OLD: Files = {
    "preprocessor_config.json": {**IMAGES, **NAMED},
    "processor_config.json": {"seq": 4, **NAMED},
}
FILMS: Files = {
    "processor_config.json": {"image_processor": IMAGES, "video_processor": VIDEOS, **NAMED}
}
OLD_FILMS: Files = {
    "preprocessor_config.json": {**IMAGES, **NAMED},
    "video_preprocessor_config.json": {**VIDEOS, **NAMED},
}


def images(**changes: Any) -> Files:
    return {**OLD, "preprocessor_config.json": {**IMAGES, **changes}}


@pytest.mark.parametrize(
    ("base", "adapter", "same"),
    [
        (OLD, NEW, True),
        (NEW, OLD, True),
        (OLD_FILMS, FILMS, True),
        (FILMS, OLD_FILMS, True),
        ({"preprocessor_config.json": SOUND}, {"processor_config.json": {"feature_extractor": SOUND}}, True),
        # What the adapter leaves out, the base may have; what it has, the base must have too.
        (FILMS, {"preprocessor_config.json": IMAGES}, True),
        (OLD, FILMS, False),
        ({"preprocessor_config.json": IMAGES}, NEW, False),
        # One spelling or the other.
        (images(image_processor_type="XImageProcessorFast", data_format="channels_first"), NEW, True),
        (images(crop_size=None, _valid_processor_keys=["x"]), NEW, True),
        (images(size={"shortest_edge": 1, "longest_edge": 9}), images(min_pixels=1, max_pixels=9), True),
        # Another value, and a default that only one of both writes out.
        (images(size={"height": 14}), NEW, False),
        (images(image_processor_type="YImageProcessor"), NEW, False),
        (images(resample=3), NEW, False),
        (images(min_pixels=1, max_pixels=8), images(min_pixels=1, max_pixels=9), False),
        ({**OLD, "processor_config.json": {"seq": 5}}, NEW, False),
        ({}, NEW, False),
    ],
)  # fmt: skip
def test_processors_of_two_generations_are_compared_by_meaning(
    make_repo: MakeRepo, base: Files, adapter: Files, same: bool
) -> None:
    ours, theirs = make_repo(base), make_repo(adapter, "a")
    choice = choose(PROCESSOR, ours, (theirs,))
    assert (choice.winner is ours) is same


@pytest.mark.parametrize("theirs", ['{"size":  1}', '{"size": 2}', '{"size": 1, "mean": 0}'])
def test_spaces_are_no_difference(make_repo: MakeRepo, theirs: str) -> None:
    base = make_repo({"preprocessor_config.json": {"size": 1}})
    choice = choose(PROCESSOR, base, (make_repo({"preprocessor_config.json": theirs}, "a"),))
    assert (choice.winner is base) is (theirs == '{"size":  1}')


@pytest.mark.parametrize(("base", "adapter"), [(OLD_FILMS, NEW), (FILMS, OLD), (OLD, FILMS)])
def test_files_of_two_generations_are_never_mixed(
    make_side: MakeSide, base: Files, adapter: Files
) -> None:
    adapter = {**adapter, "processor_config.json": {**adapter["processor_config.json"], "seq": 7}}
    side = make_side(base, adapter)
    kept = {f.path: f.origin for f in side.files if "processor" in f.path}
    assert kept == dict.fromkeys(adapter, "0")
    assert {f.path for f in side.left_behind if f.origin == "base"} == set(base)
    assert [c.subject for c in side.changes] == ["processor"]


def test_the_files_of_an_equal_processor_stay(make_side: MakeSide) -> None:
    side = make_side(OLD, NEW)
    assert {f.path: f.origin for f in side.files if f.path in OLD} == dict.fromkeys(OLD, "base")
    assert side.changes == ()
    assert [f.path for f in side.left_behind if f.origin == "0"] == ["processor_config.json"]
