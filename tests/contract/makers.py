"""Tiny models of real transformers classes, and adapters that real PEFT made for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

Tensors: TypeAlias = dict[str, torch.Tensor]
Build: TypeAlias = Callable[[], Any]

# What every base file here says beside `format`: it has to survive the merge.
METADATA = {"format": "pt", "origin": "tiny"}
DTYPES = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "fp64": torch.float64,
}


def llama(**changes: object) -> Any:
    """Untied, grouped heads; the key projection has fewer rows than a block."""
    from transformers import LlamaConfig, LlamaForCausalLM

    values: dict[str, object] = {
        "vocab_size": 96,
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "max_position_embeddings": 64,
        "tie_word_embeddings": False,
    }
    return LlamaForCausalLM(LlamaConfig(**values | changes))


def gemma() -> Any:
    """Tied by the class's own default; its embedding scales what it gives."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    return Gemma3ForCausalLM(Gemma3TextConfig(**_GEMMA))


def gemma_vision() -> Any:
    """A text model inside one with images; its file has the older names."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "image_size": 16,
        "patch_size": 4,
    }
    return Gemma3ForConditionalGeneration(
        Gemma3Config(
            text_config=_GEMMA,
            vision_config=vision,
            mm_tokens_per_image=4,
            image_token_index=90,
            boi_token_index=91,
            eoi_token_index=92,
        )
    )


_GEMMA: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 12,
    "max_position_embeddings": 64,
}


def gpt2(head: bool = True, *, tied: bool = True) -> Any:
    """`Conv1D` layers, the attention's `c_proj` square; without its head the file has no prefix."""
    from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

    sizes = {"vocab_size": 80, "n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": 32}
    config = GPT2Config(**sizes, tie_word_embeddings=tied)
    return (GPT2LMHeadModel if head else GPT2Model)(config)


def bert(kind: str = "BertModel") -> Any:
    """The inner model, whose file has no prefix, or any class around it."""
    import transformers

    config = transformers.BertConfig(
        vocab_size=64,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    return getattr(transformers, kind)(config)


def distilbert() -> Any:
    """The inner model; its classifiers have a second layer."""
    from transformers import DistilBertConfig, DistilBertModel

    return DistilBertModel(
        DistilBertConfig(
            vocab_size=64, dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=32
        )
    )


def t5() -> Any:
    """An encoder and a decoder that share their embedding."""
    from transformers import T5Config, T5ForConditionalGeneration

    return T5ForConditionalGeneration(
        T5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    )


_PAIR = {
    "vocab_size": 64,
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 40,
}


def bart() -> Any:
    """Encoder, decoder and head share one embedding."""
    from transformers import BartConfig, BartForConditionalGeneration

    return BartForConditionalGeneration(BartConfig(**_PAIR))


def marian() -> Any:
    """Like `bart`, but its input embedding is the encoder's."""
    from transformers import MarianConfig, MarianMTModel

    tokens = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    return MarianMTModel(MarianConfig(**_PAIR, **tokens))


def instruct_blip() -> Any:
    """A query former with an embedding of its own beside the text model, which is tied inside."""
    from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

    sides = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "intermediate_size": 64,
    }
    words = {"vocab_size": 96, "max_position_embeddings": 64}
    text = {"model_type": "opt", "ffn_dim": 64, "word_embed_proj_dim": 32, **sides, **words}
    model = InstructBlipForConditionalGeneration(
        InstructBlipConfig(
            vision_config={**sides, "image_size": 16, "patch_size": 4},
            qformer_config={**sides, **words, "encoder_hidden_size": 32},
            text_config=text,
            num_query_tokens=4,
            image_token_index=90,
        )
    )
    model.config.image_token_id = 90
    return model


def modern_bert() -> Any:
    """Its tied head has a name that other layers have too."""
    from transformers import ModernBertConfig, ModernBertForMaskedLM

    return ModernBertForMaskedLM(
        ModernBertConfig(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            pad_token_id=0,
            cls_token_id=1,
            sep_token_id=2,
            bos_token_id=1,
            eos_token_id=2,
        )
    )


def mamba() -> Any:
    """A state space model; its tied embedding has a name of its own."""
    from transformers import MambaConfig, MambaForCausalLM

    return MambaForCausalLM(
        MambaConfig(vocab_size=64, hidden_size=32, num_hidden_layers=1, state_size=4)
    )


def vit(kind: str = "ViTForImageClassification") -> Any:
    """Patches come in through a Conv2d."""
    import transformers

    config = transformers.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        image_size=16,
        patch_size=4,
    )
    return getattr(transformers, kind)(config)


def whisper() -> Any:
    """Sound comes in through two Conv1d."""
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    return WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=64,
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            num_mel_bins=20,
            max_source_positions=32,
            max_target_positions=32,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=1,
            suppress_tokens=None,
            begin_suppress_tokens=None,
        )
    )


def video_mae() -> Any:
    """Patches of several frames come in through a Conv3d."""
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    return VideoMAEForVideoClassification(
        VideoMAEConfig(
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=4,
            intermediate_size=64,
            image_size=16,
            patch_size=4,
            num_frames=4,
        )
    )


def save_base(model: Any, folder: Path, *, dtype: str = "fp32", shard: str = "5GB") -> Path:
    """Fill a model with noise and save it; `shard` is the largest size of a weight file."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.1, generator=generator)
    model.to(DTYPES[dtype]).save_pretrained(folder, max_shard_size=shard)
    for path in folder.glob("*.safetensors"):
        save_file(load_file(path), path, metadata=METADATA)
    return folder


def loaded(base: Path, auto: str, **values: object) -> Any:
    """A saved base as the Auto class of that name loads it, in its own dtype."""
    import transformers

    loader = getattr(transformers, auto)
    return loader.from_pretrained(base, **{"dtype": "auto", **values})


def save_adapter(
    model: Any, folder: Path, lora: Any, *, dtype: str = "fp32", seed: int = 1
) -> Path:
    """Put an adapter on a loaded base and save it; all that it trains is noise, so that every part shows.

    `lora` has the options of a LoRA, or is the config of another method.
    """
    import peft

    options = {"r": 8, "lora_alpha": 12, **lora} if isinstance(lora, Mapping) else {}
    wrapped = peft.get_peft_model(model, peft.LoraConfig(**options) if options else lora)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if parameter.requires_grad or "lora_" in name:
                parameter.normal_(0, 0.1, generator=generator)
    wrapped.save_pretrained(folder)
    change_tensors(folder, lambda tensors: {n: t.to(DTYPES[dtype]) for n, t in tensors.items()})
    return folder


def change_tensors(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    """Write an adapter's tensors anew."""
    path = folder / "adapter_model.safetensors"
    save_file({n: t.contiguous() for n, t in change(load_file(path)).items()}, path)


def change_config(folder: Path, **values: object) -> None:
    """Set keys of a folder's `adapter_config.json`, or of its `config.json` where there is none."""
    adapter, model = folder / "adapter_config.json", folder / "config.json"
    path = adapter if adapter.exists() else model
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def tensors_of(folder: Path) -> Tensors:
    """All weights of a saved model."""
    found: Tensors = {}
    for path in sorted(folder.glob("model*.safetensors")):
        found |= load_file(path)
    return found


def metadata_of(folder: Path) -> list[dict[str, str] | None]:
    """`__metadata__` of every weight file."""
    found = []
    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, framework="pt") as file:
            found.append(file.metadata())
    return found


def headers_of(folder: Path) -> dict[str, bytes]:
    """The header of every weight file, as it stands."""
    found = {}
    for path in sorted(folder.glob("model*.safetensors")):
        content = path.read_bytes()
        found[path.name] = content[: 8 + int.from_bytes(content[:8], "little")]
    return found
