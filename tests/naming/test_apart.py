"""What a file has to hold once embedding and head are apart: the tables against the installed transformers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from adapter_merge.naming import Inseparable, apart
from adapter_merge.naming.apart import PLAIN, SCALED
from adapter_merge.skeleton import Absent, Skeleton, skeleton_of
from tests.naming.test_resolve import checkpoint

EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"
SMALL = {
    "num_hidden_layers": 1,
    "n_layer": 1,
    "num_layers": 1,
    "attention_types": [[["global"], 1]],
}


@pytest.mark.parametrize("kind", sorted(PLAIN))
def test_a_plain_type_ties_one_head_and_nothing_else(kind: str) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    wanted = {
        "model_type": kind,
        "architectures": [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[kind]],
        **SMALL,
    }
    tied = skeleton_of({**wanted, "tie_word_embeddings": True}, ())
    free = skeleton_of({**wanted, "tie_word_embeddings": False}, ())
    assert isinstance(tied, Skeleton)
    assert isinstance(free, Skeleton)
    assert list(tied.tied) == [HEAD]
    assert free.tied == {}
    assert HEAD in free.shapes
    assert "lm_head.bias" not in free.shapes
    assert free.place(HEAD).live == (HEAD,)


def test_every_plain_type_is_one_by_the_list_of_all_classes() -> None:
    known = json.loads((Path(__file__).parents[2] / "docs" / "converters.json").read_text())
    assert set(known["plain"]) >= PLAIN
    assert SCALED.isdisjoint(known["plain"])


def test_no_other_forward_pass_asks_for_the_flag() -> None:
    import transformers

    asks = re.compile(r"if self\.config\.(?:tie_word_embeddings|scale_decoder_outputs)")
    models = Path(transformers.__file__).parent / "models"
    kinds = {p.parent.name for p in models.glob("*/modeling_*.py") if asks.search(p.read_text())}
    assert kinds
    assert kinds <= SCALED
    assert not (SCALED & PLAIN)


@pytest.mark.parametrize(
    ("held", "copies"),
    [([EMBED], {HEAD: EMBED}), ([EMBED, HEAD], {})],
)
def test_a_plain_type_is_asked_nothing(held: list[str], copies: Mapping[str, str]) -> None:
    config = {"model_type": "llama", "hidden_size": "of no class"}
    assert isinstance(skeleton_of(config, held), Absent)
    assert apart(config, checkpoint(held), (EMBED, HEAD), untied={}) == copies


SHARED = ("shared.weight", "encoder.embed_tokens.weight", HEAD)
INSEPARABLE: Mapping[str, tuple[Mapping[str, object], list[str], tuple[str, ...], str]] = {
    "a head that scales": ({"model_type": "t5"}, ["shared.weight"], SHARED, "scales"),
    "an inner model": (
        {"model_type": "gpt2"},
        ["wte.weight"],
        ("wte.weight", HEAD),
        "inner model",
    ),
    "a class that nobody knows": ({"model_type": "x"}, [EMBED], (EMBED, HEAD), "`x`"),
    "no type": ({}, [EMBED], (EMBED, HEAD), "no `model_type`"),
    "another head": (
        {"model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"]},
        ["model.decoder.embed_tokens.weight"],
        ("model.decoder.embed_tokens.weight", HEAD),
        "other tensors",
    ),
    "other ties": (
        {"model_type": "zamba", "architectures": ["ZambaForCausalLM"]},
        [EMBED],
        (EMBED, HEAD),
        "other ties too",
    ),
    "a bias that the file lacks": (
        {"model_type": "bert", "architectures": ["BertForMaskedLM"], "num_hidden_layers": 1},
        ["bert.embeddings.word_embeddings.weight"],
        ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"),
        "no values",
    ),
}


@pytest.mark.parametrize(
    ("config", "held", "tied", "part"), INSEPARABLE.values(), ids=INSEPARABLE.keys()
)
def test_what_has_to_stay_one(
    config: Mapping[str, object], held: list[str], tied: tuple[str, ...], part: str
) -> None:
    free = {**config, "tie_word_embeddings": False}
    found = apart(config, checkpoint(held), tied, untied=free)
    assert isinstance(found, Inseparable)
    assert part in found.why
