"""LoRA: pairs of low-rank factors, the biases beside them, and the modules that were saved whole.

Source of the tensor names: peft `utils/save_and_load.py`; of ranks and scales: peft `tuners/lora`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from adapter_merge.adapters.contribution import Contribution, Step
from adapter_merge.adapters.conv1d import Conv1DModules
from adapter_merge.adapters.experts import of_piece
from adapter_merge.adapters.factors import Factors, FusedFactors
from adapter_merge.adapters.lora_names import sort_out
from adapter_merge.adapters.lora_options import LoraOptions, Scale
from adapter_merge.adapters.parameters import Owner, on_parameter, owners_of
from adapter_merge.adapters.refused import lora_refusal
from adapter_merge.adapters.saved_modules import saved_tensors
from adapter_merge.adapters.steps import BiasDelta, ConvLowRank, LowRank
from adapter_merge.adapters.tokens import token_rows
from adapter_merge.checkpoint import Piece, TensorInfo
from adapter_merge.errors import AdapterKind, Ambiguous, Corrupt, ShapeMismatch, Unclaimed
from adapter_merge.plan import AdapterTensor, Need
from adapter_merge.sources import Adapter, Base

_EXPERT = re.compile(r"\.experts\.\d+\.")
_RANK = "The config belongs to another adapter, or `rank_pattern` is wrong."
_RANK_OF_EXPERT = (
    "Programs such as NeMo AutoModel with `moe_rank_scaling` give experts another rank than the config states. Add "
    "`rank_pattern` with the rank of the experts, or export the adapter without that option."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pair:
    """The two factors of one module; `embedding` says which of PEFT's spellings they had."""

    module: str
    a: TensorInfo
    b: TensorInfo
    embedding: bool


class Lora:
    """Plain LoRA, as PEFT trains and saves it."""

    peft_type: ClassVar[str] = "LORA"

    def read(self, adapter: Adapter, index: int, base: Base) -> tuple[Contribution, ...]:
        """See `Kind.read`."""
        config, options = adapter.config, LoraOptions.of(adapter)
        _refuse(adapter, options)
        factors, whole, tokens = sort_out(adapter)
        owners = owners_of(adapter, factors, options.target_parameters or ())
        reader = _Reader(
            adapter=adapter,
            index=index,
            options=options,
            scales=options.scales(
                [o.name if (o := owners.get(m)) else m for m in factors],
                label=adapter.pinned.source,
            ),
            conv1d=Conv1DModules.of(base),
            saved=whole.plain,
        )
        pairs = [
            reader.pair(module, kinds) for module, kinds in factors.items() if module not in owners
        ]
        biases = [(m, kinds["bias"]) for m, kinds in factors.items() if "bias" in kinds]
        return (
            *(reader.low_rank(pair) for pair in pairs),
            *(reader.parameter(owner, factors[path]) for path, owner in owners.items()),
            *(reader.bias_delta(module, bias) for module, bias in biases),
            *saved_tensors(whole, index=index, config=config),
            *(
                token_rows(adapter, info, index=index, module=module, wanted=_tokens_of(adapter))
                for module, info in tokens.items()
            ),
        )


def _tokens_of(adapter: Adapter) -> object:
    return (adapter.config.model_extra or {}).get("trainable_token_indices")


def _refuse(adapter: Adapter, options: LoraOptions) -> None:
    label = adapter.pinned.source
    why = lora_refusal(options.init_lora_weights, options.model_extra or {})
    if why is not None:
        raise AdapterKind(
            f"`{label}` can't be merged: {why}",
            hint="Serve it with PEFT beside its base, or convert it to a plain LoRA with PEFT.",
        )
    if not adapter.checkpoint.tensors:
        raise Corrupt(
            f"the weights of `{label}` hold no tensor: merging them would copy the base",
            hint="Save the adapter again with PEFT, after training.",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reader:
    """Makes contributions out of one adapter's factors."""

    adapter: Adapter
    index: int
    options: LoraOptions
    scales: Mapping[str, Scale]
    conv1d: Conv1DModules
    saved: Mapping[str, TensorInfo]

    def pair(self, module: str, kinds: Mapping[str, TensorInfo]) -> _Pair:
        """Both factors of a module, of the rank that the config gives it."""
        label = self.adapter.pinned.source
        names = set(kinds) - {"bias"}
        embedding = names == {"embedding_A", "embedding_B"}
        if not embedding and names != {"A", "B"}:
            there = ", ".join(f"`{kinds[k].name}`" for k in sorted(kinds))
            raise Unclaimed(
                f"`{label}` has half a pair for `{module}`: only {there}",
                hint="The adapter's file is incomplete; save or download it again.",
            )
        start = "embedding_" if embedding else ""
        pair = _Pair(module=module, a=kinds[f"{start}A"], b=kinds[f"{start}B"], embedding=embedding)
        self._check_rank(pair)
        return pair

    def _check_rank(self, pair: _Pair) -> None:
        label, expected = self.adapter.pinned.source, self.scales[pair.module].rank
        a, b = pair.a.shape, pair.b.shape
        self._refuse_stacked(pair.module, a, b)
        if min(len(a), len(b)) > 1 and (why := _known_misfit(a, b, expected)):
            raise AdapterKind(
                f"`{label}` can't be merged: `{pair.module}` {why}",
                hint="Serve it with PEFT beside its base, in the version that trained it.",
            )
        if not len(a) == len(b) > 1 or a[0] != b[1] or a[0] != expected:
            raise ShapeMismatch(
                f"`{pair.module}` of `{label}` has factors {list(a)} and {list(b)}, "
                f"but `adapter_config.json` gives it rank {expected}",
                hint=_RANK_OF_EXPERT if _EXPERT.search(pair.module) else _RANK,
            )

    def _refuse_stacked(self, module: str, a: tuple[int, ...], b: tuple[int, ...]) -> None:
        """Factors with a dimension for the experts; a convolution's have three dimensions too."""
        if 3 in {len(a), len(b)} and ".experts." in f".{module}.":
            raise AdapterKind(
                f"`{self.adapter.pinned.source}` can't be merged: the factors {list(a)} and {list(b)} of `{module}` "
                "have a dimension for the experts, as Megatron-Bridge and tinker write them, and PEFT does not",
                hint="Export the adapter in PEFT's format: with one module an expert, or with `target_parameters`.",
            )

    def scale(self, module: str) -> float:
        """The factor on `B @ A`: the adapter's weight times alpha, divided last, as PEFT does it."""
        scale = self.scales[module]
        return self.adapter.weight * scale.alpha / scale.divisor

    def _ref(self, info: TensorInfo) -> AdapterTensor:
        return AdapterTensor(adapter=self.index, name=info.name)

    def low_rank(self, pair: _Pair) -> Contribution:
        """The delta of a module's weight."""
        grown = self.saved.get(f"{pair.module}.weight")

        def whole(target: TensorInfo) -> TensorInfo:
            # An embedding that grew is saved beside its factors, and takes the base's place first.
            replaced = grown is not None and grown.shape[1:] == target.shape[1:]
            return grown if replaced and grown is not None else target

        def fits(target: TensorInfo) -> bool:
            return self._form(pair, whole(target)) is not None

        def make(target: TensorInfo | None) -> Step:
            assert target is not None  # noqa: S101 - a required need is always found
            return self._low_rank_step(pair, whole(target))

        def cut(target: TensorInfo, piece: Piece) -> Step | None:
            if grown is not None or self._one_form(pair, target) != "plain":
                return None
            alone = self._factors(pair.module, pair.a, pair.b, experts=1)
            return of_piece(alone, piece, transposed=False)

        need = Need(module=pair.module, parameter="weight", fits=fits, required=True)
        return Contribution(need=need, shape=None, saved=False, make=make, cut=cut)

    def parameter(self, owner: Owner, kinds: Mapping[str, TensorInfo]) -> Contribution:
        """The delta of a parameter that PEFT adapts by itself, such as stacked experts."""
        label, name = self.adapter.pinned.source, owner.name
        rank = self.scales[name].rank
        if kinds.keys() != {"A", "B"}:
            raise Unclaimed(
                f"`{label}` has no whole pair for the parameter `{name}`",
                hint="The adapter's file is incomplete; save or download it again.",
            )
        a, b = kinds["A"], kinds["B"]
        self._refuse_stacked(name, a.shape, b.shape)
        if not len(a.shape) == len(b.shape) == 2 or a.shape[0] != b.shape[1] or a.shape[0] % rank:
            raise ShapeMismatch(
                f"`{name}` of `{label}` has factors {list(a.shape)} and {list(b.shape)}, "
                f"but `adapter_config.json` gives it rank {rank}",
                hint=_RANK,
            )
        experts = a.shape[0] // rank
        factors = replace(
            self._factors(name, a, b, experts=experts),
            square=experts > 1 and b.shape[0] == a.shape[1],
        )
        return on_parameter(
            FusedFactors(
                module=owner.module,
                parameter=owner.parameter,
                factors=factors,
                outputs=b.shape[0],
                inputs=a.shape[1],
            )
        )

    def _factors(self, name: str, a: TensorInfo, b: TensorInfo, *, experts: int) -> Factors:
        scale, rank = self.scale(name), self.scales[name].rank
        return Factors(a=self._ref(a), b=self._ref(b), scale=scale, experts=experts, rank=rank)

    def _low_rank_step(self, pair: _Pair, target: TensorInfo) -> Step:
        a, b, scale = self._ref(pair.a), self._ref(pair.b), self.scale(pair.module)
        form = self._one_form(pair, target)
        if form == "conv":
            return ConvLowRank(a=a, b=b, scale=scale)
        return LowRank(
            a=a, b=b, scale=scale, outputs=pair.b.shape[0], transposed=form == "transposed"
        )

    def _one_form(self, pair: _Pair, target: TensorInfo) -> str | None:
        """The form of a weight that fits.

        Raises:
            Ambiguous: it is square, and nothing says how it is stored.
        """
        a, b = pair.a.shape, pair.b.shape
        is_square = not pair.embedding and target.shape == (b[0], a[1]) == (a[1], b[0])
        if is_square and not self.conv1d.known and self.options.fan_in_fan_out:
            raise Ambiguous(
                f"`{pair.module}` is square, and `config.json` of the base has no `model_type` that says "
                "whether its weight is stored as (in, out) or (out, in)",
                hint="Add `model_type` to the base's `config.json`.",
            )
        return self._form(pair, target)

    def _form(self, pair: _Pair, target: TensorInfo) -> str | None:
        """How the factors fit a weight: `plain`, `transposed`, `conv`, or None.

        As in PEFT the module decides, not the shape: only embeddings and `Conv1D` store (in, out).
        """
        a, b, shape = pair.a.shape, pair.b.shape, target.shape
        if len(a) > 2:
            whole = (b[0], *a[1:])
            return "conv" if shape == whole and set(b[2:]) == {1} else None
        if pair.embedding or pair.module in self.conv1d:
            return "transposed" if shape == (a[1], b[0]) else None
        return "plain" if shape == (b[0], a[1]) else None

    def bias_delta(self, module: str, bias: TensorInfo) -> Contribution:
        """The delta of a module's bias (`lora_bias`)."""

        def fits(target: TensorInfo) -> bool:
            return target.shape == bias.shape

        def make(_target: TensorInfo | None) -> Step:
            return BiasDelta(delta=self._ref(bias), scale=self.scale(module))

        need = Need(module=module, parameter="bias", fits=fits, required=True)
        return Contribution(need=need, shape=None, saved=False, make=make)


def _known_misfit(a: tuple[int, ...], b: tuple[int, ...], rank: int) -> str | None:
    """Factors of another rank that mean another layer, not another config."""
    if b[1] == rank and a[0] > rank and a[0] % rank == 0:
        return (
            f"has {a[0]} rows in `lora_A` for rank {rank}, as the MergedLinear of early PEFT has: "
            "several adapters in one"
        )
    if len(a) > 2 and a[0] == rank and 0 < b[1] < rank and rank % b[1] == 0:
        return "is a convolution with groups, whose delta is not the product of its factors"
    return None
