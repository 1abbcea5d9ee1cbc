"""The error for an adapter that no reading of its names covers, with the fix that fits the cause."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile

from adapter_merge.errors import (
    AdapterKind,
    AdapterMergeError,
    Ambiguous,
    MissingTarget,
    ShapeMismatch,
)
from adapter_merge.naming.cover import Cover
from adapter_merge.naming.join import Joined
from adapter_merge.plan import Need
from adapter_merge.skeleton import Absent, Skeleton

_SHOWN = 4
_LEVELS = 4  # of modules around a model
# What torch and trainers put around a module, anywhere in a path.
_WRAPPERS = ("_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module", "module")
_TABLES = re.compile(
    r"(?:.*\.)?(?:embed_tokens|wte|word_embeddings?|shared|embed_in|tok_embeddings|lm_head|embed_out)"
)
_LAYER = re.compile(r"(?:.*?\.)?(?:layers|layer|h|blocks?)\.(\d+)\.")
_OTHER_BASE = "Name the base that the adapter was trained on with `--base`."


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """Every cover that was looked at, and what else is known.

    Attributes:
        label: the adapter.
        needs: what it changes.
        covers: of all readings.
        known: the base's file with its class; why there is no class where it can't be asked.
        covers_all: whether some reading covers such needs.
    """

    label: str
    needs: Sequence[Need]
    covers: Sequence[Cover]
    known: Joined | Absent
    covers_all: Callable[[Sequence[Need]], bool]

    @property
    def attempts(self) -> str:
        """The nearest readings, for the end of a sentence."""
        order = sorted(self.covers, key=lambda c: c.rank)
        return "; ".join([*(str(c) for c in order[:_SHOWN]), self._asked])

    @property
    def _asked(self) -> str:
        if isinstance(self.known, Absent):
            return f"not asked: the model's class, which {self.known.why}"
        return f"as of transformers {self.known.skeleton.version}"


def uncovered(tried: Tried) -> AdapterMergeError:
    """What no reading covers, and what to do."""
    best = min(tried.covers, key=lambda c: c.rank)
    if best.missing:
        return _missing(best, tried)
    if not best.unfit:
        return Ambiguous(
            f"several modules of `{tried.label}` are the same tensor of the base ({tried.attempts})",
            hint="Save the adapter again with PEFT.",
        )
    return ShapeMismatch(
        f"the shapes of {_listed(best.unfit)} in the base don't fit the factors of `{tried.label}` "
        f"({tried.attempts})",
        hint=_of_size(best),
    )


def shared_weight(label: str, name: str, live: str, skeleton: Skeleton) -> AdapterKind:
    """The error for a change of one of several modules that share a weight.

    `name` is what the adapter changes, `live` the parameter of the class.
    """
    group = next(g for g in skeleton.groups if live in g)
    others = sorted(group - {live})
    listed = ", ".join(f"`{n}`" for n in others[:2])
    more = f" and {len(others) - 2} more" if len(others) > 2 else ""
    return AdapterKind(
        f"`{label}` can't be merged: it changes `{name}`, and `{skeleton.name}` ties `{live}` to {listed}{more}. "
        "PEFT changes each module by itself, so no single weight computes the same",
        hint="Train without the modules that share this weight, or keep the adapter beside the base with "
        "`--layout bundled`.",
    )


def _missing(best: Cover, tried: Tried) -> AdapterMergeError:
    if not isinstance(tried.known, Absent):
        for need in best.missing:
            live = _tied(need, tried.known)
            if live is not None:
                return shared_weight(tried.label, need.name, live, tried.known.skeleton)
    return MissingTarget(
        f"the base has no tensor for {_listed(best.missing)} of `{tried.label}` ({tried.attempts})",
        hint=_advice(best, tried),
    )


def _tied(need: Need, known: Joined) -> str | None:
    """The live name of a tensor that the file leaves out, as it is another one's."""
    skeleton = known.skeleton
    for live in (skeleton.shifted(need.name), *skeleton.place(need.name).live):
        if any(live in group for group in skeleton.groups):
            return live
    return None


def _advice(best: Cover, tried: Tried) -> str:
    wrapper = next(_wrappers(tried), None)
    if wrapper is not None:
        return (
            f"Without `{wrapper}.` in their names all modules fit: the adapter was saved from a model inside a "
            f"wrapper. Remove `{wrapper}.` from the names in `adapter_model.safetensors`, or save the adapter of "
            "the model inside. If no such wrapper was used, name another base with `--base`."
        )
    if isinstance(tried.known, Absent):
        return f"{tried.known.fix} Or name another base with `--base`."
    if all(_TABLES.fullmatch(n.module) for n in best.missing):
        return (
            "The base's file has no such embedding or head. Name a base with `--base` that has it, "
            "such as the model with its language-modeling head."
        )
    deep = _deepest(n.name for n in best.missing)
    there = _deepest(iter(tried.known.checkpoint.tensors))
    if deep is not None and there is not None and deep > there:
        return (
            f"The adapter has layers up to {deep}, the base up to {there}. Name the base of that depth with "
            "`--base`."
        )
    return _OTHER_BASE


def _wrappers(tried: Tried) -> Iterator[str]:
    """Parts of all names without which everything is covered: a wrapper of torch, else what all begin with."""
    modules = [n.module for n in tried.needs if n.required]
    for word in _WRAPPERS:
        if any(word in m.split(".") for m in modules) and tried.covers_all(
            [replace(n, module=_without(n.module, word)) for n in tried.needs]
        ):
            yield word
    if isinstance(tried.known, Absent):
        return  # a tower's name looks the same where no class tells them apart
    parts = [m.split(".") for m in modules]
    alike = takewhile(lambda level: len(set(level)) == 1, zip(*parts, strict=False))
    for count, _ in enumerate(islice(alike, _LEVELS), 1):
        head = ".".join(parts[0][:count])
        if tried.covers_all(
            [replace(n, module=n.module.removeprefix(f"{head}.")) for n in tried.needs]
        ):
            yield head


def _without(module: str, word: str) -> str:
    return ".".join(part for part in module.split(".") if part != word)


def _deepest(names: Iterator[str]) -> int | None:
    return max((int(m[1]) for n in names if (m := _LAYER.match(n))), default=None)


def _of_size(best: Cover) -> str:
    if all(_TABLES.fullmatch(n.module) for n in best.unfit):
        info = best.targets[best.unfit[0].name].info
        return (
            f"The base's vocabulary has {info.shape[0]} rows, and was resized before the training. Save the adapter "
            "with `save_embedding_layers=True`, or name the resized base with `--base`."
        )
    return f"{_OTHER_BASE} It has the same names and another size."


def _listed(needs: Sequence[Need]) -> str:
    names = ", ".join(f"`{n.name}`" for n in needs[:_SHOWN])
    return f"{names} and {len(needs) - _SHOWN} more" if len(needs) > _SHOWN else names
