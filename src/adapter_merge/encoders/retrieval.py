"""What queries find: how good that is, and whether two models find the same. It is told, never judged by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapter_merge.encoders import measures
from adapter_merge.encoders.inputs import Inputs, Pairs
from adapter_merge.encoders.passages import PASSAGES
from adapter_merge.encoders.rows import Floats, Outputs, Rows
from adapter_merge.probed import BEST, Retrieval

# States in which a model read our passages begin so.
RANKED = "ranked:"
_STATES = ("base", "reference", "merged")

_Relevant = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """Queries of one group against the documents of another, and how they are scored."""

    queries: str
    documents: str
    score: Callable[[Rows, Rows], Floats]

    def table(self, outputs: Outputs) -> Floats:
        """Scores, (queries, documents)."""
        return self.score(outputs[self.queries], outputs[self.documents])


def searches(groups: AbstractSet[str]) -> list[Search]:
    """What can be searched, where queries and documents were both embedded."""
    return [
        Search(queries=f"query.{kind}", documents=f"{other}.{kind}", score=score)
        for kind, score in (("vectors", measures.maxsim), ("pooled", measures.similar))
        for other in ("page", "text")
        if {f"query.{kind}", f"{other}.{kind}"} <= groups
    ]


def wants_passages(inputs: Inputs, outputs: Outputs) -> bool:
    """Whether a model is asked our questions besides: it finds texts, and nobody said what is relevant."""
    found = searches(outputs.keys())
    return not inputs.relevant and any(s.documents.startswith("text.") for s in found)


@np.errstate(all="ignore")  # what isn't finite is for the checks to say
def retrieval(states: Mapping[str, Outputs], inputs: Inputs) -> tuple[Retrieval, ...]:
    """How good and how alike, for each group of documents in which a query has something to find.

    Of one's own inputs where they say what is relevant, else of our passages where they were read.
    """
    given = bool(inputs.relevant)
    asked, prefix = (inputs, "") if given else (PASSAGES, RANKED)
    read = {s: states.get(f"{prefix}{s}", {}) for s in _STATES}
    found = []
    for search in searches(_common(tuple(read.values()))):
        kind = search.documents.partition(".")[0]
        # What stands behind them, such as a text of an adapter's own tokens, has no answer.
        size = len(asked.queries), len(asked.pages if kind == "page" else asked.texts)
        tables = {s: search.table(o)[: size[0], : size[1]] for s, o in read.items()}
        relevant = _marked(asked.relevant.get(kind, ()), size)
        if relevant.any():
            found.append(_retrieval(search.documents, tables, relevant, given=given))
    return tuple(found)


def _common(outputs: Sequence[Outputs]) -> AbstractSet[str]:
    """Groups that all have, with vectors of one width."""
    widths = [{(g, rows.values.shape[1]) for g, rows in o.items()} for o in outputs]
    return {group for group, _ in set.intersection(*widths)}


def _marked(pairs: Pairs, size: tuple[int, int]) -> _Relevant:
    relevant = np.zeros(size, dtype=np.bool_)
    for pair in pairs:
        relevant[pair] = True
    return relevant


def _retrieval(
    group: str, tables: Mapping[str, Floats], relevant: _Relevant, *, given: bool
) -> Retrieval:
    asked = relevant.any(axis=1)
    scores = {s: table[asked] for s, table in tables.items()}
    return Retrieval(
        group=group,
        given=given,
        queries=int(asked.sum()),
        documents=relevant.shape[1],
        agreement=agreement(scores["merged"], scores["reference"]),
        **{s: ndcg(scores[s], relevant[asked], BEST) for s in _STATES},
    )


def agreement(one: Floats, reference: Floats) -> float | None:
    """The share of the best documents that two score tables have in common; None of a single document.

    The best five, or half of fewer: all of them are the same in any order.
    """
    best = min(BEST, reference.shape[1] // 2)
    return measures.overlap(one, reference, best) if best else None


def ndcg(scores: Floats, relevant: _Relevant, k: int) -> float:
    """nDCG@k, its mean over queries; 1 where all that is relevant comes first, 0 where none is among the best k.

    DCG@k is the sum over ranks i from 1 to k of gain(i) / log2(i + 1), with a gain of 1 for what is relevant
    and 0 for the rest; nDCG@k is its share of the largest DCG@k that any order has. Järvelin and Kekäläinen,
    Cumulated gain-based evaluation of IR techniques, TOIS 20 (2002), with the discount of Burges et al.,
    Learning to rank using gradient descent, ICML 2005. Equal scores share the mean of their gains, as their
    order says nothing: McSherry and Najork, ECIR 2008.

    Args:
        scores: (queries, documents); what isn't a number comes last.
        relevant: the same shape; each query has at least one document.
        k: how many documents count.
    """
    discounts = 1 / np.log2(np.arange(2, relevant.shape[1] + 2))
    discounts[k:] = 0
    return float(np.mean([_ndcg(*row, discounts) for row in zip(scores, relevant, strict=True)]))


def _ndcg(scores: Floats, relevant: _Relevant, discounts: npt.NDArray[np.float64]) -> float:
    # Equal scores have one number, the best has 0; NaN is the largest, and one.
    _, tied = np.unique(-scores, return_inverse=True)
    gains = np.bincount(tied, weights=relevant) / np.bincount(tied)
    best = discounts[: int(relevant.sum())].sum()
    return float((gains[np.sort(tied)] * discounts).sum() / best)
