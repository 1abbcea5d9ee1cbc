"""Tiny repositories of the classes that read pages, each with the processor that its real ones have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from tests import processors
from tests.contract import eras, makers

_SPECIAL = [
    "[PAD]",
    "[UNK]",
    "[MASK]",
    "</s>",
    "<bos>",
    "<image>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<|endoftext|>",
    "<fake_token_around_image>",
    "<end_of_utterance>",
    "<global-img>",
    "<|begin_of_text|>",
]
_ROLES = dict(zip(("pad", "unk", "mask", "eos", "bos"), _SPECIAL, strict=False))
_SEEN = (
    "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}"
)
_NAMED = {
    "gemma3": {
        "boi_token": "<|vision_start|>",
        "eoi_token": "<|vision_end|>",
        "image_token": "<image>",
    }
}
QWEN_PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
# What the tiny models count: patches of 14 pixels, and four of them to a token where they are merged.
_SIDE = 28


def tokenizer(template: str | None = None, kind: str = "") -> Any:
    """A token a letter, and those that stand for pictures."""
    outer = processors.characters(
        _SPECIAL,
        "abcdefghijklmnopqrstuvwxyzDQTWU?.: \n",
        _ROLES,
        model_specific_special_tokens=_NAMED.get(kind, {}),
    )
    outer.chat_template = template
    return outer


def token(word: str) -> int:
    """Its id."""
    return _SPECIAL.index(word)


def config(kind: str) -> Any:
    """A tiny config of a model type whose picture tokens are the tokenizer's."""
    found = eras.config(kind)
    inner = getattr(found, "vlm_config", found)
    pad = "<|image_pad|>" if "qwen" in inner.model_type else "<image>"
    inner.image_token_id = inner.image_token_index = token(pad)
    if "qwen" in inner.model_type:
        inner.video_token_id = token("<|video_pad|>")
        inner.vision_start_token_id = token("<|vision_start|>")
        inner.vision_end_token_id = token("<|vision_end|>")
    return found


def _qwen3(side: int) -> Any:
    images = processors.qwen(side)
    images.image_mean = images.image_std = [0.5, 0.5, 0.5]
    return images


# Model type -> its image processor, and what its processor is told beside.
_PROCESSORS: Mapping[str, tuple[Callable[[int], Any], Mapping[str, object]]] = {
    "paligemma": (processors.siglip, {}),
    "idefics3": (processors.idefics, {"image_seq_len": 1}),
    "modernvbert": (processors.idefics, {"image_seq_len": 4}),
    "llava": (
        processors.clip,
        {
            "patch_size": processors.PATCH,
            "num_additional_image_tokens": 1,
            "vision_feature_select_strategy": "default",
        },
    ),
    "gemma3": (processors.gemma, {"image_seq_length": 4}),
    "qwen2_vl": (processors.qwen, {}),
    "qwen2_5_vl": (processors.qwen, {}),
    "qwen3_vl": (_qwen3, {}),
    "qwen3_5": (_qwen3, {}),
}


def images_of(kind: str) -> Any:
    """The image processor of a model type."""
    return _PROCESSORS[kind][0](_SIDE)


def processor(made_by: Any, kind: str, template: str | None = None) -> Any:
    """A processor of a class for a model type; those of Qwen need torchvision for their videos."""
    more = _PROCESSORS[kind][1]
    parts: dict[str, object] = {
        "image_processor": images_of(kind),
        "tokenizer": tokenizer(template, kind),
    }
    if "qwen" in kind:
        import transformers

        version = 3 if "3" in kind else 2
        parts["video_processor"] = getattr(transformers, f"Qwen{version}VLVideoProcessor")()
    return made_by(**parts, **more, chat_template=template)


def processor_of(name: str, kind: str, picture: str) -> Any:
    """A processor of transformers whose chat template writes `picture` for each picture."""
    import transformers

    made_by = getattr(transformers, f"{name}Processor")
    return processor(made_by, kind, _SEEN.replace("IMAGE", picture))


def sees(kind: str, name: str, picture: str) -> Callable[[Path], None]:
    """Saves a vision-language model; `picture` is what its chat template writes for one."""

    def save(folder: Path) -> None:
        import transformers

        model = getattr(transformers, f"{name}ForConditionalGeneration")
        makers.save_base(model(config(kind)), folder)
        processor_of(name, kind, picture).save_pretrained(folder)

    return save


def native(name: str, kind: str, inner: str) -> Callable[[Path], None]:
    """Saves a retrieval model of transformers."""

    def save(folder: Path) -> None:
        import transformers

        makers.save_base(getattr(transformers, f"{name}ForRetrieval")(config(kind)), folder)
        processor(getattr(transformers, f"{name}Processor"), inner).save_pretrained(folder)

    return save


def engine(name: str, made_by: str, kind: str) -> Callable[[Path], None]:
    """Saves a retrieval model of colpali-engine."""

    def save(folder: Path) -> None:
        models = import_module("colpali_engine.models")
        makers.save_base(getattr(models, name)(config(kind)), folder)
        template = _SEEN.replace("IMAGE", "<|vision_start|>") if kind == "gemma3" else None
        processor(getattr(models, made_by), kind, template).save_pretrained(folder)

    return save
