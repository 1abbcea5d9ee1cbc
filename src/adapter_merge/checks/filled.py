"""T014: every parameter of the model's class gets exactly one tensor of the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from adapter_merge.checks.check import (
    NEEDS_WEIGHTS,
    failed,
    first,
    listed,
    number,
    of_merging,
    passed,
    skipped,
    warned,
)
from adapter_merge.checks.seen import Seen
from adapter_merge.finding import Finding
from adapter_merge.skeleton import Absent, AsBefore, Filled


class ParametersFilled:
    """T014."""

    code = "T014"
    title = "Each parameter of the model's class has one tensor"
    why = (
        "transformers fills a parameter without a tensor with random values, keeps one of two tensors for the "
        "same parameter, and drops a tensor that the class doesn't have; each time with a warning at most."
    )
    fix = (
        "Merge again. Where the base model itself lacks the parameter, use a base model that has it, or train the "
        "module with `modules_to_save`."
    )
    look = (
        "`from_pretrained(FOLDER, output_loading_info=True)` lists `missing_keys` and "
        "`unexpected_keys`; the evidence of the finding lists the tensors."
    )
    ignore = "Only where no forward pass of yours uses the parameters that the finding names."

    @of_merging
    def judge(self, seen: Seen) -> Iterable[Finding]:
        """The result's tensors against its class; what the base's own file lacks too only warns."""
        filled = seen.filled
        if seen.checkpoint is None or filled is None:
            yield skipped(self, seen, NEEDS_WEIGHTS)
            return
        if isinstance(filled, AsBefore):
            yield passed(self, seen, "names, shapes and class are those of the base model")
            return
        if isinstance(filled, Absent):
            yield skipped(self, seen, f"not checked: the model's class {filled.why}")
            return
        caused, known = _faults(filled, seen)
        if caused:
            yield failed(self, seen, _text(caused, filled), **_evidence(caused))
        if known:
            origin = "; the base model's file is the same" if seen.base_filled else ""
            yield warned(self, seen, f"{_text(known, filled)}{origin}", **_evidence(known))
        if not caused and not known:
            count = number(len(seen.names), "tensor")
            yield passed(self, seen, f"{count} fill every parameter of `{filled.name}` once")


# Kind of fault -> the tensors or parameters that have it.
_Faults: TypeAlias = Mapping[str, Sequence[str]]


def _faults(filled: Filled, seen: Seen) -> tuple[_Faults, _Faults]:
    """The faults that the merge caused, and those that the base has too or that nothing here can judge."""
    before = seen.base_filled
    edited = {n for n, t in (seen.plan.tensors if seen.plan else {}).items() if t.edit is not None}
    added = {n for n, t in (seen.plan.tensors if seen.plan else {}).items() if t.base is None}
    caused: dict[str, list[str]] = {}
    known: dict[str, list[str]] = {}

    def sort(kind: str, name: str, *, is_caused: bool) -> None:
        (caused if is_caused else known).setdefault(kind, []).append(name)

    for live, names in filled.doubled.items():
        same = before is None or set(before.doubled.get(live, ())) == set(names)
        sort("doubled", live, is_caused=not same or not edited.isdisjoint(names))
    for live in filled.unfilled:
        kind = "misshapen" if live in filled.misshapen else "unfilled"
        sort(kind, live, is_caused=before is not None and live not in before.unfilled)
    for live in filled.unset:
        if before is not None and live not in before.unset:
            sort("unfilled", live, is_caused=True)
    for name in filled.unread:
        if name in added:
            sort("dropped", name, is_caused=filled.stated)
        elif name in edited:
            sort("dropped", name, is_caused=False)
    return caused, known


def _text(faults: _Faults, filled: Filled) -> str:
    """One clause a kind of fault."""
    return "; ".join(_clause(kind, names, filled) for kind, names in faults.items())


def _clause(kind: str, names: Sequence[str], filled: Filled) -> str:
    count = number(len(names), "parameter")
    if kind == "doubled":
        tensors = " and ".join(f"`{n}`" for n in filled.doubled[names[0]])
        return (
            f"several tensors fill {count} of `{filled.name}`, such as {tensors} for `{names[0]}`"
        )
    if kind == "misshapen":
        return f"{count} of `{filled.name}` have another shape than their tensors: {listed(names)}"
    if kind == "dropped":
        tensors = number(len(names), "changed tensor")
        return f"`{filled.name}` has no parameter for {tensors}: {listed(names)}"
    return f"no tensor fills {count} of `{filled.name}`: {listed(names)}"


def _evidence(faults: _Faults) -> dict[str, list[str]]:
    return {kind: first(names) for kind, names in faults.items()}
