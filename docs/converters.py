"""Try every model class of transformers: what its loader rebuilds, and what this code does with an adapter on it.

`make docs-converters` writes docs/converters.json, which docs/pages.py shows and tests hold the tables of
`naming/` against. Each class is built without weights, its tensors get the names and shapes that
`save_pretrained` gives them, and naming is asked for each. transformers' registry only tells what none showed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_merge.checkpoint import Checkpoint, TensorInfo, WeightFile
from adapter_merge.naming import Target, tied_tensors
from adapter_merge.naming.join import Joined
from adapter_merge.skeleton import Place, Skeleton, skeleton_from

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

DATA = Path(__file__).parent / "converters.json"
HEAD = "lm_head.weight"
_SHOWN = 90
# What a class is built with: nothing but its defaults, else sizes of what many defaults leave out.
_FORMS: tuple[Mapping[str, Any], ...] = (
    {},
    {
        "vocab_size": 64,
        "hidden_size": 256,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 64,
        "num_experts": 4,
        "n_routed_experts": 4,
        "n_shared_experts": 1,
        "num_images": 2,
        "prediction_length": 4,
    },
    {"num_hidden_layers": 2, "layer_types": ["full_attention", "full_attention"], "vocab_size": 64},
)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Rebuilt:
    """A live tensor that the file holds in another form.

    Attributes:
        by: the operations of transformers that make it.
        live: what becomes of an adapter of the live tensor where the file is as saved.
        saved: what becomes of one under the file's name where the file holds the live tensor.
        tensor: its name without numbers, from its module on.
    """

    by: str
    live: str
    saved: str
    tensor: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What one class says.

    Attributes:
        rebuilt: its live tensors that a file holds otherwise.
        moved: live names that the loader takes for another tensor's, or converts.
        plain: whether all that it ties is its embedding and one head without a bias, as its config says.
        shared: what it ties besides what `naming.tied` takes for the vocabulary, two names of each group.
    """

    rebuilt: frozenset[Rebuilt]
    moved: frozenset[str]
    plain: bool
    shared: frozenset[tuple[str, ...]]


def classes() -> Mapping[str, type[PreTrainedModel]]:
    """Every model class that transformers exports, but the abstract ones."""
    import transformers

    found = {n: getattr(transformers, n) for n in dir(transformers) if n[0].isupper()}
    base = transformers.PreTrainedModel
    return {
        name: known
        for name, known in sorted(found.items())
        if isinstance(known, type)
        and issubclass(known, base)
        and not name.endswith("PreTrainedModel")
    }


def tiny(known: type[PreTrainedModel]) -> PreTrainedModel | str:
    """A class without weights, in the first form that it takes; else why it doesn't take its own defaults."""
    why = ""
    for form in _FORMS:
        # Default configs are broken in many ways, and each is told.
        try:
            return built(known, **form)
        except Exception as error:
            text = " ".join(str(error).split()) or "no word"
            cut = f"{text[:_SHOWN]} ..." if len(text) > _SHOWN else text
            why = why or f"{type(error).__name__}, {cut}"
    return why


def built(known: type[PreTrainedModel], **options: Any) -> PreTrainedModel:
    """A class on the meta device, where tensors have shapes and no values."""
    import torch

    config = known.config_class(**options)
    config._attn_implementation = "eager"  # noqa: SLF001 - asks for no kernel package
    with torch.device("meta"):
        return known(config)


def facts(model: PreTrainedModel) -> Facts:
    """Ask a model about one tensor of each name, numbers left aside."""
    skeleton = skeleton_from(model)
    tensors = _one_of_each(model.state_dict())
    return Facts(
        rebuilt=frozenset(_rebuilt(model, skeleton, tensors))
        if skeleton.converters
        else frozenset(),
        moved=frozenset(_moved(skeleton, tensors)),
        plain=HEAD in skeleton.shapes and _is_plain(type(model)),
        shared=frozenset(_shared(model, skeleton)) if skeleton.groups else frozenset(),
    )


def _shared(model: PreTrainedModel, skeleton: Skeleton) -> Iterator[tuple[str, ...]]:
    """Groups of tied tensors that aren't the vocabulary's, or have names that `tied_tensors` doesn't know."""
    from transformers.core_model_loading import revert_weight_conversion

    tensors = {n: t for n, t in model.state_dict().items() if n not in skeleton.tied}
    saved = _joined(skeleton, revert_weight_conversion(model, tensors))
    config = json.loads(model.config.to_json_string(use_diff=False))

    def live(name: str) -> str:
        return skeleton.place(name).live[0]

    def equal(one: str, other: str) -> bool:
        return any({live(one), live(other)} <= group for group in skeleton.groups)

    known = {live(n) for n in tied_tensors(config, saved.checkpoint, equal=equal)}
    for group in skeleton.groups:
        # The biases of a head and of its decoder come apart with the weights.
        heads = {f"{n.removesuffix('.bias')}.weight" for n in group if n.endswith(".bias")}
        if not group <= known and not heads & known:
            yield tuple(sorted({_folded(n) for n in group})[:2])


def _one_of_each(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found: dict[str, str] = {}
    for name in tensors:
        found.setdefault(_folded(name), name)
    return {name: tensors[name] for name in found.values()}


def _folded(name: str) -> str:
    return re.sub(r"\b\d+\b", "#", name)


def _moved(skeleton: Skeleton, tensors: Mapping[str, torch.Tensor]) -> Iterator[str]:
    for name in tensors:
        place = skeleton.place(name)
        if place.converter or (place.live != (name,) and place.live[0] in skeleton.shapes):
            yield _folded(name.removeprefix(f"{skeleton.prefix}.") if skeleton.prefix else name)


def _rebuilt(
    model: PreTrainedModel, skeleton: Skeleton, tensors: dict[str, torch.Tensor]
) -> Iterator[Rebuilt]:
    from transformers.core_model_loading import revert_weight_conversion

    as_saved = _joined(skeleton, _turned(skeleton, revert_weight_conversion(model, dict(tensors))))
    as_live = _joined(skeleton, tensors)
    for name, tensor in tensors.items():
        target = as_saved.target(Place(live=(name,), stored=name))
        # No method adapts vectors alone, and what is done to a bias is done to its weight.
        if target is None or target.converter is None or tensor.dim() < 2:
            continue
        yield Rebuilt(
            by=target.converter,
            live=_fate(target),
            saved=_fate(as_live.target(skeleton.place(target.tensors[0]))),
            tensor=".".join(_folded(name).split(".")[-3:]),
        )


def _turned(skeleton: Skeleton, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """As they lie on the Hub: a swap that looks at the shape first does nothing on the way back."""
    places = {name: skeleton.place(name) for name in tensors}
    return {
        name: tensor.transpose(1, 2) if (p := places[name]).turns and p.looks else tensor
        for name, tensor in tensors.items()
    }


def _joined(skeleton: Skeleton, tensors: Mapping[str, torch.Tensor]) -> Joined:
    infos = tuple(
        TensorInfo(name=n, dtype="F32", shape=tuple(t.shape), start=0, stop=0)
        for n, t in tensors.items()
    )
    file = WeightFile(name="", size=0, header=b"", metadata=None, tensors=infos)
    return Joined(skeleton=skeleton, checkpoint=Checkpoint(files=(file,), index=None))


def _fate(target: Target | None) -> str:
    if target is None or not target.can_be_edited:
        return "refused"
    if target.converter is None:
        return "whole"
    return "rows" if target.rows is not None else "pieces"


def _is_plain(known: type[PreTrainedModel]) -> bool:
    try:
        one, two = (skeleton_from(built(known, tie_word_embeddings=tie)) for tie in (True, False))
    except Exception:  # as in `tiny`: one that takes no tie, or not with its defaults
        return False
    return (
        list(one.tied) == [HEAD]
        and not two.tied
        and HEAD in two.shapes
        and "lm_head.bias" not in two.shapes
        and two.place(HEAD).live == (HEAD,)
    )


def tried(show: Callable[[str], None]) -> Mapping[str, Any]:
    """Everything, as docs/converters.json has it; `show` gets a word on every hundredth class."""
    import transformers

    said: dict[type[PreTrainedModel], Facts] = {}
    failed: dict[str, str] = {}
    known = classes()
    for count, (name, kind) in enumerate(known.items(), 1):
        model = tiny(kind)
        if isinstance(model, str):
            failed[name] = model
        else:
            said[kind] = facts(model)
        if count % 100 == 0:
            show(f"{count} of {len(known)}")
    rows = _rows(said)
    return {
        "transformers": transformers.__version__,
        "tried": len(known),
        "rebuilt": rows,
        "unseen": _unseen(rows),
        "moved": _of_types(said),
        "shared": _listed_by_type({k: f.shared for k, f in said.items()}),
        "plain": sorted({k.config_class.model_type for k, facts in said.items() if facts.plain}),
        "failed": failed,
    }


def _of_types(said: Mapping[type[PreTrainedModel], Facts]) -> Mapping[str, list[str]]:
    """Model type -> its names that mean another tensor."""
    moved: dict[str, set[str]] = defaultdict(set)
    for kind, found in said.items():
        moved[kind.config_class.model_type] |= found.moved
    return {name: sorted(names) for name, names in sorted(moved.items()) if names}


def _listed_by_type(
    found: Mapping[type[PreTrainedModel], frozenset[tuple[str, ...]]],
) -> Mapping[str, list[list[str]]]:
    """Model type -> what its classes share."""
    groups: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for kind, own in found.items():
        groups[kind.config_class.model_type] |= own
    return {name: [list(g) for g in sorted(own)] for name, own in sorted(groups.items()) if own}


def _rows(said: Mapping[type[PreTrainedModel], Facts]) -> list[Mapping[str, Any]]:
    """One for each way of being rebuilt, that of the most types first."""
    found: dict[tuple[str, str, str], set[type[PreTrainedModel]]] = defaultdict(set)
    tensors: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for kind, one in ((k, r) for k, facts in said.items() for r in facts.rebuilt):
        found[key := (one.by, one.live, one.saved)].add(kind)
        tensors[key].add(one.tensor)
    rows = [
        {
            "by": key[0],
            "live": key[1],
            "saved": key[2],
            "tensors": sorted(tensors[key]),
            "types": sorted({k.config_class.model_type for k in kinds}),
            "classes": sorted(k.__name__ for k in kinds),
        }
        for key, kinds in found.items()
    ]
    return sorted(rows, key=lambda row: (-len(row["types"]), row["by"], row["live"]))


def _unseen(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, list[str]]:
    """Operations -> types and classes that transformers has them for, and no class that was tried showed."""
    seen = {(row["by"], name) for row in rows for name in (*row["types"], *row["classes"])}
    found: dict[str, set[str]] = defaultdict(set)
    for by, name in registered() - seen:
        found[by].add(name)
    return {by: sorted(names) for by, names in sorted(found.items())}


def registered() -> frozenset[tuple[str, str]]:
    """What transformers' own registry has: operations, and the type or class that they are for."""
    from transformers import conversion_mapping
    from transformers.core_model_loading import WeightConverter

    rules = conversion_mapping._build_checkpoint_conversion_mapping()  # noqa: SLF001 - no public list
    return frozenset(
        (", ".join(type(o).__name__ for o in rule.operations), name)
        for name, own in rules.items()
        for rule in own
        if isinstance(rule, WeightConverter)
    )


def main() -> int:
    """Write the file; the result is the exit code."""
    import warnings

    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.simplefilter("ignore")
    from transformers.utils import logging

    logging.set_verbosity(logging.CRITICAL)
    found = tried(lambda text: print(text, file=sys.stderr))
    DATA.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
