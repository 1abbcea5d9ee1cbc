"""Whether all that an adapter adds stands in its file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from adapter_merge.checks.check import NEEDS_SOURCES, WARNS_ONLY, listed, passed, skipped, warned
from adapter_merge.checks.seen import Seen
from adapter_merge.finding import Finding
from adapter_merge.methods import rests_on_seed


class NothingDrawn:
    """Some methods keep a seed in place of their random matrices or places, and draw them again."""

    code: ClassVar[str] = "T013"
    title: ClassVar[str] = "The adapter's file holds all that it adds"
    why: ClassVar[str] = (
        "What a seed draws depends on torch's generator and on PEFT's order of layers: another version may draw "
        "something else, and nothing in the file tells."
    )
    fix: ClassVar[str] = (
        "Compare the merged model with the adapter in the environment that trained it; where the method can, save "
        "again with `save_projection` or `save_indices`."
    )
    look: ClassVar[str] = (
        "Look at `peft_type`, `save_projection` and `save_indices` in `adapter_config.json`."
    )
    ignore: ClassVar[str] = WARNS_ONLY

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """One warning that names the methods."""
        if seen.sources is None:
            yield skipped(self, seen, NEEDS_SOURCES)
            return
        configs = [adapter.config for adapter in seen.sources.adapters]
        drawn = [
            str(c.peft_type) for c in configs if rests_on_seed(c.peft_type, c.model_extra or {})
        ]
        if not drawn:
            yield passed(self, seen, "nothing is drawn from a seed")
            return
        message = f"a part of {listed(drawn)} is drawn from a seed in the config, with this machine's torch and PEFT"
        yield warned(self, seen, message, methods=drawn)
