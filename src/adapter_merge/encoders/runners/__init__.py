"""How each kind of model is loaded and run: one class a kind; torch is imported in their methods alone."""

from __future__ import annotations

from adapter_merge.encoders.runners.runner import Runner, Running
from adapter_merge.encoders.runners.sentence import Sentence
from adapter_merge.encoders.runners.sight import Seeing
from adapter_merge.encoders.runners.text import Bare, Causal, Headed, Labels, Seq2Seq
from adapter_merge.encoders.runners.vectors import Engine, Native
from adapter_merge.flavours import Look

__all__ = ["RUNNERS", "Runner", "Running", "runner_of"]

# In this order: the first that fits counts.
RUNNERS: tuple[Runner, ...] = (
    Sentence(),
    Native(),
    Engine(),
    Causal(),
    Seeing(),
    Seq2Seq(),
    Labels(),
    Headed(),
    Bare(),
)


def runner_of(look: Look) -> Runner | None:
    """The runner of a repository; None where nothing here can run it."""
    return next((r for r in RUNNERS if r.fits(look)), None)
