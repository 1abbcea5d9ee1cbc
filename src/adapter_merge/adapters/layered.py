"""Methods that PEFT's own layers merge: which tensors they change, told from names and headers alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from adapter_merge.adapters.contribution import Contribution, Step
from adapter_merge.adapters.conv1d import Conv1DModules
from adapter_merge.adapters.layer_step import LayerStep
from adapter_merge.adapters.own import by_module, sort_out
from adapter_merge.adapters.refused import layered_refusal
from adapter_merge.adapters.saved_modules import saved_tensors
from adapter_merge.adapters.tokens import token_rows
from adapter_merge.checkpoint import FLOATS, TensorInfo
from adapter_merge.errors import AdapterKind, Corrupt
from adapter_merge.methods import METHODS, Changes
from adapter_merge.patterns import Patterns
from adapter_merge.plan import AdapterTensor, LayerTensor, Need
from adapter_merge.sources import INSIDE, Adapter, Base

TOKENS = "trainable_token_indices"  # merged natively, whatever the method beside it
_ATTENTION = "base_layer.out_proj."  # below a `MultiheadAttention`, and nowhere else
# Options that say how large a layer's tensors are.
_SIZES = (
    "r",
    "init_r",
    "target_r",
    "hybrid_r",
    "mini_r",
    "u",
    "depth",
    "n_frequency",
    "num_vectors",
    "vector_length",
    "theta_d_length",
    "boft_n_butterfly_factor",
)
_WHOLE, _BIAS = "weight", "bias"


@dataclass(frozen=True, kw_only=True, slots=True)
class Layered:
    """A method of `METHODS` whose layers compute the merge."""

    peft_type: str

    def read(self, adapter: Adapter, index: int, base: Base) -> tuple[Contribution, ...]:
        """See `Kind.read`."""
        label, config = adapter.pinned.source, adapter.config
        if (why := layered_refusal(adapter)) is not None:
            raise AdapterKind(
                f"`{label}` can't be merged: {why}", hint="Serve it with PEFT beside its base."
            )
        _check_options(adapter)
        own, wanted = sort_out(adapter), (config.model_extra or {}).get(TOKENS)
        if not own.method:
            raise Corrupt(
                f"the weights of `{label}` hold no tensor of {self.peft_type}: merging them would copy the base",
                hint="Save the adapter again with PEFT, after training.",
            )
        _check_sizes(adapter)
        modules = dict(by_module(own, self.peft_type))
        shared = tuple(modules.pop("", {}).values())
        for info in own.whole.plain.values():
            _check_float(info, label)
        modules = modules or {module: {} for module in _unnamed(adapter, base)}
        reader = _Reader(
            adapter=adapter,
            index=index,
            shared=shared,
            attentions=_attentions(adapter),
            feedforward=_feedforward(adapter, modules),
            conv1d=Conv1DModules.of(base),
        )
        return (
            *(
                c
                for module, parts in modules.items()
                for c in reader.module(module, parts, modules)
            ),
            *saved_tensors(own.whole, index=index, config=config),
            *(
                token_rows(adapter, info, index=index, module=module, wanted=wanted)
                for module, info in own.tokens.items()
            ),
        )


def _check_options(adapter: Adapter) -> None:
    """Those that are read here may be anything in a stranger's config."""
    options = adapter.config.model_extra or {}
    known = {"rank_pattern": isinstance(options.get("rank_pattern") or {}, Mapping)}
    for name in ("feedforward_modules", "target_parameters"):
        value = options.get(name) or []
        is_list = isinstance(value, list) and all(isinstance(v, str) for v in value)
        known[name] = is_list or isinstance(value, str)
    for name in (n for n, right in known.items() if not right):
        raise Corrupt(
            f"`adapter_config.json` of `{adapter.pinned.source}` has an impossible `{name}`",
            hint="Repair the field, or save the adapter again with PEFT.",
        )


def _check_sizes(adapter: Adapter) -> None:
    """PEFT makes its layers by the config before it compares them with the file."""
    options = adapter.config.model_extra or {}
    given = {name: options.get(name) for name in _SIZES}
    given |= {f"rank_pattern: {k}": v for k, v in (options.get("rank_pattern") or {}).items()}
    largest = max(info.size for info in adapter.checkpoint.tensors.values())
    for name, size in given.items():
        if isinstance(size, int | float) and size > largest:
            raise Corrupt(
                f"`adapter_config.json` of `{adapter.pinned.source}` has {size} as `{name}`, and no tensor of "
                f"its file has more than {largest} elements",
                hint="The config belongs to another adapter; save it again with PEFT.",
            )


def _unnamed(adapter: Adapter, base: Base) -> list[str]:
    """Modules of an adapter whose file names none (UniLoRA): those that its config selects in the base."""
    end = f".{_WHOLE}"
    known = base.checkpoint.tensors.values()
    modules = {
        i.name.removesuffix(end) for i in known if i.name.endswith(end) and len(i.shape) == 2
    }
    return sorted(adapter.config.selected(modules, label=adapter.pinned.source))


def _attentions(adapter: Adapter) -> frozenset[str]:
    inside = (name.removeprefix(INSIDE) for name in adapter.checkpoint.tensors)
    parts = (name.partition(f".{_ATTENTION}") for name in inside)
    return frozenset(module for module, below, _ in parts if below)


def _feedforward(adapter: Adapter, modules: Iterable[str]) -> frozenset[str]:
    """IA3 scales the inputs of such modules, not their outputs. Source: peft `IA3Model`."""
    names = (adapter.config.model_extra or {}).get("feedforward_modules") or ()
    if isinstance(names, str):
        return frozenset(
            Patterns(texts=(names,), label=adapter.pinned.source).first_matches(modules)
        )
    return frozenset(module for module in modules if module.endswith(tuple(names)))


def _check_float(info: TensorInfo, label: str) -> None:
    if info.dtype not in FLOATS:
        raise AdapterKind(
            f"`{label}` holds `{info.name}` as {info.dtype}; a weight needs F16, BF16, F32 or F64",
            hint="Save the adapter in one of these dtypes.",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Target:
    """A tensor of a module that its layer changes.

    `optional`: not every such module has it. `named`: `target_parameters` names it.
    """

    parameter: str
    optional: bool = False
    named: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reader:
    """Makes contributions out of one adapter's modules.

    Attributes:
        shared: the tensors that all of them use.
        attentions: those that are a `MultiheadAttention`.
        feedforward: those whose inputs IA3 scales.
        conv1d: those that store (in, out).
    """

    adapter: Adapter
    index: int
    shared: tuple[TensorInfo, ...]
    attentions: frozenset[str]
    feedforward: frozenset[str]
    conv1d: Conv1DModules

    @property
    def _peft_type(self) -> str:
        return self.adapter.config.peft_type or ""

    @property
    def _options(self) -> Mapping[str, Any]:
        return self.adapter.config.model_extra or {}

    def module(
        self,
        module: str,
        parts: Mapping[str, TensorInfo],
        modules: Mapping[str, Mapping[str, TensorInfo]],
    ) -> Iterator[Contribution]:
        """What one module's layer changes."""
        inner = f"{module}.out_proj"
        around = module.removesuffix(".out_proj")
        if around != module and around in self.attentions:
            return  # the attention around it merges it too
        if module in self.attentions:
            own = {**parts, **{f"out_proj.{k}": v for k, v in modules[inner].items()}}
            targets = [_Target(parameter="in_proj_weight"), _Target(parameter="out_proj.weight")]
        else:
            own, targets = dict(parts), list(self._targets(module, parts))
        for target in targets:
            yield self._contribution(module, target, own, alone=len(targets) == 1)

    def _targets(self, module: str, parts: Mapping[str, TensorInfo]) -> Iterator[_Target]:
        changes = METHODS[self._peft_type].changes
        named = [t for t in self._options.get("target_parameters") or () if _is_of(module, t)]
        if changes is Changes.NAMED:
            yield from (_Target(parameter=name.rpartition(".")[2]) for name in parts)
        elif named:
            yield from (_Target(parameter=t.rpartition(".")[2], named=True) for t in named)
        elif changes is Changes.BIAS:
            yield _Target(parameter=_BIAS)
        else:
            yield _Target(parameter=_WHOLE)
            both = changes is Changes.BOTH and module not in self.feedforward
            if both or any(name.endswith("lora_B.bias") for name in parts):
                yield _Target(parameter=_BIAS, optional=both)

    def _contribution(
        self, module: str, target: _Target, own: Mapping[str, TensorInfo], *, alone: bool
    ) -> Contribution:
        layer = LayerTensor(adapter=self.index, module=module, parameter=target.parameter)
        shared = tuple(self._ref(info) for info in self.shared)
        uses = tuple(self._ref(info) for info in own.values())
        step = LayerStep(
            layer=layer,
            shape=(),
            uses=(*uses, *shared),
            shares=shared if alone else (*uses, *shared),
        )

        def make(found: TensorInfo | None) -> Step:
            assert found is not None  # noqa: S101 - a layer changes what is there
            self._check(found)
            if target.named and len(found.shape) > 2:
                raise AdapterKind(
                    f"`{self.adapter.pinned.source}` can't be merged: it changes the fused experts `{found.name}` "
                    "beside an option of LoRA that PEFT's layers merge, and PEFT reads their factors by its own version",
                    hint="Train the experts as a plain LoRA.",
                )
            if target.parameter == _BIAS and self._needs_weight:
                raise AdapterKind(
                    f"`{self.adapter.pinned.source}` can't be merged: GLoRA makes the new `{found.name}` from "
                    "the weight beside it too",
                    hint="Train with `config_C` as `none`, or leave out layers with a bias.",
                )
            return replace(step, shape=found.shape)

        need = Need(
            module=module,
            parameter=target.parameter,
            fits=lambda found: self._fits(own, found) and not self._is_swapped(module, own, found),
            required=not target.optional,
        )
        return Contribution(need=need, shape=None, saved=False, make=make, optional=target.optional)

    @property
    def _needs_weight(self) -> bool:
        return self._peft_type == "GLORA" and self._options.get("config_C", "lora") != "none"

    def _check(self, found: TensorInfo) -> None:
        if self._peft_type == "OFT" and prod(found.shape[2:]) > 1:
            raise AdapterKind(
                f"`{self.adapter.pinned.source}` can't be merged: `{found.name}` is a convolution, where PEFT's "
                "OFT gives other outputs in training than after its merge",
                hint="Train without convolutions in `target_modules`, or serve it with PEFT.",
            )
        if found.dtype == "F64":
            raise AdapterKind(
                f"`{self.adapter.pinned.source}` can't be merged: the base holds `{found.name}` as F64, and "
                "PEFT's layers compute in float32",
                hint="Save the base in float32 first.",
            )

    def _ref(self, info: TensorInfo) -> AdapterTensor:
        return AdapterTensor(adapter=self.index, name=info.name)

    def _is_swapped(self, module: str, own: Mapping[str, TensorInfo], found: TensorInfo) -> bool:
        """Whether LoRA's factors have the sides of a linear layer in the order that it doesn't have."""
        a, b = own.get("lora_A.weight"), own.get("lora_B.weight")
        others = ("target_parameters", "use_bdlora")  # their factors have sides of other lengths
        if a is None or b is None or any(map(self._options.get, others)):
            return False
        sides = (b.shape[0], a.shape[-1]) if a.shape and b.shape else ()
        stored = sides if module in self.conv1d else sides[::-1]
        return sides != sides[::-1] and found.shape == stored

    def _fits(self, own: Mapping[str, TensorInfo], found: TensorInfo) -> bool:
        """Whether the lengths that are the target's are found in it; of several layers one must fit."""
        if METHODS[self._peft_type].changes in {Changes.NAMED, Changes.BIAS}:
            return all(info.size == found.size for info in own.values())
        if len(found.shape) < 2 or self._options.get("use_bdlora"):
            return bool(found.shape)
        lengths = {*found.shape, prod(found.shape[1:])}
        if "hada_t1" in own:
            return {own["hada_w1_a"].shape[1], own["hada_w1_b"].shape[1]} <= lengths
        depths: dict[str, list[bool]] = {}
        for part, dimension in METHODS[self._peft_type].sides:
            for name, info in own.items():
                if part in name:
                    length = info.size if dimension is None else _length(info, dimension)
                    start = name[: name.find(part)]
                    depths.setdefault(start, []).append(length in lengths)
        return not depths or any(all(known) for known in depths.values())


def _length(info: TensorInfo, dimension: int) -> int:
    return info.shape[dimension] if len(info.shape) > dimension else -1


def _is_of(module: str, target: str) -> bool:
    """Whether a name of `target_parameters` is of a parameter of that module. Source: peft `BaseTuner`."""
    inner = target.rpartition(".")[0]
    return module == inner or module.endswith(f".{inner}")
