"""What running base with adapter and the merged model on the same inputs has shown: numbers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

SCORES = "scores of "
BEST = 5  # documents of which retrieval is told
# Shares of the outputs' length. Two float32 runs of equal weights differ by less than the first; measured
# 0 to 4e-7 on every class of the tests.
NOISE = 5e-6
EXERCISED = 10  # times the noise


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """How many vectors each input got, and of which length."""

    counts: tuple[int, ...]
    width: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Distance:
    """How one group of outputs of the merged model differs from what it must be.

    Lengths are means of Euclidean lengths over vectors. `reference` is base with adapter, unmerged;
    `rounded` is the same, merged by PEFT and rounded to the dtypes of the file. All maths is float32.

    Attributes:
        group: what was compared, such as `text.logits` or `page.vectors`.
        effect: |reference - base| / |reference|.
        gap: |merged - rounded| / |reference|.
        error: |merged - reference| / |reference - base|; 0 is exact, 1 is the base.
        rounding: |rounded - reference| / |reference - base|: what rounding alone costs.
        cosines: for each input, the smallest between a vector of the merged model and its reference.
        base_cosines: the same between base and reference: how far the adapter moves each input.
        norm: the largest relative difference of two such vectors' lengths.
        masked: the largest number in a row that padding masks out; None where the model has none.
        kl: the largest Kullback-Leibler divergence of next-token distributions, in nats.
        top: share of inputs whose most likely token, label or page is the same; None where nothing ranks.
    """

    group: str
    effect: float
    gap: float
    error: float
    rounding: float
    cosines: tuple[float, ...]
    base_cosines: tuple[float, ...]
    norm: float
    masked: float | None = None
    kl: float | None = None
    top: float | None = None

    @property
    def cosine(self) -> float:
        """The smallest of all."""
        return min(self.cosines, default=1.0)

    @property
    def derived(self) -> bool:
        """Whether it is of scores, which follow from vectors and say less: they are told, never judged by."""
        return self.group.startswith(SCORES)

    @property
    def lost(self) -> float:
        """The gap as a share of what the adapter does; infinite where it does nothing."""
        return self.gap / self.effect if self.effect else float("inf")


@dataclass(frozen=True, kw_only=True, slots=True)
class Retrieval:
    """What queries find among documents: told, never judged, as a wrong model may rank them alike.

    Attributes:
        group: the documents, such as `text.pooled` or `page.vectors`.
        given: whether one's own file says what is relevant; else it is ours.
        queries: how many have something to find.
        documents: how many they look through.
        base, reference, merged: nDCG@5 of each model, from 0 to 1.
        agreement: share of the five best documents, or half of fewer, that merged model and reference have in
            common; None of a single document.
    """

    group: str
    given: bool
    queries: int
    documents: int
    base: float
    reference: float
    merged: float
    agreement: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two models: its class, its labels, and the parameters that no file filled."""

    kind: str
    facts: Mapping[str, object]
    unfilled: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainLoad:
    """What `PeftModel.from_pretrained` makes of an adapter as it is, on today's class."""

    adapter: str
    tensors: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    refusal: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """Both models ran.

    Attributes:
        misfits: groups whose vectors can't be compared -> their shapes (reference, merged).
        unreached: adapted modules that no input reached: outputs say nothing about them.
        towers: part of the model -> the effect of its adapter alone on the inputs that reach it.
        trouble: why the merged folder doesn't load or run, where the reference does.
    """

    reference: Side
    merged: Side | None
    distances: tuple[Distance, ...]
    misfits: Mapping[str, tuple[Shape | None, Shape | None]]
    towers: Mapping[str, float]
    unreached: tuple[str, ...]
    plain: tuple[PlainLoad, ...]
    seconds: Mapping[str, float]
    peak_rss_bytes: int
    retrieval: tuple[Retrieval, ...] = ()
    trouble: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NotRun:
    """Nothing ran.

    Attributes:
        needs: what it would take, as the end of "it needs ...".
        required: whether the user asked for it in any case.
        unloadable: why PEFT can't load an adapter on the base because of a shape; None where that isn't why.
    """

    needs: str
    required: bool = False
    unloadable: str | None = None


Probed: TypeAlias = Ran | NotRun
