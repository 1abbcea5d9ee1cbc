"""What tiny models read with: a tokenizer with a token a character, and image processors of real classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PATCH = 14  # pixels of a patch's side


def characters(
    special: Sequence[str], others: Sequence[str], roles: Mapping[str, str], **options: object
) -> Any:
    """Special words, then a token for each other character; `roles` says which word pads, ends and so on."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: n for n, word in enumerate([*special, *others])}
    inner = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    named = {f"{role}_token": word for role, word in roles.items()}
    outer = PreTrainedTokenizerFast(tokenizer_object=inner, **named, **options)
    more = [word for word in special if word not in roles.values()]
    outer.add_special_tokens({"additional_special_tokens": more})
    return outer


def siglip(side: int) -> Any:
    """Squares of `side` pixels, as all but Qwen's."""
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    images = SiglipImageProcessorPil(size={"height": side, "width": side})
    images.image_seq_length = (side // PATCH) ** 2
    return images


def qwen(side: int) -> Any:
    """Any shape, of up to twice the side."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    return Qwen2VLImageProcessorPil(min_pixels=(2 * PATCH) ** 2, max_pixels=(2 * side) ** 2)


def idefics(side: int) -> Any:
    """Pages that aren't cut into tiles."""
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    edge = {"longest_edge": side}
    return Idefics3ImageProcessorPil(size=edge, max_image_size=edge, do_image_splitting=False)


def gemma(side: int) -> Any:
    """That of Gemma 3."""
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    return Gemma3ImageProcessorPil(size={"height": side, "width": side})


def clip(side: int) -> Any:
    """That of LLaVA."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    size = {"height": side, "width": side}
    return CLIPImageProcessorPil(size=size, crop_size=size)
