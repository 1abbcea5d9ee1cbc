"""T015: how the factors of fused experts were read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from adapter_merge.checks.check import against_plan, failed, first, listed, number, passed, warned
from adapter_merge.checks.seen import Seen
from adapter_merge.expert_summary import describe_experts
from adapter_merge.finding import Finding
from adapter_merge.plan import Plan

_SERVE = "; PEFT reads these factors in another way, so serve the merged model"


class ExpertsAsTrained:
    """T015."""

    code: ClassVar[str] = "T015"
    title: ClassVar[str] = "Fused experts were merged in the layout that trained them"
    why: ClassVar[str] = (
        "Programs order the columns of `lora_B` of fused experts in two ways, and square experts have two "
        "orientations. With the wrong one every expert gets a delta that nobody trained, of the same size."
    )
    fix: ClassVar[str] = (
        "Merge with adapter-merge. Where the reading rests on a setting, check which program and version trained the "
        "adapter (`--expert-layout`, `--expert-orientation`)."
    )
    look: ClassVar[str] = (
        "`experts` in the receipt and in `plan --json` has each reading and its source."
    )
    ignore: ClassVar[str] = "No: the experts are not the trained ones."

    @against_plan
    def judge(self, seen: Seen, plan: Plan) -> Iterable[Finding]:
        """Fail where another reading explains the merged tensors; warn where a setting overrides evidence."""
        others: dict[str, list[str]] = {}
        for name, look in seen.looks.items():
            if look.edit is not None and look.edit.other_reading:
                others.setdefault(look.edit.other_reading, []).append(name)
        read = describe_experts(plan.experts)
        evidence = {"experts": [record.model_dump() for record in plan.experts]}
        if others:
            found = "; ".join(
                f"{number(len(names), 'tensor')} as {reading}: {listed(names)}"
                for reading, names in others.items()
            )
            message = (
                f"the experts were merged in another reading, {found}. Right is {'; '.join(read)}"
            )
            tensors = {reading: first(names) for reading, names in others.items()}
            yield failed(self, seen, message, tensors=tensors, **evidence)
            return
        doubts = list(dict.fromkeys(r.conflict for r in plan.experts if r.conflict))
        if doubts:
            message = f"the reading of the experts is disputed: {'; '.join(doubts)}. Used: {'; '.join(read)}"
            yield warned(self, seen, message, **evidence)
        elif not read:
            yield passed(self, seen, "no adapter changes fused experts")
        else:
            serve = "" if all(r.read_by_peft for r in plan.experts) else _SERVE
            yield passed(self, seen, "; ".join(read) + serve, **evidence)
