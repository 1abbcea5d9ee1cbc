"""Whether two processors are the same, whichever generation of transformers wrote their files.

Version 4 has a file for images or sound, one for videos and one for the rest; version 5 has all of it in
`processor_config.json`. Transformers 5 and 4.57 read both: of either, the nested form goes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from adapter_merge.layouts.repo import Repo

_Config: TypeAlias = Mapping[str, Any]

_WHOLE, _IMAGES, _VIDEOS = (
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
)
_AUDIO_TOKENIZER = "audio_tokenizer_config.json"
FILES = (_IMAGES, _WHOLE, _VIDEOS, _AUDIO_TOKENIZER)
_IMAGE, _SOUND, _VIDEO, _CODEC = _PARTS = (
    "image_processor",
    "feature_extractor",
    "video_processor",
    "audio_tokenizer",
)
# What says nothing of how anything is prepared, or says what is done without it.
_UNSAID = ("processor_class", "_valid_processor_keys")
_USUAL = {"data_format": "channels_first"}


def describes_inputs(repo: Repo) -> bool:
    """Whether a repository says how images, videos or sound are prepared.

    Raises:
        Corrupt: a JSON file isn't an object.
    """
    return _IMAGES in repo.files or not _parts(repo).keys().isdisjoint((_IMAGE, _SOUND, _VIDEO))


def same_processor(base: Repo, adapter: Repo) -> bool:
    """Whether the base prepares everything that the adapter's processor prepares, and in the same way.

    Defaults that only one of both writes out count as a difference: what they are is the class's to know.

    Raises:
        Corrupt: a JSON file isn't an object.
    """
    ours, theirs = _parts(base), _parts(adapter)
    return all(ours.get(part) == said for part, said in theirs.items())


def _parts(repo: Repo) -> Mapping[str, _Config]:
    """What each part of the processor is told; `""` is the processor itself, where it is told something."""
    whole, images = repo.object(_WHOLE), repo.object(_IMAGES)
    is_sound = "feature_extractor_type" in images
    found: dict[str, _Config] = {
        _IMAGE: {} if is_sound and "image_processor_type" not in images else images,
        _SOUND: images if is_sound else {},
        _VIDEO: repo.object(_VIDEOS),
        _CODEC: repo.object(_AUDIO_TOKENIZER),
        "": {key: value for key, value in whole.items() if key not in _PARTS},
    }
    found |= {part: whole[part] for part in _PARTS if isinstance(whole.get(part), dict)}
    plain = {part: _plain(config) for part, config in found.items()}
    return {part: config for part, config in plain.items() if config}


def _plain(config: _Config) -> _Config:
    """The same in one spelling: of classes, of bounds in pixels, and without what means nothing."""
    said = {k: v for k, v in config.items() if v is not None and k not in _UNSAID}
    said = {k: v for k, v in said.items() if _USUAL.get(k) != v}
    said |= {k: _class(v) for k, v in said.items() if k.endswith("_type")}
    bounds = {"shortest_edge": said.pop("min_pixels", 0), "longest_edge": said.pop("max_pixels", 0)}
    if all(bounds.values()):
        said["size"] = bounds
    return said


def _class(name: object) -> object:
    """A class without what it computes with: the fast one and that on Pillow prepare the same."""
    return name.removesuffix("Fast").removesuffix("Pil") if isinstance(name, str) else name
