"""What a file has to hold once the model's embedding and head are no longer one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.skeleton import Absent, Skeleton, skeleton_of

# Types whose heads are `lm_head.weight` without a bias, tied to the embedding alone, and whose forward pass
# doesn't ask for the flag: nobody has to import their classes. Tests ask the classes again; docs/converters.json
# has all types that tie so.
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
# There older loaders put the inner model's prefix before every name, the head's too, and lose it.
_INNER = "has a head, and the base's file is that of its inner model"
# Their forward pass asks for the flag: a tied head scales its input by d_model**-0.5, one of its own doesn't.
SCALED = frozenset(
    {"longt5", "mt5", "pop2piano", "switch_transformers", "t5", "t5gemma", "udop", "umt5"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inseparable:
    """Why the tensors have to stay one: the end of a sentence that begins with the model's class."""

    why: str


def apart(
    config: Mapping[str, Any],
    checkpoint: Checkpoint,
    tied: Sequence[str],
    *,
    untied: Mapping[str, Any],
) -> Mapping[str, str] | Inseparable:
    """The tensors that the file lacks once `tied` are apart, each with the stored one that it is a copy of.

    The class decides, built without weights from `untied`, the config that the result will have; for the
    common types it is known without torch.
    """
    kind = str(config.get("model_type"))
    stored = next(n for n in tied if n in checkpoint.tensors)
    if kind in SCALED:
        return Inseparable(
            why="scales what goes into a tied head, so that an untied one computes something else"
        )
    if stored != _HEAD and stored.count(".") < 2 and _HEAD in tied:
        return Inseparable(why=_INNER)
    if kind in PLAIN and len(tied) == 2 and tied[1] == _HEAD != stored:
        return {name: stored for name in tied if name not in checkpoint.tensors}
    one, two = (skeleton_of(c, checkpoint.tensors) for c in (config, untied))
    if isinstance(one, Absent) or isinstance(two, Absent):
        why = next(s.why for s in (one, two) if isinstance(s, Absent))
        return Inseparable(why=f"has to tell what it is without its tie, and {why}")
    return _copies(one, two, checkpoint, tied)


def ties_itself(config: Mapping[str, Any], checkpoint: Checkpoint, tied: Sequence[str]) -> bool:
    """Whether the outermost class ties head and embedding: the only one that PEFT asks for its ties."""
    if config.get("model_type") in PLAIN:
        return True
    skeleton = skeleton_of(config, checkpoint.tensors)
    if isinstance(skeleton, Absent):
        return True
    heads = skeleton.place(tied[-1]).live
    return not any(h.startswith(f"{part.path}.") for h in heads for part in skeleton.parts)


def _copies(
    one: Skeleton, two: Skeleton, checkpoint: Checkpoint, tied: Sequence[str]
) -> Mapping[str, str] | Inseparable:
    """`one` is the class as it is, `two` the class without its tie."""
    stored = next(n for n in tied if n in checkpoint.tensors)
    places = {n: two.place(n).live for n in (*checkpoint.tensors, *tied)}
    names = {name: live[0] for name, live in places.items() if len(live) == 1}
    group = {names.get(n) for n in tied}
    if group not in one.groups:
        return Inseparable(why="ties other tensors than the names tell")
    if names[stored] == f"{two.prefix}.{stored}":
        return Inseparable(why=_INNER)
    if group & (two.tied.keys() | set(two.tied.values())):
        return Inseparable(why="ties them whatever its config says")
    freed = one.tied.keys() - two.tied.keys() - group
    if lost := sorted(n for n in freed if not n.endswith(".bias")):
        return Inseparable(why=f"would lose other ties too, such as that of `{lost[0]}`")
    copies = {n: stored for n in tied if n not in checkpoint.tensors}
    stored_as = {live: name for name, live in names.items() if name in checkpoint.tensors}
    for bias in sorted(freed - stored_as.keys()):
        if one.tied[bias] not in stored_as or two.place(bias).live != (bias,):
            return Inseparable(why=f"has a bias `{bias}` that the base's file gives no values for")
        copies[bias] = stored_as[one.tied[bias]]
    return copies
