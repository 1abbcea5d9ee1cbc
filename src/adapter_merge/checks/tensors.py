"""T001 to T003, and T007 to T009: which tensors there are, as headers and the plan have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from adapter_merge.checks.check import (
    against_plan,
    failed,
    first,
    listed,
    milder,
    number,
    of_merging,
    passed,
    warned,
)
from adapter_merge.checks.seen import Seen
from adapter_merge.checks.side import CONFIG
from adapter_merge.finding import Finding
from adapter_merge.plan import Plan


class Names:
    """T001."""

    code = "T001"
    title = "The tensors are the planned ones"
    why = "A loader fills a missing tensor with random values and drops one that it doesn't know, with a warning at most."
    fix = "Merge again; a foreign merge may have saved through a class that ignores some tensors."
    look = "`adapter-merge plan ADAPTER --base BASE --json` lists the tensors that should be there."
    ignore = "For another program's merge, where you know that the missing tensors are not needed."

    @against_plan
    def judge(self, seen: Seen, plan: Plan) -> Iterable[Finding]:
        """Names found against names planned; a foreign folder may add or drop one of a tied pair."""
        planned, found = plan.tensors.keys(), seen.names
        differ = sorted(planned ^ found)
        spare = set(plan.tied) if found & set(plan.tied) else set()
        wrong = [name for name in differ if not (seen.foreign and name in spare)]
        if wrong:
            missing = [n for n in wrong if n in planned]
            unknown = [n for n in wrong if n not in planned]
            parts = [f"missing: {listed(missing)}"] * bool(missing)
            parts += [f"not planned: {listed(unknown)}"] * bool(unknown)
            message = f"{number(len(wrong), 'tensor')} differ in name; {'; '.join(parts)}"
            yield failed(self, seen, message, missing=first(missing), unknown=first(unknown))
        elif differ:
            yield warned(self, seen, f"a tied tensor is stored otherwise: {listed(differ)}")
        else:
            yield passed(self, seen, f"all {number(len(planned), 'tensor')}", tensors=len(planned))


class Shapes:
    """T002."""

    code = "T002"
    title = "Shapes are the planned ones"
    why = "A tensor of another shape doesn't load, or was transposed on the way."
    fix = "Merge again."
    look = "`adapter-merge plan ADAPTER --base BASE --json` has every shape."
    ignore = "No: the tensor would not load."

    @against_plan
    def judge(self, seen: Seen, plan: Plan) -> Iterable[Finding]:
        """Shape of every tensor that is there."""
        pairs = [(seen.looks[n].found, t.info) for n, t in plan.tensors.items()]
        wrong = [
            f"{p.name} {list(f.shape)}, planned {list(p.shape)}"
            for f, p in pairs
            if f is not None and f.shape != p.shape
        ]
        if wrong:
            yield failed(self, seen, f"another shape: {listed(wrong)}", tensors=first(wrong))
        else:
            yield passed(
                self, seen, f"{number(len(pairs), 'tensor')} as planned", tensors=len(pairs)
            )


class Dtypes:
    """T003."""

    code = "T003"
    title = "Dtypes are the planned ones"
    why = "A dtype that nobody asked for doubles the size, or throws precision away."
    fix = "Merge again; use `--dtype` to change the dtype on purpose."
    look = "`adapter-merge plan ADAPTER --base BASE --json` has every dtype."
    ignore = (
        "No: another program's choice only warns, and in a merge of ours the dtype is a setting."
    )

    @against_plan
    def judge(self, seen: Seen, plan: Plan) -> Iterable[Finding]:
        """Dtype of every tensor that is there; another program's choice only warns."""
        pairs = [(seen.looks[n].found, t.info) for n, t in plan.tensors.items()]
        wrong = [
            f"{p.name} {f.dtype}, planned {p.dtype}"
            for f, p in pairs
            if f is not None and f.dtype != p.dtype
        ]
        counts = Counter(f.dtype for f, _ in pairs if f is not None)
        if wrong:
            text = f"another dtype: {listed(wrong)}"
            yield milder(self, seen, text, tensors=first(wrong), dtypes=dict(counts))
        else:
            yield passed(self, seen, f"dtypes as planned: {', '.join(counts)}", dtypes=dict(counts))


class UsedOnce:
    """T007."""

    code = "T007"
    title = "Every adapter tensor is used, and once unless it is shared"
    why = "A tensor that nothing uses is a part of the training that got lost."
    fix = "Report it with the plan's output (`adapter-merge plan --json`): planning should have stopped."
    look = "`adapter-merge plan ADAPTER --base BASE --json` lists `adapter_tensors`, and with each edit those that it uses."
    ignore = "No: a part of the training would be lost."

    @of_merging
    @against_plan
    def judge(self, seen: Seen, plan: Plan) -> Iterable[Finding]:
        """Uses of all edits against the adapters' tensors; those that layers share may be used more often."""
        uses = Counter(tensor for edit in plan.edits for tensor in edit.uses)
        shared = {tensor for edit in plan.edits for tensor in edit.shares}
        every = set(plan.adapter_tensors)
        wrong = sorted(
            t.name
            for t in every | uses.keys()
            if t not in every or not uses[t] or (uses[t] > 1 and t not in shared)
        )
        if wrong:
            message = (
                f"{number(len(wrong), 'adapter tensor')} not used exactly once: {listed(wrong)}"
            )
            yield failed(self, seen, message, tensors=first(wrong))
        else:
            text = f"{number(len(every), 'adapter tensor')}, each used once"
            again = f", {len(shared)} of them by several edits" if shared else ""
            yield passed(self, seen, text + again, adapter_tensors=len(every), shared=len(shared))


class ChangedSet:
    """T008."""

    code = "T008"
    title = "Exactly the adapted tensors changed"
    why = "An adapted tensor that equals the base's is a lost module; another one that changed is damage."
    fix = "Merge again. Where the adapter's delta is zero, check that the trained adapter was saved; where rounding took it, use `--dtype fp32`."
    look = "With `--json` the evidence lists the tensors: changed without an edit, a delta of zero, or lost in rounding."
    ignore = "No: a delta that is zero, or that rounding took, only warns."

    @against_plan
    def judge(self, seen: Seen, plan: Plan) -> Iterable[Finding]:
        """The set of changed tensors; an edit that rounds to nothing only warns."""
        adapted = {t for t, planned in plan.tensors.items() if planned.edit is not None}
        looks = {name: look for name, look in seen.looks.items() if look.same is not None}
        changed = {name for name, look in looks.items() if not look.same}
        stayed = {n: e for n in sorted(adapted & looks.keys() - changed) if (e := looks[n].edit)}
        lost = [n for n, edit in stayed.items() if edit.expected]
        # One tensor that a saved one stands for twice: where it is judged is the other.
        stayed = {n: e for n, e in stayed.items() if _uses(plan, n)}
        zero = [n for n, edit in stayed.items() if not edit.moved]
        rounded = [n for n, edit in stayed.items() if edit.moved and not edit.expected]
        wrong = sorted(changed - adapted) + lost
        if wrong:
            message = (
                f"{len(wrong) - len(lost)} changed without an edit, {len(lost)} adapted but as in the "
                f"base: {listed(wrong)}"
            )
            yield failed(self, seen, message, tensors=first(wrong))
        if zero or rounded:
            message = f"unchanged: {len(zero)} with a delta of zero, {len(rounded)} whose delta is lost in rounding"
            yield warned(self, seen, message, zero=first(zero), rounded=first(rounded))
        if not (wrong or zero or rounded):
            counts = {"adapted": len(adapted), "changed": len(changed)}
            yield passed(
                self, seen, f"the {number(len(adapted), 'adapted tensor')} and no other", **counts
            )


def _uses(plan: Plan, name: str) -> bool:
    edit = plan.tensors[name].edit
    return edit is not None and bool(edit.uses)


class TieHolds:
    """T009."""

    code = "T009"
    title = "Tied tensors are equal, and untied ones both there"
    why = "Loaders keep one of two tied tensors: where they differ, or one isn't there, the other takes its place in silence."
    fix = "Merge again; embedding and head that differ both stand in the file, with `tie_word_embeddings: false` in `config.json`."
    look = "Look at `tie_word_embeddings` in `config.json`; the finding names both tensors."
    ignore = "Only where the loader is known to keep both."

    @against_plan
    def judge(self, seen: Seen, plan: Plan) -> Iterable[Finding]:
        """Bytes of the tied tensors that are in the file; where the merge unties them, names and flags."""
        if plan.untied:
            yield self._apart(seen, plan)
        elif seen.tied is False:
            names = sorted(seen.names & set(plan.tied))
            yield failed(
                self, seen, f"tied, but with different values: {listed(names)}", tensors=names
            )
        else:
            text = (
                "no two tied tensors in the file" if seen.tied is None else "tied tensors are equal"
            )
            yield passed(self, seen, text)

    def _apart(self, seen: Seen, plan: Plan) -> Finding:
        missing = sorted(set(plan.untied) - seen.names)
        config = seen.side.config or {}
        still = [where for where, flag in _flags(config) if flag]
        if missing:
            text = f"embedding and head are apart, and the file lacks {listed(missing)}"
            return failed(self, seen, text, tensors=missing)
        if still or config.get("tie_word_embeddings") is not False:
            where = listed(still or ["tie_word_embeddings"])
            text = f"embedding and head are apart, and `{CONFIG}` still ties them: {where}"
            return failed(self, seen, text, keys=still)
        return passed(self, seen, f"untied, and both there: {listed(plan.untied)}")


def _flags(config: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, object]]:
    """Every `tie_word_embeddings` of a config and of the configs in it, with the keys that lead there."""
    for key, value in config.items():
        if key == "tie_word_embeddings":
            yield f"{where}{key}", value
        elif isinstance(value, dict) and (key.endswith("_config") or "model_type" in value):
            yield from _flags(value, f"{where}{key}.")
