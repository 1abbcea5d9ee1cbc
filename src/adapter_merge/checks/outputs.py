"""E checks: what the model computes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from adapter_merge.checks.check import skipped
from adapter_merge.checks.seen import Seen
from adapter_merge.finding import Finding


class OutputsEqual:
    """Base with adapter, and the merged model, on the same inputs."""

    code: ClassVar[str] = "E001"
    title: ClassVar[str] = "The merged model's outputs equal those of base and adapter"
    why: ClassVar[str] = "Weights can be right and the files around them wrong."
    fix: ClassVar[str] = "Load the result and compare a few outputs, as `adapter-merge demo` does."
    look: ClassVar[str] = (
        "`adapter-merge demo` compares embeddings of base with adapter and of the merged model."
    )
    ignore: ClassVar[str] = (
        "Nothing to ignore: it is skipped until a program that runs models is built."
    )

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """Say that it was not done: nothing here runs a model yet."""
        yield skipped(self, seen, "outputs were not compared: no encoder is built yet")
