"""What a file has to hold once the model's embedding and head are no longer one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.skeleton import Absent, Skeleton, skeleton_of

# Types whose heads are `lm_head.weight` without a bias, tied to the embedding alone, and whose forward pass
# doesn't ask for the flag: nobody has to import their classes. Tests ask the classes again.
PLAIN = frozenset(
    {
        "bloom",
        "cohere",
        "cohere2",
        "exaone4",
        "falcon",
        "gemma",
        "gemma2",
        "gemma3_text",
        "glm",
        "glm4",
        "gpt2",
        "gpt_neo",
        "gpt_oss",
        "granite",
        "helium",
        "lfm2",
        "llama",
        "mamba",
        "mistral",
        "mixtral",
        "olmo",
        "olmo2",
        "olmo3",
        "opt",
        "phi3",
        "qwen2",
        "qwen2_moe",
        "qwen3",
        "qwen3_moe",
        "smollm3",
        "stablelm",
        "starcoder2",
    }
)
_HEAD = "lm_head.weight"
# Their forward pass asks for the flag: a tied head scales its input by d_model**-0.5, one of its own doesn't.
SCALED = frozenset(
    {"longt5", "mt5", "pop2piano", "switch_transformers", "t5", "t5gemma", "udop", "umt5"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inseparable:
    """Why the tensors have to stay one: the end of a sentence that begins with the model's class."""

    why: str


def apart(
    config: Mapping[str, Any], checkpoint: Checkpoint, tied: Sequence[str]
) -> Mapping[str, str] | Inseparable:
    """The tensors that the file lacks once `tied` are apart, each with the stored one that it is a copy of.

    The class decides, built without weights and with `tie_word_embeddings` off; for the common types it is
    known without torch.
    """
    kind = str(config.get("model_type"))
    stored = next(n for n in tied if n in checkpoint.tensors)
    if kind in SCALED:
        return Inseparable(
            why="scales what goes into a tied head, so that an untied one computes something else"
        )
    if stored != _HEAD and stored.count(".") < 2 and _HEAD in tied:
        return Inseparable(why="has a head, and the base's file is that of its inner model")
    if kind in PLAIN and len(tied) == 2 and tied[1] == _HEAD != stored:
        return {name: stored for name in tied if name not in checkpoint.tensors}
    return _asked(config, checkpoint, tied)


def _asked(
    config: Mapping[str, Any], checkpoint: Checkpoint, tied: Sequence[str]
) -> Mapping[str, str] | Inseparable:
    stored = next(n for n in tied if n in checkpoint.tensors)
    one, two = (skeleton_of(c, checkpoint.tensors) for c in (config, _untied(config)))
    for skeleton in (one, two):
        if isinstance(skeleton, Absent):
            return Inseparable(why=f"has to tell what it is without its tie, and {skeleton.why}")
    assert isinstance(one, Skeleton)  # noqa: S101 - the loop left where one isn't
    assert isinstance(two, Skeleton)  # noqa: S101
    names = {
        n: live[0] for n in (*checkpoint.tensors, *tied) if len(live := two.place(n).live) == 1
    }
    group = {names.get(n) for n in tied}
    if group not in one.groups:
        return Inseparable(why="ties other tensors than the names tell")
    if group & (two.tied.keys() | set(two.tied.values())):
        return Inseparable(why="ties them whatever its config says")
    others = one.tied.keys() - group
    if lost := sorted(n for n in others if not n.endswith(".bias")):
        return Inseparable(why=f"would lose other ties too, such as that of `{lost[0]}`")
    copies = {n: stored for n in tied if n not in checkpoint.tensors}
    stored_as = {live: name for name, live in names.items() if name in checkpoint.tensors}
    for bias in sorted(others - stored_as.keys()):
        if one.tied[bias] not in stored_as or two.place(bias).live != (bias,):
            return Inseparable(why=f"has a bias `{bias}` that the base's file gives no values for")
        copies[bias] = stored_as[one.tied[bias]]
    return copies


def _untied(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with its flags off, at every level that a class reads."""
    nested = {
        key: _untied(value)
        for key, value in config.items()
        if isinstance(value, dict) and (key.endswith("_config") or "model_type" in value)
    }
    return {**config, **nested, "tie_word_embeddings": False}
