"""Whether an adapter's file and its config speak of the same modules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from adapter_merge.checks.check import (
    WARNS_ONLY,
    against_plan,
    first,
    listed,
    number,
    of_merging,
    passed,
    warned,
)
from adapter_merge.checks.seen import Seen
from adapter_merge.errors import Corrupt
from adapter_merge.finding import Finding
from adapter_merge.modules import seat
from adapter_merge.plan import Plan
from adapter_merge.sources import INSIDE, Adapter, Sources

_FACTORS = (".lora_A.weight", ".lora_embedding_A")
_WEIGHT = ".weight"
# Parts beside a text model, whose modules have the same endings: other towers, and layers for drafting tokens.
_APART = re.compile(r"(?:^|\.|_)(?:vision|visual|vit|image|audio|speech|mtp)(?:$|\.|_)")


class ConfigAgrees:
    """The file's tensors are the truth; the config says what they should have been."""

    code: ClassVar[str] = "T011"
    title: ClassVar[str] = "The adapter's file holds the modules that its config selects"
    why: ClassVar[str] = (
        "PEFT skips modules that `target_modules` doesn't select, and an adapter without some that it "
        "does select may be incomplete: in both cases other weights were trained than are merged."
    )
    fix: ClassVar[str] = (
        "Compare `target_modules` with the training code, or save the adapter again."
    )
    look: ClassVar[str] = (
        "Compare `target_modules` in `adapter_config.json` with the modules that the finding names."
    )
    ignore: ClassVar[str] = WARNS_ONLY

    @of_merging
    @against_plan
    def judge(self, seen: Seen, plan: Plan) -> Iterable[Finding]:
        """One warning that names both directions; of a bundle F009 says more."""
        sources = seen.sources
        assert sources is not None  # noqa: S101 - a plan has sources
        try:
            plain = _without_layers(plan, sources)
            stray = [m for a in plain for m in _stray(a, plan)]
            absent = list(_absent(plan, sources))
        except Corrupt as e:
            yield warned(self, seen, e.message)
            return
        said = [known] if (known := plan.warnings_of(self.code)) else []
        if stray:
            said.append(f"the config doesn't select {listed(stray)}, which the file adapts")
        if absent:
            said.append(f"the config selects {listed(absent)}, which no adapter changes")
        if said:
            evidence = {"not_selected": first(stray), "not_adapted": first(absent)}
            yield warned(self, seen, "; ".join(said), **evidence)
        else:
            layers = {(x.adapter, x.module) for edit in plan.edits for x in edit.layers}
            modules = sum(len(_modules(a)) for a in plain) + len(layers)
            yield passed(self, seen, f"the config selects {number(modules, 'module')}, all adapted")


def _modules(adapter: Adapter) -> list[str]:
    """Modules with low-rank factors, as the adapter's file names them."""
    return [
        name.removeprefix(INSIDE).removesuffix(ending)
        for name in adapter.checkpoint.tensors
        for ending in _FACTORS
        if name.endswith(ending)
    ]


def _without_layers(plan: Plan, sources: Sources) -> list[Adapter]:
    """Adapters that are merged without PEFT, which refuses modules that a config doesn't select."""
    layered = {layer.adapter for edit in plan.edits for layer in edit.layers}
    return [a for index, a in enumerate(sources.adapters) if index not in layered]


def _stray(adapter: Adapter, plan: Plan) -> list[str]:
    """Modules of the file that the config doesn't select; a tied one is selected with its partner."""
    if adapter.config.target_modules in {None, "all-linear"}:
        return []  # both depend on the classes of the modules; nothing in a file can contradict them
    modules = _modules(adapter)
    chosen = adapter.config.selected(modules, label=adapter.pinned.source)
    again = (adapter.config.model_extra or {}).get("ensure_weight_tying") is True
    tied = set(plan.tied) if again else set()
    strays = [m for m in modules if m not in chosen and f"{m}{_WEIGHT}" not in tied]
    return [m for m in strays if not _has_parameter(m, adapter)]


def _has_parameter(module: str, adapter: Adapter) -> bool:
    """Whether `target_parameters` may mean one of the module's; several of a module lie around each other."""
    named = (adapter.config.model_extra or {}).get("target_parameters") or ()
    path = module.replace(".base_layer", "")
    return any(f".{path}.{name.rpartition('.')[2]}".endswith(f".{name}") for name in named)


def _absent(plan: Plan, sources: Sources) -> Iterable[str]:
    """Modules with a matrix in the base that some config selects by its ending, and nothing edits.

    Towers that no adapter touches don't count: a list of endings of a text model fits theirs too.
    """
    edited = {n.rpartition(".")[0] for n, t in plan.tensors.items() if t.edit is not None}
    modules = [
        module
        for tensor in plan.tensors.values()
        if tensor.info.name.endswith(_WEIGHT)
        and len(tensor.info.shape) > 1
        and (module := tensor.info.name.removesuffix(_WEIGHT)) not in edited
    ]
    lists = [a for a in sources.adapters if not isinstance(a.config.target_modules, str)]
    chosen = [a.config.selected(modules, label=a.pinned.source) for a in lists]
    adapted = {seat(f"{m}{_WEIGHT}").stack for m in edited} - {""}
    return [
        m
        for m in modules
        if any(m in c for c in chosen)
        and (not _APART.search(m) or seat(f"{m}{_WEIGHT}").stack in adapted)
    ]
