"""T004 to T006, and T010: the values of the tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from adapter_merge.checks.check import (
    NEEDS_WEIGHTS,
    WARNS_ONLY,
    against_plan,
    failed,
    first,
    listed,
    number,
    of_merging,
    passed,
    skipped,
    warned,
)
from adapter_merge.checks.compare import EditLook
from adapter_merge.checks.loss import predicted_loss
from adapter_merge.checks.seen import Seen
from adapter_merge.finding import Finding
from adapter_merge.plan import Plan

# A foreign merge that rounded elsewhere still takes its steps in full, on the average.
_GAINS = (0.8, 1.2)
_GAIN_NEEDS = 512  # elements that change; below, rounding alone can move the average
_TOO_LOSSY = 0.05
# Median over the edited tensors of |delta| / |W|, Frobenius norms. |delta| is about scale * |B| * |A|, and an
# A of rank r still has about the norm that PEFT draws it with, sqrt(r / 3): of nine public LoRAs of ranks 4 to
# 16 seven have it within a third, and elements of B below 0.014 (root mean square), which is at most 5 % of
# weights like those of their bases. Two that were trained far beyond that (A 3.6 times as long, B 0.07) come to
# 13 % on GPT-2, and to 29 % on a base of the same shapes that is another model.
_FAR = 0.2
# Of a layer's outputs in float32; 3e-6 is the most that any method of PEFT was off by.
_LAYER_ERROR = 5e-5


class Untouched:
    """T004."""

    code = "T004"
    title = "Untouched tensors are the base's, byte for byte"
    why = "A tensor that no edit names must not change: something else wrote to it, or the base is another one."
    fix = "Merge again, and check that `--base` is the base that the merge was made from."
    look = "`adapter-merge check FOLDER --base BASE --adapter ADAPTER --json` lists the tensors as evidence."
    ignore = "Only for another program's merge that is known to have changed these tensors too."

    @against_plan
    def judge(self, seen: Seen, plan: Plan) -> Iterable[Finding]:
        """Bytes; for a tensor in another dtype the base's values rounded to it."""
        untouched = {n: seen.looks[n] for n, t in plan.tensors.items() if t.edit is None}
        compared = [n for n, look in untouched.items() if look.same is not None]
        wrong = sorted(n for n in compared if not untouched[n].same)
        if wrong:
            message = (
                f"{number(len(wrong), 'untouched tensor')} differ from the base: {listed(wrong)}"
            )
            yield failed(self, seen, message, tensors=first(wrong), compared=len(compared))
            return
        size = sum(look.found.nbytes for look in untouched.values() if look.found)
        text = f"{number(len(compared), 'untouched tensor')} as in the base"
        yield passed(self, seen, text, tensors=len(compared), bytes=size)


class Recomputed:
    """T005."""

    code = "T005"
    title = "Edited tensors equal a second computation"
    why = "A wrong scale, order, or base gives weights that load and answer, and are not the trained model."
    fix = "Merge again; if it stays, the merge itself is wrong: report it with the finding's evidence."
    look = "With `--json` the evidence has `of_allowed` (difference over the allowed one), `gain` (share of the delta that was added: 0.5 is half the scale, 2 is twice), and for methods that PEFT's layers merge `output_error` (merged against unmerged outputs)."
    ignore = "No: the weights are not base plus adapter."

    @of_merging
    @against_plan
    def judge(self, seen: Seen, plan: Plan) -> Iterable[Finding]:
        """Values re-read from the disk, within one rounding, two eps if foreign.

        Sampled rows against float64. What PEFT's layers merge is merged again, whole, and that merge is
        compared with what the unmerged layer makes of random inputs.
        """
        edits = {n: look.edit for n, look in seen.looks.items() if look.edit is not None}
        if not edits:
            yield skipped(self, seen, "not checked: no edited tensor could be compared")
            return
        order = sorted(edits, key=lambda name: -edits[name].excess)
        wrong = [n for n in order if _is_wrong(edits[n], foreign=seen.foreign)]
        elements = sum(edit.elements for edit in edits.values())
        if wrong:
            message = (
                f"{len(wrong)} of {number(len(edits), 'edited tensor')} differ from the recomputed "
                f"values: {listed(wrong)}"
            )
            yield failed(
                self, seen, message, tensors={n: _evidence(edits[n]) for n in first(wrong)}
            )
            return
        worst = round(edits[order[0]].excess, 4)
        known = {"tensors": len(edits), "values": elements, "worst_of_allowed": worst}
        text = f"{number(len(edits), 'edited tensor')}, {elements:,} values recomputed"
        errors = [edit.error for edit in edits.values() if edit.error is not None]
        if not errors:
            yield passed(self, seen, f"{text} in float64", **known)
            return
        layers = f"{number(len(errors), 'tensor')} through PEFT's layers"
        off = float(f"{max(errors):.2g}")
        text = f"{text}, {layers}, whose unmerged outputs agree within {off:g}"
        yield passed(self, seen, text, **known, through_layers=len(errors), worst_output_error=off)


def _is_wrong(edit: EditLook, *, foreign: bool) -> bool:
    # Not `>`: a NaN is wrong too.
    unlike = edit.error is not None and not edit.error <= _LAYER_ERROR
    return edit.excess > 1 or unlike or _is_off(edit, foreign=foreign)


def _is_off(edit: EditLook, *, foreign: bool) -> bool:
    """Whether the steps, on the average, are not the expected ones (our own bound needs no average)."""
    if not foreign or edit.gain is None or edit.expected < _GAIN_NEEDS:
        return False
    return not _GAINS[0] <= edit.gain <= _GAINS[1]


def _evidence(edit: EditLook) -> Mapping[str, object]:
    gain = None if edit.gain is None else round(edit.gain, 4)
    known = {"of_allowed": round(edit.excess, 3), "row": edit.row, "gain": gain}
    return known if edit.error is None else {**known, "output_error": edit.error}


class Finite:
    """T006."""

    code = "T006"
    title = "All values are finite"
    why = "One NaN or infinity spreads to every output."
    fix = "Train the adapter again, or merge with `--dtype fp32` where float16 is too small; if the base has it, take another base."
    look = "The finding names the tensors; those of the base only warn."
    ignore = "No: the model would answer nothing but NaN."

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """NaN and infinity; where the base has the very same bytes, only a warning."""
        if seen.checkpoint is None:
            yield skipped(self, seen, NEEDS_WEIGHTS)
            return
        broken = sorted(n for n, look in seen.looks.items() if look.nonfinite)
        of_base = [n for n in broken if seen.looks[n].same]
        of_merge = [n for n in broken if n not in of_base]
        if of_merge:
            message = f"NaN or infinity in {number(len(of_merge), 'tensor')}: {listed(of_merge)}"
            yield failed(self, seen, message, tensors=first(of_merge))
        if of_base:
            message = f"the base itself has NaN or infinity in {listed(of_base)}"
            yield warned(self, seen, message, tensors=first(of_base))
        if not broken:
            tested = sum(look.nonfinite is not None for look in seen.looks.values())
            yield passed(
                self, seen, f"{number(tested, 'tensor')} without NaN or infinity", tensors=tested
            )


class RoundingLoss:
    """T010."""

    code = "T010"
    title = "The delta survives rounding"
    why = "A 16-bit file swallows small deltas: the merged model is then between the base and the trained one."
    fix = "Merge with `--dtype fp32`, or keep base and adapter apart."
    look = "With `--json` the evidence has `median_ratio` (delta over weight) and `predicted_loss`."
    ignore = WARNS_ONLY

    @of_merging
    @against_plan
    def judge(self, seen: Seen, plan: Plan) -> Iterable[Finding]:
        """The loss predicted from the median of |delta| / |W|, in the median over the edited tensors."""
        sized = [
            (look.edit.ratio, look.found.dtype)
            for name, look in seen.looks.items()
            if look.edit and look.found and look.edit.ratio and _adds(plan, name)
        ]
        if not sized:
            yield skipped(self, seen, "not predicted: no edit adds to a tensor of the base")
            return
        loss = median(predicted_loss(ratio, dtype) for ratio, dtype in sized)
        evidence: dict[str, object] = {
            "median_ratio": float(f"{median(ratio for ratio, _ in sized):.3g}"),
            "predicted_loss": float(f"{loss:.3g}"),
            "dtypes": sorted({dtype for _, dtype in sized}),
        }
        part = f"about {loss:.1%}" if loss >= 0.001 else "less than 0.1%"
        text = f"rounding takes {part} of the adapter's effect (predicted)"
        yield (warned if loss > _TOO_LOSSY else passed)(self, seen, text, **evidence)


class SizeOfChange:
    """T018."""

    code = "T018"
    title = "The adapter changes weights as much as trained adapters do"
    why = "A change of nothing is an adapter that was never trained; a very large one belongs to another base, has a wrong scale, or broke in training."
    fix = "Compare `base_model_name_or_path`, `r` and `lora_alpha` in `adapter_config.json` with the training run, and name its base with `--base`."
    look = "`relative_changes` in the receipt and in `--json` has the norm of each tensor's delta over that of its weight."
    ignore = WARNS_ONLY

    @of_merging
    @against_plan
    def judge(self, seen: Seen, plan: Plan) -> Iterable[Finding]:
        """The median of the relative changes over the tensors that something is added to, against `_FAR`."""
        changes = [
            look.edit.relative_change
            for name, look in seen.looks.items()
            if look.edit and look.edit.relative_change is not None and _adds(plan, name)
        ]
        if not changes:
            yield passed(self, seen, "no edit adds to a tensor of the base")
            return
        middle = median(changes)
        evidence = {"median_relative_change": float(f"{middle:.3g}")}
        known = plan.warnings_of(self.code)
        if known or not any(changes):
            message = known or "the adapter changes no weight: all of its deltas are zero"
            yield warned(self, seen, message, **evidence)
        elif middle > _FAR:
            message = (
                f"the adapter changes weights by {middle:.0%} of their norm in the median, where the trained "
                f"adapters that were measured stay below {_FAR:.0%}: the base may be another model, or the scale wrong"
            )
            yield warned(self, seen, message, **evidence)
        else:
            yield passed(self, seen, f"the median change is {middle:.2g} of a weight", **evidence)


def _adds(plan: Plan, name: str) -> bool:
    edit = plan.tensors[name].edit
    return edit is not None and edit.reads_base
