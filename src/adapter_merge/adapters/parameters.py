"""LoRA on parameters of a module (`target_parameters`), such as stacked experts.

PEFT puts one layer around another for each such parameter of a module, in the order in which its class has
them: the last one's factors bear the module's name, those of each before it one `.base_layer` more. Source:
peft `tuners/tuners_utils.py`, `_inject_parameters`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from adapter_merge.adapters.contribution import Contribution, Step
from adapter_merge.adapters.experts import Stacked, of_piece
from adapter_merge.adapters.factors import FusedFactors
from adapter_merge.adapters.steps import LowRank
from adapter_merge.checkpoint import Piece, TensorInfo
from adapter_merge.errors import Ambiguous, Unclaimed
from adapter_merge.plan import Need
from adapter_merge.sources import Adapter

_INNER = ".base_layer"

# The order that all classes of transformers agree on. Source: `nn.Parameter` in its `modeling_*.py`.
ORDER = (
    "gate_up_proj",
    "gate_up_proj_bias",
    "gate_proj",
    "up_proj",
    "down_proj",
    "down_proj_bias",
    "w1",
    "v1",
    "w2",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """A parameter that has factors."""

    module: str
    parameter: str

    @property
    def name(self) -> str:
        """Its whole name; patterns of ranks and scales are of it."""
        return f"{self.module}.{self.parameter}"


def owners_of(
    adapter: Adapter, paths: Iterable[str], targets: Sequence[str]
) -> Mapping[str, Owner]:
    """Whose factors lie under which path, for those that are a parameter's and no module's.

    Raises:
        Ambiguous: which of a module's factors are whose can't be told.
        Unclaimed: factors below others, for which the config names no parameter.
    """
    label, roots = adapter.pinned.source, dict[str, list[str]]()
    for path in paths:
        roots.setdefault(path.replace(_INNER, ""), []).append(path)
    modules = adapter.config.selected(roots, label=label) if targets else frozenset(roots)
    found: dict[str, Owner] = {}
    for root, nested in roots.items():
        names = [] if root in modules else _named(root, targets)
        # A bare name is of whatever module has it; one that names the module is nobody else's.
        said = _named(root, [t for t in targets if "." in t]) if names else []
        names = said if len(said) == len(nested) else names
        if nested == [root] and not names:
            continue
        _check(root, nested, names, label)
        inmost_first = sorted(nested, key=len, reverse=True)
        found |= {
            p: Owner(module=root, parameter=n) for p, n in zip(inmost_first, names, strict=True)
        }
    return found


def _named(root: str, targets: Sequence[str]) -> list[str]:
    """The parameters of a module that `target_parameters` names, in their order."""
    names = {
        leaf
        for target in targets
        if f".{root}.{(leaf := target.rpartition('.')[2])}".endswith(f".{target}")
    }
    return sorted(names, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n))


def _check(root: str, nested: Sequence[str], names: Sequence[str], label: str) -> None:
    if len(nested) > len(names):
        raise Unclaimed(
            f"`{label}` holds {len(nested)} pairs of factors around each other for `{root}`, and its config names "
            f"{len(names)} parameters of it",
            hint="Add the parameters to `target_parameters` in `adapter_config.json`, such as "
            "`experts.gate_up_proj` and `experts.down_proj`; PEFT's `save_pretrained` writes them.",
        )
    if len(nested) < len(names) or (len(names) > 1 and not set(names) <= set(ORDER)):
        listed = ", ".join(f"`{n}`" for n in names)
        raise Ambiguous(
            f"`{label}` trains {listed} of `{root}`, and which of its {len(nested)} pairs of factors is whose can't "
            "be told",
            hint="Merge it with PEFT: `merge_and_unload`, then `save_pretrained`.",
        )


def on_parameter(fused: FusedFactors) -> Contribution:
    """The delta of a parameter, with experts or without."""
    factors = fused.factors

    def make(target: TensorInfo | None) -> Step:
        assert target is not None  # noqa: S101 - a required need is always found
        if len(target.shape) > 2:
            transposed = fused.is_transposed(target.shape) is True
            return Stacked(factors=factors, outputs=slice(0, fused.outputs), transposed=transposed)
        return LowRank(
            a=factors.a, b=factors.b, scale=factors.scale, outputs=fused.outputs, transposed=False
        )

    def cut(target: TensorInfo, piece: Piece) -> Step | None:
        transposed = fused.is_transposed(target.shape)
        return None if transposed is None else of_piece(factors, piece, transposed=transposed)

    need = Need(
        module=fused.module,
        parameter=fused.parameter,
        fits=lambda found: fused.is_transposed(found.shape) is not None,
        required=True,
    )
    return Contribution(need=need, shape=None, saved=False, make=make, cut=cut, fused=fused)
