"""Where a key of a file leads, and which live tensors are one."""

from __future__ import annotations

import pytest

from adapter_merge.skeleton import Place, Skeleton, skeleton_of

_LAYER = "layers.0.self_attn"
_EXPERTS = "model.layers.0.mlp.experts"


def _skeleton(kind: str, architecture: str, **values: object) -> Skeleton:
    config = {"model_type": kind, "architectures": [architecture], **values}
    found = skeleton_of(config, ())
    assert isinstance(found, Skeleton)
    return found


def _moved(live: str) -> Place:
    return Place(live=(live,), stored=live)


@pytest.mark.parametrize(
    ("kind", "architecture", "key", "place"),
    [
        ("llama", "LlamaModel", f"model.{_LAYER}.q_proj.weight", _moved(f"{_LAYER}.q_proj.weight")),
        ("llama", "LlamaForCausalLM", f"{_LAYER}.q_proj.weight",
         _moved(f"model.{_LAYER}.q_proj.weight")),
        ("llama", "LlamaForCausalLM", "gone.weight", _moved("gone.weight")),
        ("qwen2_vl", "Qwen2VLForConditionalGeneration", f"model.{_LAYER}.q_proj.weight",
         _moved(f"model.language_model.{_LAYER}.q_proj.weight")),
        ("nomic_bert", "NomicBertModel", "encoder.layers.0.attn.Wqkv.weight",
         Place(live=tuple(f"{_LAYER}.{n}_proj.weight" for n in "qkv"),
               stored=f"{_LAYER}.q_proj.weight", converter="Chunk", splits=True)),
        ("mixtral", "MixtralForCausalLM", "model.layers.0.block_sparse_moe.experts.2.w2.weight",
         Place(live=(f"{_EXPERTS}.down_proj",), stored=f"{_EXPERTS}.2.w2.weight",
               converter="MergeModulelist")),
    ],
)  # fmt: skip
def test_a_key_leads_to_a_live_tensor(kind: str, architecture: str, key: str, place: Place) -> None:
    found = _skeleton(kind, architecture, num_hidden_layers=1).place(key)
    assert found.live == place.live
    assert (found.converter, found.splits) == (place.converter, place.splits)


def test_tied_tensors_are_one_group() -> None:
    llama = _skeleton("llama", "LlamaForCausalLM", num_hidden_layers=1, tie_word_embeddings=True)
    assert llama.groups == (frozenset({"lm_head.weight", "model.embed_tokens.weight"}),)
    t5 = _skeleton("t5", "T5ForConditionalGeneration", num_layers=1)
    assert {"shared.weight", "lm_head.weight"} < t5.groups[0]


def test_the_models_inside_are_its_parts() -> None:
    parts = _skeleton("llava", "LlavaForConditionalGeneration").parts
    assert {"model", "model.language_model", "model.vision_tower"} <= {p.path for p in parts}
