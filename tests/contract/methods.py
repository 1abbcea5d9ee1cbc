"""Adapters of every method of PEFT that merges, made by PEFT itself: method, options, kind of layer, class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from adapter_merge import methods as registry
from tests.contract.makers import (
    Build,
    bert,
    gpt2,
    llama,
    video_mae,
    vit,
    whisper,
)

Options = Mapping[str, Any]

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
Q_AND_V = ["q_proj", "v_proj"]


def biased() -> Any:
    """A Llama whose attention has biases; all sizes divide by 32."""
    return llama(hidden_size=64, intermediate_size=128, num_key_value_heads=4, attention_bias=True)


def unbiased() -> Any:
    """The same without biases."""
    return llama(hidden_size=64, intermediate_size=128, num_key_value_heads=4)


def siglip() -> Any:
    """Its pooling head is a `MultiheadAttention`."""
    from transformers import SiglipVisionConfig, SiglipVisionModel

    return SiglipVisionModel(
        SiglipVisionConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=1,
            num_attention_heads=4,
            image_size=16,
            patch_size=4,
        )
    )


def mamba2() -> Any:
    """Its config has a number that JSON hasn't."""
    from transformers import Mamba2Config, Mamba2ForCausalLM

    return Mamba2ForCausalLM(
        Mamba2Config(
            vocab_size=64,
            hidden_size=32,
            num_hidden_layers=2,
            state_size=8,
            num_heads=4,
            head_dim=16,
            n_groups=1,
            chunk_size=8,
        )
    )


def llama4() -> Any:
    """Its experts are parameters of one module, and stored so."""
    from transformers import Llama4ForCausalLM, Llama4TextConfig

    return Llama4ForCausalLM(
        Llama4TextConfig(
            vocab_size=96,
            hidden_size=64,
            intermediate_size=96,
            intermediate_size_mlp=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            head_dim=16,
            num_local_experts=4,
            max_position_embeddings=64,
            tie_word_embeddings=False,
            pad_token_id=0,
        )
    )


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row: the name of PEFT's config class, its options, and the model.

    `nested` builds an option that is a config of its own: (name, class in `peft.tuners.lora.config`, options).
    `edited`: how many tensors change. `drawn`: a part of it rests on a seed (T013 warns).
    `asked`: whether PEFT can run the whole unmerged model. `since`: the first PEFT that has the option, where
    it came later than the method.
    """

    config: str
    edited: int
    options: Options
    model: Build = biased
    nested: tuple[str, str, Options] | None = None
    drawn: bool = False
    asked: bool = True
    since: str = "0.18"

    @property
    def is_there(self) -> bool:
        """Whether the installed PEFT has it, by the registry's versions."""
        name = self.config.removesuffix("Config").upper()
        method = next(m for n, m in registry.METHODS.items() if n.replace("_", "") == name)
        first = max(_numbers(method.since), _numbers(self.since))
        return first <= PEFT < _numbers(method.until or "1.0")


def _numbers(text: str) -> tuple[int, ...]:
    """Major and minor version."""
    return tuple(int(part) for part in text.split(".")[:2])


PEFT = _numbers(version("peft"))


def of(config: str, edited: int, *targets: str, model: Build = biased, **options: Any) -> Method:
    return Method(
        config=config,
        edited=edited,
        model=model,
        options={"target_modules": list(targets), **options},
    )


def lora(edited: int, *targets: str, model: Build = biased, **options: Any) -> Method:
    return of("LoraConfig", edited, *targets, model=model, **{"r": 8, "lora_alpha": 12, **options})


def linear(config: str, edited: int = 14, model: Build = biased, **options: Any) -> Method:
    return of(config, edited, *LINEAR, model=model, **options)


def drawn(config: str, **options: Any) -> Method:
    return replace(linear(config, **options), drawn=True)


PATCHES = "projection"

EVERY: Mapping[str, Method] = {
    "DoRA": lora(14, *LINEAR, use_dora=True),
    "DoRA with rsLoRA": lora(14, *LINEAR, r=5, lora_alpha=9, use_dora=True, use_rslora=True),
    "DoRA, Conv1D of GPT-2": lora(
        4, "c_attn", "c_fc", model=gpt2, use_dora=True, fan_in_fan_out=True
    ),
    "DoRA, embedding": lora(3, "embed_tokens", "q_proj", use_dora=True),
    # Whisper asks its convolutions for a stride, which PEFT's layer hasn't.
    "DoRA, convolution in 1D": replace(
        lora(2, "conv1", "conv2", model=whisper, use_dora=True), asked=False
    ),
    "DoRA, convolution in 2D": lora(1, PATCHES, model=vit, use_dora=True),
    "DoRA, convolution in 3D": lora(1, PATCHES, model=video_mae, use_dora=True),
    "DoRA with all biases": lora(12, *Q_AND_V, use_dora=True, bias="all"),
    "DoRA with patterns": lora(
        14, *LINEAR, use_dora=True, rank_pattern={"k_proj": 3}, alpha_pattern={"q_proj": 7}
    ),
    "DoRA with saved modules": lora(
        6, *Q_AND_V, use_dora=True, modules_to_save=["lm_head", "embed_tokens"]
    ),
    "DoRA with single tokens": lora(5, *Q_AND_V, use_dora=True, trainable_token_indices=[3, 17]),
    "DoRA in BERT": lora(4, "query", "value", model=bert, use_dora=True),
    "DoRA in Mamba 2": lora(2, "in_proj", model=mamba2, use_dora=True),
    "LoRA, attention of torch": lora(3, "attention", "q_proj", model=siglip),
    "LoRA, attention of torch beside parameters": lora(
        5, "attention", "q_proj", model=siglip, target_parameters=["mlp.fc1.weight"]
    ),
    "BD-LoRA": Method(
        config="LoraConfig",
        edited=4,
        model=unbiased,
        options={"r": 8, "target_modules": ["q_proj", "o_proj"]},
        nested=(
            "use_bdlora",
            "BdLoraConfig",
            {"target_modules_bd_a": ["q_proj"], "target_modules_bd_b": ["o_proj"], "nblocks": 2},
        ),
        since="0.19",
    ),
    "VeLoRA": Method(
        config="LoraConfig",
        edited=4,
        options={"r": 8, "target_modules": Q_AND_V},
        nested=("velora_config", "VeloraConfig", {}),
        since="0.20",
    ),
    "MonteCLoRA": Method(
        config="LoraConfig",
        edited=4,
        options={"r": 8, "target_modules": Q_AND_V},
        nested=("monteclora_config", "MontecloraConfig", {}),
        since="0.20",
    ),
    "AdaLoRA": linear("AdaLoraConfig", init_r=8, total_step=100),
    "LoHa": linear("LoHaConfig", r=4, alpha=6),
    "LoHa, convolution": of("LoHaConfig", 1, PATCHES, model=vit, r=4, use_effective_conv2d=True),
    "LoKr": linear("LoKrConfig", r=4, alpha=6),
    "LoKr, both factors split": linear(
        "LoKrConfig", r=2, alpha=6, decompose_both=True, decompose_factor=4
    ),
    "LoKr, convolution": of("LoKrConfig", 1, PATCHES, model=vit, r=4, use_effective_conv2d=True),
    "OFT": linear("OFTConfig", oft_block_size=8, r=0),
    "OFT, exact Cayley": linear("OFTConfig", oft_block_size=8, r=0, use_cayley_neumann=False),
    "OFT, constrained and shared": linear(
        "OFTConfig", oft_block_size=8, r=0, coft=True, eps=1e-2, block_share=True
    ),
    "OFT, embedding": replace(
        of("OFTConfig", 1, "embed_tokens", oft_block_size=8, r=0), since="0.19"
    ),
    "BOFT": linear("BOFTConfig", boft_block_size=4, boft_n_butterfly_factor=2),
    "BOFT, convolution": of("BOFTConfig", 1, PATCHES, model=vit, boft_block_size=4),
    "BOFT with all biases": of("BOFTConfig", 12, *Q_AND_V, boft_block_size=4, bias="all"),
    "IA3": of("IA3Config", 10, "k_proj", "v_proj", "down_proj", feedforward_modules=["down_proj"]),
    "IA3, feedforward by a pattern": Method(
        config="IA3Config",
        edited=5,
        options={
            "target_modules": r".*(k_proj|down_proj)",
            "feedforward_modules": r".*layers\.0.*",
        },
    ),
    "IA3, Conv1D of GPT-2": of(
        "IA3Config",
        6,
        "c_attn",
        "mlp.c_proj",
        model=gpt2,
        feedforward_modules=["mlp.c_proj"],
        fan_in_fan_out=True,
    ),
    "IA3, convolution": of("IA3Config", 2, PATCHES, model=vit, feedforward_modules=[]),
    "VeRA": linear("VeraConfig", r=16),
    "VeRA by its seed": drawn("VeraConfig", r=16, save_projection=False),
    "FourierFT": drawn("FourierFTConfig", n_frequency=50),
    "VB-LoRA": linear("VBLoRAConfig", r=4, num_vectors=32, vector_length=32, topk=2),
    "VB-LoRA, best vectors only": linear(
        "VBLoRAConfig",
        r=4,
        num_vectors=32,
        vector_length=32,
        topk=2,
        save_only_topk_weights=True,
    ),
    "HRA": linear("HRAConfig", r=8),
    "HRA, orthogonalised": linear("HRAConfig", r=8, apply_GS=True),
    "HRA, convolution": of("HRAConfig", 1, PATCHES, model=vit, r=8),
    "HiRA": linear("HiraConfig", r=8),
    "HiRA, Conv1D of GPT-2": of("HiraConfig", 2, "c_attn", model=gpt2, r=8, fan_in_fan_out=True),
    "HiRA, embedding": of("HiraConfig", 1, "embed_tokens", r=8),
    "HiRA, convolution": of("HiraConfig", 1, PATCHES, model=vit, r=8),
    "C3A": linear("C3AConfig", block_size=32),
    "RandLoRA": linear("RandLoraConfig", r=8),
    "RandLoRA by its seed": drawn("RandLoraConfig", r=8, save_projection=False),
    "RoAd": linear("RoadConfig", 22, group_size=16),
    "RoAd, 2 angles": linear("RoadConfig", 22, variant="road_2", group_size=16),
    "RoAd, 4 angles": linear("RoadConfig", 22, variant="road_4", group_size=16),
    "SHiRA": linear("ShiraConfig", r=4),
    "MiSS": linear("MissConfig", r=16),
    "MiSS as Bat": linear("MissConfig", r=16, init_weights="bat"),
    "MiSS, small": linear("MissConfig", r=16, mini_r=8, init_weights="mini"),
    "DeLoRA": linear("DeloraConfig", r=8),
    "GraLoRA": linear("GraloraConfig", r=8, gralora_k=2),
    "GraLoRA, hybrid": linear("GraloraConfig", r=8, hybrid_r=2, gralora_k=2),
    "LN-tuning": of("LNTuningConfig", 3, "input_layernorm", "model.norm"),
    "LN-tuning in BERT": of("LNTuningConfig", 10, "LayerNorm", model=bert),
    "WaveFT": drawn("WaveFTConfig", n_frequency=50),
    "GLoRA": linear("GloraConfig", model=unbiased, r=4),
    "GLoRA with biases": linear("GloraConfig", 22, r=4, config_C="none"),
    "GLoRA, vectors": linear(
        "GloraConfig",
        22,
        r=4,
        config_A_B="vector",
        config_C="none",
        config_D_E="constant",
    ),
    "BEFT": of("BeftConfig", 4, *Q_AND_V),
    "DEFT": linear("DeftConfig", r=8),
    "DEFT, by QR": linear("DeftConfig", r=8, decomposition_method="qr"),
    "PVeRA": linear("PveraConfig", r=16),
    "TinyLoRA": linear("TinyLoraConfig", r=2, u=16),
    "TinyLoRA by its seed": drawn("TinyLoraConfig", r=2, u=16, save_projection=False),
    "UniLoRA": linear("UniLoraConfig", r=4, theta_d_length=256, save_indices=True),
    "UniLoRA by its seed": drawn("UniLoraConfig", r=4, theta_d_length=256),
    "PEANuT": linear("PeanutConfig", r=8, depth=2),
    "Bone": linear("BoneConfig", r=16),
    "Bone as Bat": linear("BoneConfig", r=16, init_weights="bat"),
    "Super-Tuning": linear("SupertuningConfig", sparsity=0.9),
    "Super-Tuning, smallest weights": linear("SupertuningConfig", sparsity=0.9, select_top=False),
    "Supra": linear("SupertuningConfig", sparsity=0.9, r=8),
}
METHODS: Mapping[str, Method] = {name: m for name, m in EVERY.items() if m.is_there}


def config_of(method: Method) -> Any:
    """PEFT's config of a row."""
    import peft
    from peft.tuners.lora import config as variants

    options = dict(method.options)
    if method.nested is not None:
        name, kind, values = method.nested
        options[name] = getattr(variants, kind)(**values)
    return getattr(peft, method.config)(**options)


def save_method(model: Any, folder: Path, config: Any, *, seed: int = 1) -> Any:
    """Put an adapter on a loaded base and save it; noise on all that it trains. Gives PEFT's model."""
    import peft

    torch.manual_seed(seed)
    wrapped = peft.get_peft_model(model, config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in wrapped.parameters():
            if parameter.requires_grad and parameter.is_floating_point():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_(0.1 * noise.to(parameter.dtype))
    wrapped.save_pretrained(folder)
    return wrapped.eval()


def inputs_of(model: Any) -> dict[str, torch.Tensor]:
    """Something that the model can be asked."""
    draw = torch.Generator().manual_seed(3)
    tokens = torch.randint(3, 60, (2, 12), generator=draw)
    config = model.config
    name = model.main_input_name
    if name == "pixel_values":
        frames = (config.num_frames,) if hasattr(config, "num_frames") else ()
        shape = (2, *frames, 3, config.image_size, config.image_size)
        return {name: torch.randn(shape, generator=draw)}
    if name == "input_features":
        features = torch.randn(2, 20, 64, generator=draw)
        return {name: features, "decoder_input_ids": tokens}
    return {name: tokens}
