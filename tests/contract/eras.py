"""Tiny models of vision-language and retrieval classes, and what their tensors were called before."""

from __future__ import annotations

import copy
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, TypeAlias

import torch

from tests.contract.makers import Tensors, bert, gpt2, llama, vit

Renames: TypeAlias = tuple[tuple[str, str], ...]
# The token that stands for a part of a picture.
PICTURE = 90

_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 96,
}
_HEADS = {"head_dim": 8}
_ROPE = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
_EYES = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
_QWEN_EYES = {
    "depth": 2,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_heads": 2,
    "out_hidden_size": 32,
    "patch_size": 14,
}
_SIGLIP = {"model_type": "siglip_vision_model", **_EYES}
_BERT_LIKE = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1}

# Model type -> what its tiny config says.
_CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "qwen2_vl": {
        "text_config": {**_TEXT, "rope_parameters": _ROPE},
        "vision_config": {"depth": 2, "embed_dim": 24, "hidden_size": 32, "num_heads": 2,
                          "mlp_ratio": 2, "patch_size": 14},
        "tie_word_embeddings": False,
    },
    "qwen2_5_vl": {
        "text_config": {**_TEXT, "rope_parameters": _ROPE},
        "vision_config": {**_QWEN_EYES, "fullatt_block_indexes": [1]},
        "tie_word_embeddings": False,
    },
    "qwen3_vl": {
        "text_config": {**_TEXT, **_HEADS, "rope_parameters": _ROPE},
        "vision_config": {**_QWEN_EYES, "num_position_embeddings": 16, "deepstack_visual_indexes": [0]},
        "tie_word_embeddings": False,
    },
    "qwen3_5": {
        "text_config": {**_TEXT, **_HEADS, "layer_types": ["linear_attention", "full_attention"],
                        "linear_num_key_heads": 2, "linear_key_head_dim": 8,
                        "linear_num_value_heads": 2, "linear_value_head_dim": 8,
                        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2],
                                            "rope_theta": 10000.0, "partial_rotary_factor": 1.0}},
        "vision_config": {**_QWEN_EYES, "num_position_embeddings": 16},
        "tie_word_embeddings": False,
    },
    "paligemma": {
        "text_config": {"model_type": "gemma", **_TEXT, **_HEADS},
        "vision_config": _SIGLIP,
        "projection_dim": 32,
        "hidden_size": 32,
    },
    "gemma3": {
        "text_config": {**_TEXT, **_HEADS}, "vision_config": _SIGLIP, "mm_tokens_per_image": 4,
    },
    "idefics3": {
        "text_config": {"model_type": "llama", **_TEXT}, "vision_config": _EYES, "scale_factor": 2,
    },
    "llava": {
        "text_config": {"model_type": "llama", **_TEXT},
        "vision_config": {"model_type": "clip_vision_model", "projection_dim": 16, **_EYES},
    },
    "mllama": {
        "text_config": {**_TEXT, "num_hidden_layers": 3, "cross_attention_layers": [1], "pad_token_id": 0,
                        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
        "vision_config": {"hidden_size": 24, "attention_heads": 2, "num_hidden_layers": 2,
                          "num_global_layers": 1, "intermediate_size": 40, "image_size": 28,
                          "patch_size": 14, "vision_output_dim": 72,
                          "intermediate_layers_indices": [0, 1],
                          "supported_aspect_ratios": [[1, 1]], "max_num_tiles": 1},
    },
    "clip": {
        "text_config": {k: v for k, v in {**_EYES, "vocab_size": 96}.items() if "_size" in k or "num" in k},
        "vision_config": _EYES,
        "projection_dim": 16,
    },
    "modernvbert": {
        "text_config": {"model_type": "modernbert", "hidden_size": 32, "intermediate_size": 48,
                        "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 96,
                        "sep_token_id": 2, **_BERT_LIKE},
        "vision_config": _SIGLIP,
        "pixel_shuffle_factor": 1,
    },
    "nomic_bert": {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "vocab_size": 96,
    },
    "mixtral": {**_TEXT, "num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_vl_moe": {
        "text_config": {**_TEXT, **_HEADS, "rope_parameters": _ROPE, "num_experts": 4,
                        "num_experts_per_tok": 2, "moe_intermediate_size": 24},
        "vision_config": {**_QWEN_EYES, "num_position_embeddings": 16, "deepstack_visual_indexes": [0]},
    },
}  # fmt: skip


def config(kind: str) -> Any:
    """A tiny config of a model type; the retrieval classes hold one of another type."""
    import transformers

    inner = {"colpali": "paligemma", "colqwen2": "qwen2_vl", "colmodernvbert": "modernvbert"}.get(
        kind
    )
    values = {"vlm_config": config(inner), "embedding_dim": 16} if inner else _CONFIGS[kind]
    made = transformers.CONFIG_MAPPING[kind](**copy.deepcopy(values))
    if "vision_config" in values:
        made.image_token_id = made.image_token_index = PICTURE
    return made


def of_class(name: str, kind: str) -> Callable[[], Any]:
    """Makes a model of a class of transformers."""

    def build() -> Any:
        import transformers

        return getattr(transformers, name)(config(kind))

    return build


def retriever(
    name: str, inner: str, kind: str, projection: str | None, *, held: bool
) -> Callable[[], Any]:
    """Makes a model as colpali-engine builds it: a class that extends another, or holds it as `model`."""

    def build() -> Any:
        import transformers

        around = getattr(transformers, inner)
        model = around(config(kind))
        if held:
            parent = next(c for c in around.__mro__ if c.__name__.endswith("PreTrainedModel"))
            model, inside = type(name, (parent,), {})(model.config), model
            model.model = inside
        else:
            model.__class__ = type(name, (around,), {})
        if projection is not None:
            setattr(model, projection, torch.nn.Linear(32, 128))
        return model

    return build


_PROJ = "custom_text_proj"
MODELS: Mapping[str, Callable[[], Any]] = {
    "LlamaForCausalLM": llama,
    "GPT2LMHeadModel": gpt2,
    "BertForSequenceClassification": lambda: bert("BertForSequenceClassification"),
    "ViTForImageClassification": vit,
    "CLIPModel": of_class("CLIPModel", "clip"),
    "Qwen2VLForConditionalGeneration": of_class("Qwen2VLForConditionalGeneration", "qwen2_vl"),
    "Qwen2_5_VLForConditionalGeneration": of_class("Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl"),
    "Qwen3VLForConditionalGeneration": of_class("Qwen3VLForConditionalGeneration", "qwen3_vl"),
    "PaliGemmaForConditionalGeneration": of_class("PaliGemmaForConditionalGeneration", "paligemma"),
    "Gemma3ForConditionalGeneration": of_class("Gemma3ForConditionalGeneration", "gemma3"),
    "Idefics3ForConditionalGeneration": of_class("Idefics3ForConditionalGeneration", "idefics3"),
    "LlavaForConditionalGeneration": of_class("LlavaForConditionalGeneration", "llava"),
    "MllamaForConditionalGeneration": of_class("MllamaForConditionalGeneration", "mllama"),
    "ColPaliForRetrieval": of_class("ColPaliForRetrieval", "colpali"),
    "ColQwen2ForRetrieval": of_class("ColQwen2ForRetrieval", "colqwen2"),
    "ColModernVBertForRetrieval": of_class("ColModernVBertForRetrieval", "colmodernvbert"),
    "ColPali": retriever("ColPali", "PaliGemmaForConditionalGeneration", "paligemma", _PROJ, held=True),
    "ColQwen2": retriever("ColQwen2", "Qwen2VLModel", "qwen2_vl", _PROJ, held=False),
    "BiQwen2": retriever("BiQwen2", "Qwen2VLModel", "qwen2_vl", None, held=False),
    "ColQwen2_5": retriever("ColQwen2_5", "Qwen2_5_VLModel", "qwen2_5_vl", _PROJ, held=False),
    "ColQwen3": retriever("ColQwen3", "Qwen3VLModel", "qwen3_vl", _PROJ, held=False),
    "ColGemma3": retriever("ColGemma3", "Gemma3Model", "gemma3", _PROJ, held=False),
    "ColIdefics3": retriever("ColIdefics3", "Idefics3Model", "idefics3", "linear", held=True),
    "ColModernVBert": retriever("ColModernVBert", "ModernVBertModel", "modernvbert", _PROJ, held=True),
}  # fmt: skip

_QWEN_OLD: Renames = ((r"^model\.visual\.", "visual."), (r"^model\.language_model\.", "model."))
_LLAVA_OLD: Renames = (
    (r"^model\.language_model\.", "language_model.model."),
    (r"^model\.vision_tower\.", "vision_tower.vision_model."),
    (r"^model\.multi_modal_projector", "multi_modal_projector"),
)
_MLLAMA_OLD: Renames = (
    (r"^model\.language_model\.", "language_model.model."),
    (r"^model\.(vision_model\.|multi_modal_projector)", r"\1"),
)
_VIT_OLD: Renames = (
    (r"layers\.", "encoder.layer."),
    (r"attention\.q_proj", "attention.attention.query"),
    (r"attention\.k_proj", "attention.attention.key"),
    (r"attention\.v_proj", "attention.attention.value"),
    (r"attention\.o_proj", "attention.output.dense"),
    (r"mlp\.fc1", "intermediate.dense"),
    (r"mlp\.fc2", "output.dense"),
)
_COLPALI_OLD: Renames = (
    (r"^vlm\.model\.language_model\.", "vlm.language_model.model."),
    (r"^vlm\.model\.vision_tower\.", "vlm.vision_tower.vision_model."),
    (r"^vlm\.model\.multi", "vlm.multi"),
)
_ENGINE_PALI_OLD: Renames = (
    (r"^model\.model\.language_model\.", "model.language_model.model."),
    (r"^model\.model\.vision_tower\.", "model.vision_tower.vision_model."),
    (r"^model\.model\.multi", "model.multi"),
    (r"^model\.lm_head", "model.language_model.lm_head"),
)
_ENGINE_QWEN_OLD: Renames = ((r"^language_model\.", "model."),)
_ENGINE_FULL: Renames = ((r"^(visual|language_model|vision_tower|multi)", r"model.\1"),)
_TOWER: Renames = ((r"(^|\.)vision_tower\.", r"\1vision_tower.vision_model."),)

# Class -> era -> renames of today's names: of an adapter's, or of the file that `hub` stands for.
ERAS: Mapping[str, Mapping[str, Renames]] = {
    "ViTForImageClassification": {"old": _VIT_OLD},
    "Qwen2VLForConditionalGeneration": {"old": _QWEN_OLD},
    "Qwen2_5_VLForConditionalGeneration": {"old": _QWEN_OLD},
    "PaliGemmaForConditionalGeneration": {"old": _LLAVA_OLD, "hub": _TOWER},
    "Gemma3ForConditionalGeneration": {"old": _LLAVA_OLD, "hub": _TOWER},
    "LlavaForConditionalGeneration": {"old": _LLAVA_OLD, "hub": _TOWER},
    "MllamaForConditionalGeneration": {"old": _MLLAMA_OLD},
    "ColPaliForRetrieval": {"old": _COLPALI_OLD},
    "ColQwen2ForRetrieval": {"old": ((r"^vlm\.(visual|language_model)\.", r"vlm.model.\1."),)},
    "ColPali": {"old": _ENGINE_PALI_OLD},
    "ColQwen2": {"old": _ENGINE_QWEN_OLD, "full": _ENGINE_FULL},
    "BiQwen2": {"old": _ENGINE_QWEN_OLD},
    "ColQwen2_5": {"old": _ENGINE_QWEN_OLD, "full": _ENGINE_FULL},
    "ColQwen3": {"full": _ENGINE_FULL},
    "ColGemma3": {"full": _ENGINE_FULL},
}


def renamed(tensors: Tensors, renames: Iterable[tuple[str, str]]) -> Tensors:
    """The tensors under older names."""
    found: Tensors = {}
    for name, tensor in tensors.items():
        for pattern, new in renames:
            name = re.sub(pattern, new, name)  # noqa: PLW2901 - one rename after the other
        found[name] = tensor
    assert len(found) == len(tensors)
    return found


def _text(model: Any) -> Any:
    """The text model of a vision-language class, as a causal model of its own."""
    import transformers

    inner = getattr(model.model, "language_model", None) or model.model.text_model
    kind = type(inner).__name__.replace("TextModel", "Model").removesuffix("Model")
    text = getattr(transformers, f"{kind}ForCausalLM")(inner.config)
    text.model.load_state_dict(inner.state_dict())
    return text


PARTS: Mapping[str, Callable[[Any], Any]] = {
    "whole": lambda model: model,
    "headless": lambda model: getattr(model, model.base_model_prefix),
    "text": _text,
    "vision": lambda model: model.model.vision_tower,
}


@cache
def model_of(name: str) -> Any:
    """A model whose every tensor is noise of its own; callers copy it before they change it."""
    model = MODELS[name]().eval()
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                seed = torch.Generator().manual_seed(zlib.crc32(key.encode()))
                tensor.normal_(0, 0.1, generator=seed)
    return model


def part_of(name: str, part: str) -> Any:
    """A copy of a model or of a part of it."""
    return copy.deepcopy(PARTS[part](model_of(name)))
