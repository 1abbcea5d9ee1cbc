"""Tiny repositories of every runner's kind, each with its files, and an adapter for each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from tests import processors
from tests.contract import makers

VOCABULARY = 256
_SPECIAL = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
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
    "<bos>",
]
_ROLES = dict(
    zip(("pad", "unk", "cls", "sep", "mask"), _SPECIAL, strict=False),
    eos="<|endoftext|>",
    bos="<bos>",
)
_TEXT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
_SIDE = 56
_EYES = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": _SIDE,
    "patch_size": processors.PATCH,
}


def tokenizer(**named: str) -> Any:
    """A token a character; every script but ASCII is one unknown token after another. `named`: special words."""
    others = [*map(chr, range(32, 127)), "\n"]
    return processors.characters(
        _SPECIAL, others, _ROLES, model_max_length=512, extra_special_tokens=named
    )


def _id(word: str) -> int:
    return _SPECIAL.index(word)


def _plain(model: Any) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        makers.save_base(model(), folder)
        tokenizer().save_pretrained(folder)

    return save


def _bert(kind: str = "BertModel") -> Any:
    import transformers

    return getattr(transformers, kind)(
        transformers.BertConfig(**_TEXT, max_position_embeddings=160)
    )


def chain(folder: Path, *, many: bool = False) -> None:
    """Transformer, pooling, a dense layer and a norm, with a prompt for queries; or the late-interaction kind."""
    from sentence_transformers import MultiVectorEncoder, SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    inner = folder.with_name(f"{folder.name}-inner")
    _plain(_bert)(inner)
    torch.manual_seed(3)
    prompts = {"query": "query: ", "document": ""}
    if many:
        made = MultiVectorEncoder(str(inner), prompts=prompts, device="cpu")
    else:
        parts = [Transformer(str(inner)), Pooling(32), Dense(32, 16), Normalize()]
        made = SentenceTransformer(modules=parts, prompts=prompts, device="cpu")
    made.save(str(folder))


def _paligemma() -> Any:
    from transformers import PaliGemmaConfig

    text = {**_TEXT, "model_type": "gemma", "num_key_value_heads": 1, "head_dim": 8}
    return PaliGemmaConfig(
        text_config=text,
        vision_config={**_EYES, "model_type": "siglip_vision_model", "projection_dim": 32},
        projection_dim=32,
        hidden_size=32,
        image_token_index=_id("<image>"),
    )


def _qwen2() -> Any:
    from transformers import Qwen2VLConfig

    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
    return Qwen2VLConfig(
        text_config={**_TEXT, "num_key_value_heads": 2, "rope_parameters": rope},
        vision_config={
            "depth": 2,
            "embed_dim": 24,
            "hidden_size": 32,
            "num_heads": 2,
            "mlp_ratio": 2,
            "patch_size": processors.PATCH,
        },
        image_token_id=_id("<|image_pad|>"),
        video_token_id=_id("<|video_pad|>"),
        vision_start_token_id=_id("<|vision_start|>"),
        vision_end_token_id=_id("<|vision_end|>"),
        tie_word_embeddings=False,
    )


def _modern() -> Any:
    from transformers import ModernVBertConfig

    ids = {
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "cls_token_id": 2,
        "sep_token_id": 3,
    }
    return ModernVBertConfig(
        text_config={**_TEXT, **ids, "model_type": "modernbert"},
        vision_config={**_EYES, "model_type": "siglip_vision_model"},
        image_token_id=_id("<image>"),
        pixel_shuffle_factor=2,
    )


def _native(name: str, inside: Callable[[], Any], images: Callable[[int], Any], **more: Any) -> Any:
    def save(folder: Path) -> None:
        import transformers

        config = getattr(transformers, f"{name}Config")(
            vlm_config=inside().to_dict(), embedding_dim=16
        )
        makers.save_base(getattr(transformers, f"{name}ForRetrieval")(config), folder)
        processor = getattr(transformers, f"{name}Processor")
        processor(image_processor=images(_SIDE), tokenizer=tokenizer(), **more).save_pretrained(
            folder
        )

    return save


def _engine(
    name: str, processor: str, inside: Callable[[], Any], images: Callable[[int], Any]
) -> Any:
    def save(folder: Path) -> None:
        from colpali_engine import models

        makers.save_base(getattr(models, name)(inside()), folder)
        given = {"image_processor": images(_SIDE), "tokenizer": tokenizer()}
        if "Qwen" in name:
            from transformers import Qwen2VLVideoProcessor

            given["video_processor"] = Qwen2VLVideoProcessor()
        getattr(models, processor)(**given).save_pretrained(folder)

    return save


_CHAT = (
    "{% for m in messages %}<|im_start|>{% for c in m.content %}"
    "{% if c.type == 'image' %}<image>{% else %}{{ c.text }}{% endif %}{% endfor %}{% endfor %}"
)
_GEMMA_WORDS = {
    "image_token": "<image>",
    "boi_token": "<|vision_start|>",
    "eoi_token": "<|vision_end|>",
}


def _seeing(
    kind: str,
    config: Callable[[], Any],
    processor: str,
    *,
    images: Callable[[int], Any],
    **parts: Any,
) -> Any:
    """A class that writes about pictures, and its processor; `parts` are made by calling them."""

    def save(folder: Path) -> None:
        import transformers

        makers.save_base(getattr(transformers, kind)(config()), folder)
        made = {n: part() if callable(part) else part for n, part in parts.items()}
        made["image_processor"] = images(_SIDE)
        words = tokenizer(**_GEMMA_WORDS) if "Gemma3" in kind else tokenizer()
        getattr(transformers, processor)(tokenizer=words, **made).save_pretrained(folder)

    return save


def _idefics3() -> Any:
    from transformers import Idefics3Config

    return Idefics3Config(
        text_config={**_TEXT, "model_type": "llama", "pad_token_id": 0},
        vision_config={**_EYES, "model_type": "idefics3_vision"},
        image_token_id=_id("<image>"),
        scale_factor=2,
        pad_token_id=0,
    )


def _llava() -> Any:
    from transformers import LlavaConfig

    return LlavaConfig(
        text_config={**_TEXT, "model_type": "llama"},
        vision_config={**_EYES, "model_type": "clip_vision_model", "projection_dim": 32},
        image_token_index=_id("<image>"),
        vision_feature_select_strategy="full",
        image_seq_length=16,
    )


def _gemma3() -> Any:
    from transformers import Gemma3Config

    text = {**_TEXT, "num_key_value_heads": 1, "head_dim": 8, "sliding_window": 64}
    return Gemma3Config(
        text_config=text,
        vision_config={**_EYES, "model_type": "siglip_vision_model"},
        mm_tokens_per_image=4,
        image_token_index=_id("<image>"),
        boi_token_index=_id("<|vision_start|>"),
        eoi_token_index=_id("<|vision_end|>"),
    )


def _video() -> Any:
    from transformers import Qwen2VLVideoProcessor

    return Qwen2VLVideoProcessor()


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A repository and its adapter.

    `targets` are PEFT's; `loader` loads what PEFT is put on; `old` renames live names to older ones;
    `runner` is what runs it, `needs` what its processor needs besides.
    """

    runner: str
    save: Callable[[Path], None]
    loader: Callable[[Path], Any]
    targets: str
    extra: Mapping[str, object] = field(default_factory=dict)
    old: tuple[tuple[str, str], ...] = ()
    needs: tuple[str, ...] = ()


def _auto(name: str, **given: object) -> Callable[[Path], Any]:
    def load(folder: Path) -> Any:
        import transformers

        return getattr(transformers, name).from_pretrained(folder, dtype="auto", **given)

    return load


def _of_engine(name: str) -> Callable[[Path], Any]:
    def load(folder: Path) -> Any:
        from colpali_engine import models

        return getattr(models, name).from_pretrained(folder, dtype="auto")

    return load


def _llama() -> Any:
    return makers.llama(vocab_size=VOCABULARY, max_position_embeddings=160)


def _gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=160)
    )


def _t5() -> Any:
    from transformers import T5Config, T5ForConditionalGeneration

    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=VOCABULARY,
            d_model=32,
            d_kv=8,
            d_ff=64,
            num_layers=2,
            num_heads=4,
            decoder_start_token_id=0,
        )
    )


_BERT = r".*encoder\..*(query|key|value|dense)"
_GEMMA = r".*(q_proj|k_proj|v_proj|o_proj|fc1|fc2|gate_proj|up_proj|down_proj)"
_QWEN = r".*(q_proj|k_proj|v_proj|o_proj|gate_proj|attn\.qkv|attn\.proj|mlp\.fc1|merger\.mlp\.0)"
_MODERN = r".*(Wqkv|Wo|Wi|q_proj|v_proj|fc1|modality_projection\.(proj|linear)|connector.*proj)"
_COLPALI = Kind(
    runner="engine",
    save=_engine("ColPali", "ColPaliProcessor", _paligemma, processors.siglip),
    loader=_of_engine("ColPali"),
    targets=rf"({_GEMMA}|custom_text_proj)",
)
_COLQWEN2 = Kind(
    runner="engine",
    save=_engine("ColQwen2", "ColQwen2Processor", _qwen2, processors.qwen),
    loader=_of_engine("ColQwen2"),
    targets=rf"({_QWEN}|custom_text_proj)",
)
KINDS: dict[str, Kind] = {
    "causal": Kind(
        runner="causal", save=_plain(_llama), loader=_auto("AutoModelForCausalLM"), targets=_GEMMA
    ),
    "gpt2": Kind(
        runner="causal",
        save=_plain(_gpt2),
        loader=_auto("AutoModelForCausalLM"),
        targets=r".*(c_attn|c_proj|c_fc)",
        extra={"fan_in_fan_out": True},
    ),
    "seq2seq": Kind(
        runner="seq2seq",
        save=_plain(_t5),
        loader=_auto("AutoModelForSeq2SeqLM"),
        targets=r".*\.(q|v|wo|wi)",
    ),
    "labels": Kind(
        runner="labels",
        save=_plain(_bert),
        loader=_auto("AutoModelForSequenceClassification", num_labels=3),
        targets=_BERT,
        extra={"task_type": "SEQ_CLS"},
    ),
    "masked": Kind(
        runner="headed",
        save=_plain(lambda: _bert("BertForMaskedLM")),
        loader=_auto("AutoModelForMaskedLM"),
        targets=_BERT,
    ),
    "bare": Kind(runner="bare", save=_plain(_bert), loader=_auto("AutoModel"), targets=_BERT),
    "sentence": Kind(runner="sentence", save=chain, loader=_auto("AutoModel"), targets=_BERT),
    "sentence-vectors": Kind(
        runner="sentence",
        save=lambda f: chain(f, many=True),
        loader=_auto("AutoModel"),
        targets=_BERT,
    ),
    "seeing-paligemma": Kind(
        runner="seeing",
        save=_seeing(
            "PaliGemmaForConditionalGeneration",
            _paligemma,
            "PaliGemmaProcessor",
            images=processors.siglip,
        ),
        loader=_auto("AutoModelForImageTextToText"),
        targets=rf"({_GEMMA}|.*multi_modal_projector\.linear)",
    ),
    "seeing-qwen2": Kind(
        runner="seeing",
        save=_seeing(
            "Qwen2VLForConditionalGeneration",
            _qwen2,
            "Qwen2VLProcessor",
            images=processors.qwen,
            video_processor=_video,
        ),
        loader=_auto("AutoModelForImageTextToText"),
        targets=_QWEN,
        needs=("torchvision",),
    ),
    "seeing-idefics3": Kind(
        runner="seeing",
        save=_seeing(
            "Idefics3ForConditionalGeneration",
            _idefics3,
            "Idefics3Processor",
            images=processors.idefics,
            image_seq_len=4,
            chat_template=_CHAT,
        ),
        loader=_auto("AutoModelForImageTextToText"),
        targets=rf"({_GEMMA}|.*modality_projection\.proj)",
    ),
    "seeing-llava": Kind(
        runner="seeing",
        save=_seeing(
            "LlavaForConditionalGeneration",
            _llava,
            "LlavaProcessor",
            images=processors.clip,
            patch_size=processors.PATCH,
            vision_feature_select_strategy="full",
            num_additional_image_tokens=1,
        ),
        loader=_auto("AutoModelForImageTextToText"),
        targets=rf"({_GEMMA}|.*out_proj|.*multi_modal_projector\.linear_[12])",
    ),
    "seeing-gemma3": Kind(
        runner="seeing",
        save=_seeing(
            "Gemma3ForConditionalGeneration",
            _gemma3,
            "Gemma3Processor",
            images=processors.gemma,
            image_seq_length=4,
        ),
        loader=_auto("AutoModelForImageTextToText"),
        targets=_GEMMA,
    ),
    "native-colpali": Kind(
        runner="native",
        save=_native("ColPali", _paligemma, processors.siglip),
        loader=_auto("ColPaliForRetrieval"),
        targets=rf"({_GEMMA}|embedding_proj_layer|.*multi_modal_projector\.linear)",
    ),
    "native-colqwen2": Kind(
        runner="native",
        save=_native("ColQwen2", _qwen2, processors.qwen),
        loader=_auto("ColQwen2ForRetrieval"),
        targets=rf"({_QWEN}|embedding_proj_layer)",
    ),
    "native-colmodernvbert": Kind(
        runner="native",
        save=_native("ColModernVBert", _modern, processors.idefics, image_seq_len=4),
        loader=_auto("ColModernVBertForRetrieval"),
        targets=rf"({_MODERN}|embedding_proj_layer)",
    ),
    "engine-colpali": _COLPALI,
    "engine-colpali-old": replace(
        _COLPALI,
        old=(
            ("model.model.language_model.", "model.language_model.model."),
            ("model.model.vision_tower.", "model.vision_tower.vision_model."),
        ),
    ),
    "engine-colqwen2": _COLQWEN2,
    "engine-colqwen2-old": replace(
        _COLQWEN2,
        old=(("language_model.layers.", "model.layers."),),
    ),
}


def make(name: str, root: Path, *, dtype: str = "fp32") -> tuple[Path, Path]:
    """The base and the adapter of a kind; the base's own dtype is float32 unless told."""
    kind, base, adapter = KINDS[name], root / "base", root / "adapter"
    torch.manual_seed(0)
    kind.save(base)
    if dtype != "fp32":
        _cast(base, dtype)
    lora = {"r": 4, "lora_alpha": 6, "target_modules": kind.targets, **kind.extra}
    makers.save_adapter(kind.loader(base), adapter, lora)
    if kind.old:
        makers.change_tensors(adapter, lambda ts: {_older(n, kind.old): t for n, t in ts.items()})
    return base, adapter


def _older(name: str, pairs: tuple[tuple[str, str], ...]) -> str:
    head = "base_model.model."
    inner = name.removeprefix(head)
    for new, old in pairs:
        if inner.startswith(new):
            return head + old + inner.removeprefix(new)
    return name


def _cast(base: Path, dtype: str) -> None:
    from safetensors.torch import load_file, save_file

    for path in base.glob("*.safetensors"):
        tensors = {n: t.to(makers.DTYPES[dtype]) for n, t in load_file(path).items()}
        save_file(tensors, path, metadata={"format": "pt"})
    config = json.loads((base / "config.json").read_text())
    config["dtype"] = {"bf16": "bfloat16", "fp16": "float16"}[dtype]
    (base / "config.json").write_text(json.dumps(config))
