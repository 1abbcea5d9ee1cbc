"""Models of transformers that read text: logits, labels or hidden states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_merge.encoders.inputs import Inputs
from adapter_merge.encoders.runners.runner import (
    TRANSFORMERS,
    array,
    lacks_tokenizer,
    mask_of,
    options,
    placed,
    spelt,
)
from adapter_merge.flavours import Look

if TYPE_CHECKING:
    from PIL.Image import Image

    from adapter_merge.encoders.rows import Outputs

_LONGEST = 128
_LAST = 16  # positions of each text whose logits are kept: a vocabulary is wide


@dataclass(frozen=True, kw_only=True)
class _Text:
    """A model and its tokenizer; `group` says which output counts."""

    model: Any
    tokenizer: Any
    group: str

    @property
    def kind(self) -> str:
        return type(self.model).__name__

    @property
    def facts(self) -> Mapping[str, object]:
        labels = self.model.config.id2label if self.group == "text.labels" else {}
        return {"labels": [labels[n] for n in sorted(labels)]} if labels else {}

    def spell(self, tokens: Sequence[int]) -> str:
        return spelt(self.tokenizer, tokens)

    def run(self, inputs: Inputs, pages: Sequence[Image]) -> Outputs:
        import torch

        read = tokens(self.tokenizer, inputs.texts, self.model.config).to(self.model.device)
        if self.model.config.pad_token_id is None:
            # A decoder that classifies looks for the last token that isn't padding.
            self.model.config.pad_token_id = self.tokenizer.pad_token_id
        read.pop("token_type_ids", None) if self.group == "text.logits" else None
        with torch.inference_mode():
            return self.outputs(read)

    def outputs(self, read: Any) -> Outputs:
        """The outputs for tokens."""
        from adapter_merge.encoders.rows import Rows

        out, mask = self.model(**read), mask_of(read)
        if self.group == "text.labels":
            return {self.group: Rows.single(array(out.logits))}
        if self.group == "text.hidden":
            return {self.group: Rows.of(array(out.last_hidden_state), mask)}
        logits = out.logits if hasattr(out, "logits") else out.start_logits[..., None]
        return {self.group: Rows.of(array(logits), last(mask))}


class _Pair(_Text):
    """An encoder and a decoder, which is fed the next text."""

    def outputs(self, read: Any) -> Outputs:
        from adapter_merge.encoders.rows import Rows

        start = self.model.config.decoder_start_token_id or 0
        shifted, mask = (
            read[k].roll(1, dims=0)[:, :_LAST] for k in ("input_ids", "attention_mask")
        )
        # Padding stands at the end or at the start; either way every fed token counts.
        shifted = shifted.clone()
        shifted[:, 0] = start
        logits = self.model(**read, decoder_input_ids=shifted).logits
        return {self.group: Rows.of(array(logits), mask.bool().cpu().numpy())}


def tokens(tokenizer: Any, texts: Sequence[str], config: Any) -> Any:
    """Padded; as long as the model takes."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    limits = (getattr(config, key, None) for key in ("max_position_embeddings", "n_positions"))
    longest = min(_LONGEST, *(n - 2 for n in limits if isinstance(n, int)), 10**6)
    return tokenizer(
        list(texts), return_tensors="pt", padding=True, truncation=True, max_length=longest
    )


def last(mask: Any) -> Any:
    """The last valid positions of each row of a mask."""
    from_end = mask[:, ::-1].cumsum(axis=1)[:, ::-1]
    return mask & (from_end <= _LAST)


def _loaded(auto: str, folder: Path, device: str, group: str, made: type[_Text] = _Text) -> _Text:
    import transformers

    model = getattr(transformers, auto).from_pretrained(folder, **options()).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return made(model=placed(model, device), tokenizer=tokenizer, group=group)


class _OfTransformers:
    packages: ClassVar[tuple[str, ...]] = TRANSFORMERS
    sees: ClassVar[bool] = False

    def lacks(self, look: Look) -> str | None:
        """A text needs a tokenizer."""
        return lacks_tokenizer(look)


class Causal(_OfTransformers):
    """A decoder: logits of the last tokens."""

    name: ClassVar[str] = "causal"

    def fits(self, look: Look) -> bool:
        """GPT-2's class has an older name."""
        return look.architecture.endswith(("ForCausalLM", "LMHeadModel"))

    def load(self, folder: Path, device: str) -> _Text:
        """As the card's snippet does."""
        return _loaded("AutoModelForCausalLM", folder, device, "text.logits")


class Seq2Seq(_OfTransformers):
    """An encoder and a decoder: logits of what follows a given beginning."""

    name: ClassVar[str] = "seq2seq"

    def fits(self, look: Look) -> bool:
        """Text to text only."""
        hears = "num_mel_bins" in look.config or "audio_config" in look.config
        pair = look.architecture.endswith("ForConditionalGeneration")
        return pair and bool(look.config.get("is_encoder_decoder")) and not hears

    def load(self, folder: Path, device: str) -> _Text:
        """As the card's snippet does."""
        return _loaded("AutoModelForSeq2SeqLM", folder, device, "text.logits", _Pair)


class Labels(_OfTransformers):
    """A classifier of texts: a logit for each label."""

    name: ClassVar[str] = "labels"

    def fits(self, look: Look) -> bool:
        """By the end of the class's name."""
        return look.architecture.endswith("ForSequenceClassification")

    def load(self, folder: Path, device: str) -> _Text:
        """As a pipeline does."""
        return _loaded("AutoModelForSequenceClassification", folder, device, "text.labels")


_HEADS = {
    "ForTokenClassification": "AutoModelForTokenClassification",
    "ForMaskedLM": "AutoModelForMaskedLM",
    "ForQuestionAnswering": "AutoModelForQuestionAnswering",
    "ForQuestionAnsweringSimple": "AutoModelForQuestionAnswering",
}


class Headed(_OfTransformers):
    """A head with logits for each token."""

    name: ClassVar[str] = "headed"

    def fits(self, look: Look) -> bool:
        """By the end of the class's name."""
        return look.architecture.endswith(tuple(_HEADS))

    def load(self, folder: Path, device: str) -> _Text:
        """As a pipeline does."""
        look = Look.at(folder).architecture
        auto = next(a for ending, a in _HEADS.items() if look.endswith(ending))
        return _loaded(auto, folder, device, "text.logits")


class Bare(_OfTransformers):
    """A model without a head: hidden states of every token."""

    name: ClassVar[str] = "bare"

    def fits(self, look: Look) -> bool:
        """Whatever isn't said to have a head, and reads text alone."""
        sees = "vision_config" in look.config or "image_size" in look.config
        return not ("For" in look.architecture or sees or "audio_config" in look.config)

    def load(self, folder: Path, device: str) -> _Text:
        """As the card's snippet does."""
        return _loaded("AutoModel", folder, device, "text.hidden")
