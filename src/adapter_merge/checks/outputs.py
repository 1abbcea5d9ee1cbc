"""E checks: what the model computes, against base and adapter on the same inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import ClassVar, TypeVar

from adapter_merge.checks.check import (
    WARNS_ONLY,
    Check,
    failed,
    first,
    listed,
    milder,
    number,
    passed,
    skipped,
    warned,
)
from adapter_merge.checks.seen import Seen
from adapter_merge.figures import percent
from adapter_merge.finding import Finding
from adapter_merge.probed import EXERCISED, NOISE, Distance, NotRun, Ran, Shape

# A share of the adapter's effect: one module of 96 that is lost moves more; an element in a thousand that
# another BLAS rounds the other way moves less.
LOST = 1e-3
SWALLOWED = 0.05
# Another program may round a delta before it adds it, which moves each number by another half step.
FOREIGN = 3

_C = TypeVar("_C", bound=Check)


def _against_run(
    judge: Callable[[_C, Seen, Ran], Iterable[Finding]],
) -> Callable[[_C, Seen], Iterable[Finding]]:
    """Judge only where both models were run; else say what it takes."""

    @wraps(judge)
    def judge_if_run(check: _C, seen: Seen) -> Iterable[Finding]:
        if seen.probed is None:
            return (skipped(check, seen, "outputs were not compared: `--probe off`"),)
        if isinstance(seen.probed, NotRun):
            message = f"outputs were not compared: it needs {seen.probed.needs}"
            return (skipped(check, seen, message),)
        return judge(check, seen, seen.probed)

    return judge_if_run


class OutputsEqual:
    """Base with adapter, and the merged model, on the same inputs."""

    code: ClassVar[str] = "E001"
    title: ClassVar[str] = "The merged model computes what base and adapter compute"
    why: ClassVar[str] = (
        "Weights can be right and the files around them wrong: a lost module, another class, a scale."
    )
    fix: ClassVar[str] = (
        "Merge again; where it fails again, report it. Of another program's result: merge with this one."
    )
    look: ClassVar[str] = "`evidence` of the finding has every group: effect, gap, cosine, lengths."
    ignore: ClassVar[str] = "Never: the model that people load is another one."

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """What wasn't run is skipped; it fails where it is required, or where PEFT can't load the adapter."""
        if isinstance(seen.probed, NotRun) and seen.probed.unloadable is not None:
            why = seen.probed.unloadable
            message = f"base and adapter don't fit together, so no merge of them is right: {why}"
            return (failed(self, seen, message),)
        if isinstance(seen.probed, NotRun) and seen.probed.required:
            needs = seen.probed.needs
            message = f"`--probe require` asks to run it, and it needs {needs}"
            return (failed(self, seen, message),)
        return self._compared(seen)

    @_against_run
    def _compared(self, seen: Seen, ran: Ran) -> Iterable[Finding]:
        """The gap to the rounded reference, as a share of what the adapter does."""
        evidence = {d.group: _numbers(d) for d in ran.distances}
        vectors = [d for d in ran.distances if not d.derived]
        wrong = [d for d in vectors if not _is_equal(d, foreign=seen.foreign)]
        if ran.merged is None or not ran.distances:
            yield skipped(self, seen, "outputs were not compared: see `E002`")
        elif wrong:
            # Not milder for another program's result: its own way of rounding is allowed for already.
            worst = _worst(wrong, lambda d: d.lost)
            if unfilled := _unfilled(ran):
                text = _noise(worst, unfilled)
                yield failed(self, seen, text, **evidence, unfilled=first(unfilled))
            else:
                yield failed(self, seen, _what(worst, len(wrong)), **evidence)
        else:
            equal = f"{number(len(vectors), 'group')} of outputs equal those of base and adapter"
            yield passed(self, seen, f"{equal}; {_widest(_moved(ran))}", **evidence)


def _is_equal(distance: Distance, *, foreign: bool) -> bool:
    """Whether the gap is what rounding leaves; never where a number isn't finite."""
    rounding = FOREIGN * distance.rounding if foreign else 0.0
    allowed = max(NOISE, (LOST + rounding) * distance.effect)
    return math.isfinite(distance.effect) and distance.gap <= allowed


def _moved(ran: Ran) -> list[Distance]:
    """The groups that the adapter moves: of others, a share of what it does is noise over noise."""
    return [d for d in ran.distances if not (d.effect < EXERCISED * NOISE or d.derived)]


def _worst(found: Sequence[Distance], share: Callable[[Distance], float]) -> Distance:
    """The one with the largest share; what isn't a number is larger than all."""
    return max(found, key=lambda d: (math.isnan(share(d)), share(d)))


def _widest(moved: Sequence[Distance]) -> str:
    if not moved:
        return "the adapter moves none"
    widest = _worst(moved, lambda d: d.error).error
    return f"rounding moves them by {percent(widest)} of what the adapter does"


def _what(worst: Distance, count: int) -> str:
    more = f" (and {number(count - 1, 'other group')})" if count > 1 else ""
    if not (math.isfinite(worst.gap) and math.isfinite(worst.effect)):
        return f"`{worst.group}`: {_whose(worst)} numbers that aren't finite{more}"
    if worst.cosine > 1 - 1e-5 and worst.norm > 1e-3:
        return (
            f"`{worst.group}`: directions agree and lengths differ by {percent(worst.norm)}: a step that "
            f"normalises or scales was lost{more}"
        )
    if worst.effect < EXERCISED * NOISE:
        return (
            f"`{worst.group}` differs from base and adapter by {percent(worst.gap)} of its length, where "
            f"the adapter does next to nothing{more}; smallest cosine {worst.cosine:.4f}"
        )
    return (
        f"`{worst.group}` differs from base and adapter by {percent(worst.error)} of what the adapter "
        f"does, where rounding explains {percent(worst.rounding)}{more}; smallest cosine {worst.cosine:.4f}"
    )


def _unfilled(ran: Ran) -> list[str]:
    """The parameters that no file fills, of base with adapter or of the merged model."""
    merged = () if ran.merged is None else ran.merged.unfilled
    return sorted({*ran.reference.unfilled, *merged})


def _noise(worst: Distance, unfilled: list[str]) -> str:
    """A share of the adapter's effect means nothing where random values are added to each side."""
    verb = "is" if len(unfilled) == 1 else "are"
    return (
        f"`{worst.group}` can't be compared: {listed(unfilled)} {verb} in no file, so every load draws other "
        f"random values; smallest cosine {worst.cosine:.4f}"
    )


def _whose(distance: Distance) -> str:
    if not math.isfinite(distance.effect):
        return "base and adapter give"
    merged = not math.isfinite(distance.error)
    return "the merged model gives" if merged else "PEFT's own merge, rounded, gives"


def _numbers(distance: Distance) -> Mapping[str, float]:
    names = ("effect", "gap", "error", "rounding", "cosine", "norm", "masked", "kl", "top")
    values = {n: getattr(distance, n) for n in names}
    return {n: float(f"{v:.6g}") for n, v in values.items() if v is not None}


class LoadsAlike:
    """The merged folder loads as what the base with its adapter is."""

    code: ClassVar[str] = "E002"
    title: ClassVar[str] = "The merged folder loads as the same kind of model"
    why: ClassVar[str] = (
        "A loader picks the class by the files: it may take another one, fill what it misses with noise, "
        "or cut texts elsewhere, and says little."
    )
    fix: ClassVar[str] = (
        "Compare `config.json`, `modules.json` and the tokenizer's files with those of the base."
    )
    look: ClassVar[str] = "`evidence` of the finding has both classes, labels and shapes."
    ignore: ClassVar[str] = "Only where another class, other labels or other prompts are meant."

    @_against_run
    def judge(self, seen: Seen, ran: Ran) -> Iterable[Finding]:
        """Class, labels, filled parameters, dimensions and token counts, one after the other."""
        native = seen.plan is not None and "native" in seen.plan.settings
        broken = next(iter(_breaks(ran, native=native)), None)
        trouble = broken or next(iter(_differs(ran)), None)
        if trouble is None:
            unfilled = _unfilled(ran)
            whole = f"the base has no tensor for {listed(unfilled)}, and neither has the adapter"
            every = "every parameter is filled"
            text = f"it loads as {_kind(ran)}; {whole if unfilled else every}"
            yield passed(self, seen, text, unfilled=first(unfilled))
            return
        merged = None if ran.merged is None else ran.merged.kind
        facts = {} if ran.merged is None else {"merged_facts": ran.merged.facts}
        yield (milder if broken is None else failed)(
            self,
            seen,
            trouble,
            reference=ran.reference.kind,
            merged=merged,
            reference_facts=ran.reference.facts,
            **facts,
        )


def _breaks(ran: Ran, *, native: bool) -> Iterable[str]:
    """What no other way of merging explains."""
    merged, reference = ran.merged, ran.reference
    if merged is None:
        yield f"base and adapter run, the merged folder doesn't: {ran.trouble}"
        return
    if merged.kind != reference.kind and not native:
        yield f"it loads as {merged.kind}, and base with adapter as {reference.kind}"
    lost = sorted(set(merged.unfilled) - set(reference.unfilled))
    if lost:
        yield f"no file fills {listed(lost)}: a loader fills them with noise"
    for group, (one, other) in ran.misfits.items():
        yield f"`{group}`: {_shapes(one, other)}"


def _differs(ran: Ran) -> Iterable[str]:
    """What another program may have meant."""
    if ran.merged is None:
        return
    for fact, value in ran.reference.facts.items():
        if ran.merged.facts.get(fact) != value:
            yield f"its {fact} are {ran.merged.facts.get(fact)}, and {value} with base and adapter"
    dirty = [d.group for d in ran.distances if d.masked]
    if dirty:
        yield f"{listed(dirty)}: rows of padding aren't zero"


def _kind(ran: Ran) -> str:
    return ran.reference.kind if ran.merged is None else ran.merged.kind


def _shapes(reference: Shape | None, merged: Shape | None) -> str:
    if reference is None or merged is None:
        return (
            "only base and adapter give it" if merged is None else "only the merged model gives it"
        )
    if reference.width != merged.width:
        return f"{merged.width} numbers a vector, and {reference.width} with base and adapter"
    return f"{sum(merged.counts)} vectors, and {sum(reference.counts)} with base and adapter"


class ProbesReach:
    """The inputs show the adapter at all."""

    code: ClassVar[str] = "E003"
    title: ClassVar[str] = "The inputs exercise what the adapter changes"
    why: ClassVar[str] = (
        "Outputs that the adapter doesn't move are equal whether or not it was merged."
    )
    fix: ClassVar[str] = "Give inputs like those that it was trained on: `--probes FILE`."
    look: ClassVar[str] = (
        "`evidence` of the finding has the effect on each group and of each tower."
    )
    ignore: ClassVar[str] = (
        "Where the adapter is meant to do next to nothing; only the weights are proved then."
    )

    @_against_run
    def judge(self, seen: Seen, ran: Ran) -> Iterable[Finding]:
        """The largest effect, and where several towers are adapted, that of each."""
        effects = {d.group: d.effect for d in ran.distances if not d.derived}
        towers = ran.towers or {"the model": max(effects.values(), default=0.0)}
        weak = [t for t, effect in towers.items() if not EXERCISED * NOISE <= effect < math.inf]
        rounded = {name: float(f"{v:.4g}") for name, v in {**effects, **towers}.items()}
        if not ran.distances:
            yield skipped(self, seen, "outputs were not compared: see `E002`")
        elif weak:
            found = ", ".join(f"{t} ({percent(towers[t])})" for t in weak)
            yield milder(self, seen, f"the probe doesn't exercise the adapter: {found}", **rounded)
        else:
            least = f"the adapter moves outputs by at least {percent(min(towers.values()))}"
            yield passed(
                self, seen, f"{least}{_idle(ran)}", unreached=first(ran.unreached), **rounded
            )


def _idle(ran: Ran) -> str:
    """Not a fault: a class may leave a part of its own unused, as PaliGemma the head of its tower."""
    if not ran.unreached:
        return ""
    count = number(len(ran.unreached), "adapted module")
    return f"; no input reaches {count}, for which only weights speak: {listed(ran.unreached)}"


class RoundingShown:
    """What the file's dtype takes from the adapter, in outputs."""

    code: ClassVar[str] = "E004"
    title: ClassVar[str] = "Rounding to the file's dtype leaves the adapter's effect"
    why: ClassVar[str] = (
        "Half precision swallows small changes: the merged model drifts back to the base."
    )
    fix: ClassVar[str] = "Merge with `--dtype fp32`."
    look: ClassVar[str] = "`T010` says it of the weights; `evidence` has every group of outputs."
    ignore: ClassVar[str] = WARNS_ONLY

    @_against_run
    def judge(self, seen: Seen, ran: Ran) -> Iterable[Finding]:
        """The distance of PEFT's own merge, rounded, from the unmerged adapter."""
        moved = _moved(ran)
        if not moved:
            yield skipped(self, seen, "not checked: no output is moved by the adapter")
            return
        worst = _worst(moved, lambda d: d.rounding)
        share = percent(worst.rounding)
        evidence = {d.group: float(f"{d.rounding:.4g}") for d in moved}
        if not worst.rounding <= SWALLOWED:
            text = f"rounding moves `{worst.group}` by {share} of what the adapter does"
            yield warned(self, seen, text, **evidence)
        else:
            yield passed(
                self, seen, f"rounding takes at most {share} of the adapter's effect", **evidence
            )


class PlainLoaderTold:
    """What loading the adapter as it is would have lost; nothing that the merged folder lacks."""

    code: ClassVar[str] = "E005"
    title: ClassVar[str] = "What a plain load of the adapter would lose"
    why: ClassVar[str] = (
        "PEFT skips tensors whose names today's class doesn't have: people may compare with a model that "
        "has only a part of the adapter."
    )
    fix: ClassVar[str] = "Nothing: the merged model has all of it. Serve that one."
    look: ClassVar[str] = "`evidence` of the finding lists names that PEFT misses or doesn't know."
    ignore: ClassVar[str] = "Nothing to ignore: it never fails."

    @_against_run
    def judge(self, seen: Seen, ran: Ran) -> Iterable[Finding]:
        """Say it of each adapter that loses something."""
        lossy = [p for p in ran.plain if p.missing or p.unexpected or p.refusal]
        if not ran.plain:
            yield skipped(self, seen, "not asked: only names of a LoRA tell what PEFT would lose")
        elif not lossy:
            yield passed(self, seen, "`PeftModel.from_pretrained` loads all of it too")
        for plain in lossy:
            lost = plain.refusal or (
                f"passes over {len(plain.unexpected)} of {plain.tensors} tensors "
                f"and leaves {len(plain.missing)} of its own empty"
            )
            yield passed(
                self,
                seen,
                f"a plain `PeftModel.from_pretrained` of `{plain.adapter}` on this class {lost}",
                unexpected=first(plain.unexpected),
                missing=first(plain.missing),
            )
