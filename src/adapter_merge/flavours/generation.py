"""Models that write: decoders, encoder-decoders, and those that see."""

from __future__ import annotations

from adapter_merge.flavours.flavour import arguments
from adapter_merge.flavours.look import Look

_ASK = "What is an adapter?"


class CausalLM:
    """A decoder."""

    library_name = "transformers"

    def fits(self, look: Look) -> bool:
        """GPT-2's class has an older name."""
        return look.architecture.endswith(("ForCausalLM", "LMHeadModel"))

    def pipeline_tag(self, look: Look) -> str:
        """Text follows text."""
        return "text-generation"

    def snippet(self, look: Look, source: str, revision: str | None) -> str:
        """A chat where the model knows how to chat, else a text to go on with."""
        head = _load(
            "AutoModelForCausalLM", "AutoTokenizer", "tokenizer", arguments(source, revision, look)
        )
        if look.chats:
            return f"""{head}\
messages = [{{"role": "user", "content": "{_ASK}"}}]
inputs = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
)
output = model.generate(**inputs, max_new_tokens=64)
print(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
"""
        return f"""{head}\
inputs = tokenizer("An adapter is", return_tensors="pt")
output = model.generate(**inputs, max_new_tokens=64)
print(tokenizer.decode(output[0], skip_special_tokens=True))
"""


class VisionLanguage:
    """A decoder that sees."""

    library_name = "transformers"

    def fits(self, look: Look) -> bool:
        """Its config has one for the vision tower."""
        return (
            look.architecture.endswith("ForConditionalGeneration")
            and "vision_config" in look.config
        )

    def pipeline_tag(self, look: Look) -> str:
        """Text follows pictures and text."""
        return "image-text-to-text"

    def snippet(self, look: Look, source: str, revision: str | None) -> str:
        """A question about a page."""
        where = arguments(source, revision, look)
        head = _load("AutoModelForImageTextToText", "AutoProcessor", "processor", where)
        return f"""\
from PIL import Image
{head}\
page = Image.new("RGB", (448, 448), "white")
content = [{{"type": "image", "image": page}}, {{"type": "text", "text": "What is on this page?"}}]
inputs = processor.apply_chat_template(
    [{{"role": "user", "content": content}}],
    add_generation_prompt=True,
    tokenize=True,
    return_tensors="pt",
    return_dict=True,
)
output = model.generate(**inputs, max_new_tokens=64)
print(processor.batch_decode(output, skip_special_tokens=True)[0])
"""


class Seq2Seq:
    """An encoder and a decoder, text to text."""

    library_name = "transformers"

    def fits(self, look: Look) -> bool:
        """Speech and pictures have encoders of their own."""
        is_pair = look.architecture.endswith("ForConditionalGeneration")
        hears = "num_mel_bins" in look.config or "audio_config" in look.config
        return is_pair and bool(look.config.get("is_encoder_decoder")) and not hears

    def pipeline_tag(self, look: Look) -> None:
        """Translation, summary or else: only its people know."""

    def snippet(self, look: Look, source: str, revision: str | None) -> str:
        """One text into another."""
        where = arguments(source, revision, look)
        return f"""{_load("AutoModelForSeq2SeqLM", "AutoTokenizer", "tokenizer", where)}\
inputs = tokenizer("translate English to German: Good morning.", return_tensors="pt")
output = model.generate(**inputs, max_new_tokens=64)
print(tokenizer.decode(output[0], skip_special_tokens=True))
"""


def _load(model: str, tokenizer: str, name: str, where: str) -> str:
    return f"""\
from transformers import {", ".join(sorted((model, tokenizer)))}

model = {model}.from_pretrained({where})
{name} = {tokenizer}.from_pretrained({where})
"""
