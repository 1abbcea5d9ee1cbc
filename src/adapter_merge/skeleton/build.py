"""Build the class that a config names on the meta device, where tensors have shapes and no values.

Imports torch and transformers; reads no weights, runs no stranger's code, downloads and prints nothing.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from adapter_merge.offline import without_hub
from adapter_merge.skeleton.family import Member, architectures, engine_class, member_of
from adapter_merge.skeleton.tree import Part, Skeleton

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

# Beyond it a config asks for far more than its file holds: building that tree could take for ever.
_PARTS_FOR_A_TENSOR = 2
_FEWEST = 256
_COUNTS = ("layer", "depth", "block", "expert", "stage")
_DEEPEST = 8  # no class reads a config below so many others
_SHOWN = 120
_FLOAT = "__float__"


@dataclass(frozen=True, kw_only=True, slots=True)
class Absent:
    """No skeleton.

    Attributes:
        why: the end of a sentence that begins with the model's class.
        fix: what to do, as a sentence.
    """

    why: str
    fix: str = "Repair `config.json` of the base, or update transformers."


def skeleton_of(config: Mapping[str, Any], names: Collection[str]) -> Skeleton | Absent:
    """The skeleton of the class that `config.json` names.

    `names` are the tensors of the base's file: they tell a projection that the config doesn't mention,
    and bound how large a tree may be asked for.
    """
    if config.get("auto_map"):
        return Absent(
            why="is Python code of its own",
            fix="The base's own Python code is never executed, so only the names in its file count. Rename the "
            "adapter's tensors to those, or merge with PEFT and run `adapter-merge check` on the result.",
        )
    if not isinstance(config.get("model_type"), str):
        return Absent(
            why="isn't told: `config.json` has no `model_type`",
            fix="Add `model_type` to `config.json` of the base.",
        )
    if _most(config) > _PARTS_FOR_A_TENSOR * max(len(names), _FEWEST):
        return Absent(
            why="asks for more layers than its file has tensors for",
            fix="Correct the number of layers in `config.json` of the base, or use a base with all of its weights.",
        )
    member = member_of(config, names)
    found = _built(config, member)
    if member is None or isinstance(found, Absent):
        return found
    projected = (f"{member.projection}.{kind}" for kind in ("weight", "bias"))
    name = engine_class(config, names) or found.name
    return replace(found, name=name, unsized=frozenset(found.shapes.keys() & set(projected)))


def family_model(
    config: Mapping[str, Any], member: Member, shapes: Mapping[str, tuple[int, ...]]
) -> PreTrainedModel:
    """The tree of a ColPali class, its projection as in the file that has these shapes.

    Raises:
        Exception: whatever a class's constructor makes of a stranger's config.
    """
    from torch import nn

    with _quiet(), without_hub():
        model = _model(config, member)
    outputs, inputs = shapes.get(f"{member.projection}.weight", (1, 1))
    if member.projection is not None:
        setattr(model, member.projection, nn.Linear(inputs, outputs, device="meta"))
    return model


def _built(config: Mapping[str, Any], member: Member | None) -> Skeleton | Absent:
    import transformers

    if config["model_type"] not in transformers.CONFIG_MAPPING:
        return Absent(
            why=f"isn't part of transformers {transformers.__version__}: `{config['model_type']}`",
            fix="Update transformers to a release that has this model type.",
        )
    with _quiet(), without_hub():
        # A stranger's values can break a class's constructor in any way.
        try:
            return skeleton_from(_model(config, member))
        except Exception as error:
            first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
            return Absent(
                why=f"can't be built from this config: {type(error).__name__} {first[:_SHOWN]}"
            )


def skeleton_from(model: PreTrainedModel) -> Skeleton:
    """The skeleton of a model that is there."""
    from transformers import PreTrainedModel, __version__
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter

    transforms = get_model_conversion_mapping(model)
    parts = [
        Part(path=path, prefix=module.base_model_prefix)
        for path, module in model.named_modules()
        if path and isinstance(module, PreTrainedModel)
    ]
    shapes = {n: tuple(t.shape) for n, t in model.state_dict().items()}
    parameters = {n for n, _ in model.named_parameters(remove_duplicate=False)}
    [re.compile(p) for p in getattr(model, "_keys_to_ignore_on_load_missing", None) or ()]
    return Skeleton(
        version=__version__,
        name=type(model).__name__,
        shapes=shapes,
        computed=frozenset(shapes.keys() - parameters) | _declared(model, shapes),
        prefix=model.base_model_prefix,
        parts=tuple(parts),
        tied=model.get_expanded_tied_weights_keys(all_submodels=True),
        renamings=tuple(t for t in transforms if not isinstance(t, WeightConverter)),
        converters=tuple(t for t in transforms if isinstance(t, WeightConverter)),
    )


def _declared(model: PreTrainedModel, names: Collection[str]) -> frozenset[str]:
    """Parameters that the class says a file may lack, as it computes them; a head may only where it is tied."""
    patterns = getattr(model, "_keys_to_ignore_on_load_missing", None) or ()
    found = [n for n in names if any(re.search(p, n) for p in patterns)]
    return frozenset(n for n in found if not n.endswith("lm_head.weight"))


def _model(config: Mapping[str, Any], member: Member | None) -> PreTrainedModel:
    import torch
    import transformers

    settings = settings_of(config)
    wanted = [member.inner] if member else architectures(config)
    classes = [c for n in wanted if isinstance(c := getattr(transformers, n, None), type)]
    with torch.device("meta"):
        if classes and issubclass(classes[0], transformers.PreTrainedModel):
            model = classes[0](settings)
            return _around(model, member) if member else model
        return transformers.AutoModel.from_config(settings, trust_remote_code=False)


def settings_of(config: Mapping[str, Any]) -> PreTrainedConfig:
    """What transformers makes of a `config.json` whose `model_type` it knows.

    Raises:
        Exception: whatever the config's class makes of a stranger's values.
    """
    from transformers import CONFIG_MAPPING

    plain = {k: v for k, v in config.items() if not k.startswith("_attn") and k != "model_type"}
    settings = CONFIG_MAPPING[config["model_type"]].from_dict(_decoded(plain))
    settings._attn_implementation = "eager"  # noqa: SLF001 - asks for no kernel package
    return settings


def _decoded(value: Any) -> Any:
    """A config as transformers reads it: it writes numbers that JSON doesn't have as `{"__float__": "Infinity"}`."""
    if isinstance(value, Mapping):
        if value.keys() == {_FLOAT}:
            return float(value[_FLOAT])
        return {k: _decoded(v) for k, v in value.items()}
    return [_decoded(v) for v in value] if isinstance(value, list) else value


def _around(model: PreTrainedModel, member: Member) -> PreTrainedModel:
    from torch import nn
    from transformers import PreTrainedModel

    if member.held:
        kinds = [c for c in type(model).__mro__ if issubclass(c, PreTrainedModel)]
        holder: PreTrainedModel = type("Holder", (kinds[-2],), {})(model.config)
        holder.model = model
        model = holder
    if member.projection is not None:
        # Its shape is the file's; no converter acts on it.
        setattr(model, member.projection, nn.Linear(1, 1))
    return model


def _most(value: object, key: str = "", deep: int = _DEEPEST) -> int:
    """The largest number of layers, experts and the like that a config, or a config in it, gives."""
    if isinstance(value, Mapping) and deep:
        return max((_most(v, str(k), deep - 1) for k, v in value.items()), default=0)
    if isinstance(value, list) and deep:
        found = [_most(v, key, deep - 1) for v in value]
        # `depths` are layers a stage; most other lists are layers by their number.
        return sum(found) if "depth" in key else max(found, default=0)
    return value if isinstance(value, int) and any(w in key for w in _COUNTS) else 0


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers: its words about a config are no business of a plan."""
    import warnings

    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)
