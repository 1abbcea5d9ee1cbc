"""Whether the delta of square fused experts is `B @ A` or its transpose.

For a parameter (experts, d1, d2) with d1 != d2 the shapes of the factors decide. Where d1 == d2 the orientation
follows from the versions of PEFT and transformers that trained the adapter. PEFT took the second dimension for the
inputs up to 0.19.0, and follows the class's `is_transposed` from 0.19.0 on (the wrong way round in 0.19.0).
Source: peft `ParamWrapper._get_in_out_features` and `update_layer`, 0.17.1 to 0.21.2; each was run with
transformers 4.57 and 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from packaging.version import InvalidVersion, Version

from adapter_merge.adapters.conv1d import model_types
from adapter_merge.adapters.factors import FusedFactors
from adapter_merge.adapters.unsloth import trace_of
from adapter_merge.errors import Ambiguous, RequestError
from adapter_merge.sources import Adapter

Orientation: TypeAlias = Literal["direct", "transposed"]

# Model types whose experts are (experts, in, out) with `is_transposed`, which PEFT reads from 0.19.0 on. Source:
# transformers 5, `use_experts_implementation(is_transposed=True)`.
TRANSPOSED_TYPES = frozenset({"aria", "aria_text", "gpt_oss", "openai_privacy_filter"})
# Of these, the type that transformers 4.57 has under the same names and without `is_transposed`. aria's experts
# were modules `fc1` and `fc2` there, and openai_privacy_filter did not exist.
_ALSO_IN_V4 = frozenset({"gpt_oss"})
# Types whose experts are (experts, in, out) in transformers 4.57 and (experts, out, in) in transformers 5.
_REORDERED_TYPES = frozenset({"qwen3_vl_moe", "qwen3_vl_moe_text"})
_V4_PARAMETER = "weight"

# First and last version of PEFT, and the orientation of a square parameter.
_Span: TypeAlias = tuple[Version, Version, Orientation]
_NEVER = Version("9999")
_BEFORE = (Version("0"), Version("0.18.1"))
# Of a class without `is_transposed`.
_PLAIN: Sequence[_Span] = (
    (Version("0"), Version("0.19.0"), "transposed"),
    (Version("0.19.1"), _NEVER, "direct"),
)
# Of a class with `is_transposed`.
_TRANSPOSED: Sequence[_Span] = (
    (*_BEFORE, "transposed"),
    (Version("0.19.0"), Version("0.19.0"), "direct"),
    (Version("0.19.1"), _NEVER, "transposed"),
)
# Of a class that has it in one release of transformers and not in the other.
_EITHER: Sequence[_Span] = ((*_BEFORE, "transposed"),)

_HINT = (
    "Look up the versions of PEFT and transformers that trained the adapter, and say whether an expert's delta is "
    "`B @ A` (`--expert-orientation direct`) or its transpose (`--expert-orientation transposed`)."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Located:
    """Factors and the parameter that they change.

    Attributes:
        shape: of the parameter in the model's class.
        swapped: whether the base's file has the last two dimensions in the other order, as the class once had.
    """

    fused: FusedFactors
    shape: tuple[int, ...]
    swapped: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class OrientationReading:
    """An orientation and what decided on it."""

    orientation: Orientation
    source: str


def read_orientation(
    group: Sequence[Located], adapter: Adapter, config: Mapping[str, Any]
) -> OrientationReading | None:
    """The orientation of the square parameters of one class: `group` has its parameters of every layer.

    None where no parameter is square. `config` is the base's.

    Raises:
        Ambiguous: nothing certain decides on a square parameter.
        RequestError: the orientation that the user stated is not the one that shapes show.
    """
    by_shape = {_oriented(p): p for p in group if not p.fused.is_square}
    _check_stated(by_shape, adapter)
    square = next((p for p in group if p.fused.is_square), None)
    if square is None:
        return None
    if adapter.expert_orientation != "auto":
        source = "`--expert-orientation`"
        return OrientationReading(orientation=adapter.expert_orientation, source=source)
    trace = trace_of(adapter)
    if trace is not None and not has_transposed_class(square.fused, config):
        why = f"{trace}, and Unsloth up to zoo 2026.9.6 trained square experts in another orientation than PEFT"
        raise _unknown(square, adapter, why)
    if len(by_shape) > 1:
        names = " and ".join(f"`{p.fused.name}`" for p in by_shape.values())
        raise _unknown(square, adapter, f"the shapes of {names} show different orientations")
    for orientation, located in by_shape.items():
        source = f"the shape of `{located.fused.parameter}` of the same module"
        return OrientationReading(orientation=orientation, source=source)
    version = adapter.config.peft_version
    reordered = square.swapped or not _REORDERED_TYPES.isdisjoint(model_types(config))
    known = None if reordered else _by_version(version, square.fused, config)
    if known is None:
        why = _why_open(version, reordered=reordered)
        raise _unknown(square, adapter, f"its shape fits both, and {why}")
    return OrientationReading(orientation=known, source=f"`peft_version` {version}")


def _check_stated(by_shape: Mapping[Orientation, Located], adapter: Adapter) -> None:
    stated = adapter.expert_orientation
    other = next((p for found, p in by_shape.items() if stated not in {"auto", found}), None)
    if other is not None:
        raise RequestError(
            f"`--expert-orientation {stated}` contradicts `{adapter.pinned.source}`: the factors of "
            f"`{other.fused.name}` fit its shape {list(other.shape)} in the other orientation only",
            hint="Leave the option out, or name the base model that the adapter was trained on.",
        )


def _oriented(located: Located) -> Orientation:
    return "transposed" if located.fused.is_transposed(located.shape) else "direct"


def has_transposed_class(fused: FusedFactors, config: Mapping[str, Any]) -> bool:
    """Whether the class of `config` has `is_transposed`, as far as the adapter's names are its own."""
    types = set(model_types(config))
    return fused.parameter != _V4_PARAMETER and not TRANSPOSED_TYPES.isdisjoint(types)


def _by_version(
    version: str | None, fused: FusedFactors, config: Mapping[str, Any]
) -> Orientation | None:
    """The orientation that PEFT gave a square parameter, where its version alone decides.

    Development versions between two releases may have the code of either.
    """
    try:
        trained = Version((version or "").partition("@")[0])
    except InvalidVersion:
        return None
    if not has_transposed_class(fused, config):
        spans = _PLAIN
    elif _ALSO_IN_V4.isdisjoint(model_types(config)):
        spans = _TRANSPOSED
    else:
        spans = _EITHER
    return next((o for first, last, o in spans if first <= trained <= last), None)


def _unknown(square: Located, adapter: Adapter, why: str) -> Ambiguous:
    return Ambiguous(
        f"the orientation of the square parameter `{square.fused.name}` {list(square.shape)} in "
        f"`{adapter.pinned.source}` is not known: {why}",
        hint=_HINT,
    )


def _why_open(version: str | None, *, reordered: bool) -> str:
    if reordered:
        return "transformers 4 and 5 have the dimensions of this class in different orders"
    if version is None:
        return "`adapter_config.json` has no `peft_version`"
    return f"`peft_version` {version} does not decide for this class"
