"""What kind of model repository a result is: its library, its task on the Hub, how one loads it.

To add one: a class in its family's file, a line in `FLAVOURS`, a row in its test.
"""

from __future__ import annotations

from adapter_merge.flavours.colpali import Engine, Native
from adapter_merge.flavours.encoder import Answering, Bare, Headed
from adapter_merge.flavours.flavour import Flavour
from adapter_merge.flavours.generation import CausalLM, Seq2Seq, VisionLanguage
from adapter_merge.flavours.look import Look
from adapter_merge.flavours.sentence_transformers import SentenceTransformers

__all__ = ["FLAVOURS", "Flavour", "Look", "flavour_of"]

# In this order: the first that fits counts.
FLAVOURS: tuple[Flavour, ...] = (
    SentenceTransformers(),
    Native(),
    Engine(),
    CausalLM(),
    VisionLanguage(),
    Seq2Seq(),
    Headed(),
    Answering(),
    Bare(),
)


def flavour_of(look: Look) -> Flavour:
    """The flavour of a repository."""
    return next(f for f in FLAVOURS if f.fits(look))
