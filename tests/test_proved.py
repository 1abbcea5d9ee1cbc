"""The outcome of a proof in one sentence."""

from __future__ import annotations

import math

import pytest

from adapter_merge.proved import compared, least, proved
from adapter_merge.receipt import GroupRecord, ProbeRecord

VECTORS = GroupRecord(
    group="text.pooled",
    effect=0.1,
    gap=2e-7,
    error=3e-4,
    rounding=2e-4,
    norm=1e-6,
    cosines=(0.9999981, 0.99999999, 1.0),
    base_cosines=(0.6, 0.7, 0.8),
)
QUERIES = VECTORS.model_copy(update={"group": "query.pooled", "cosines": (1.0, 1.0)})
SCORES = VECTORS.model_copy(update={"group": "scores of text.pooled", "cosines": (0.1,)})
LOGITS = VECTORS.model_copy(update={"group": "text.logits", "kl": 2.34e-6, "top": 1.0})
RAN = ProbeRecord(reference="Model", merged="Model", groups=(VECTORS,))
THROUGH = "3 inputs through base with adapter and through the result:"
SHARE = "error 0.03 % of what the adapter does (rounding alone costs 0.02 %)"


def of(*groups: GroupRecord) -> ProbeRecord:
    return RAN.model_copy(update={"groups": groups})


def group(**values: object) -> ProbeRecord:
    return of(VECTORS.model_copy(update=values))


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (RAN, f"{THROUGH} smallest cosine 0.999998, {SHARE}"),
        (of(LOGITS), f"{THROUGH} largest KL divergence 2.3e-06 nats, first choice the same in"),
        (group(cosines=(1.0,)), "1 input through base with adapter and through the result"),
        (group(kl=1e-9, top=0.9996), "the same in 99.9 %, "),
        (group(error=0.46), "error 46 % of what the adapter does"),
        (group(cosines=(1.0, math.nan)), "smallest cosine not a number"),
        (group(error=math.nan), "error not a number of what the adapter does"),
        (group(kl=math.nan), "largest KL divergence nan nats"),
    ],
)
def test_it_says_what_was_compared_and_how_near_it_came(record: ProbeRecord, said: str) -> None:
    assert said in proved(record)


def test_the_worst_of_all_groups_counts() -> None:
    queries = QUERIES.model_copy(update={"error": 0.5, "rounding": 0.4, "cosines": (0.9, 1.0)})
    said = proved(of(VECTORS, queries, LOGITS))
    assert said.startswith("5 inputs through")
    assert "smallest cosine 0.90, largest KL" in said
    assert said.endswith("error 50 % of what the adapter does (rounding alone costs 40 %)")


def test_the_largest_divergence_and_the_rarest_agreement_count() -> None:
    pages = LOGITS.model_copy(update={"group": "page.logits", "kl": 0.5, "top": 0.25})
    for groups in ((LOGITS, pages), (pages, LOGITS)):
        said = proved(of(*groups))
        assert "largest KL divergence 0.5 nats, first choice the same in 25 %, " in said


def test_scores_follow_and_say_nothing() -> None:
    assert proved(of(VECTORS, SCORES)) == proved(RAN)
    assert compared(of(VECTORS, SCORES)) == (VECTORS,)


def test_of_outputs_that_do_not_move_no_share_is_taken() -> None:
    still = VECTORS.model_copy(update={"effect": 1e-7, "error": 0.9, "group": "query.pooled"})
    assert SHARE in proved(of(VECTORS, still))
    assert proved(of(still)).endswith("smallest cosine 0.999998, and the adapter moves no output")


@pytest.mark.parametrize(
    "record",
    [
        None,
        ProbeRecord(needs="4 GB of memory"),
        ProbeRecord(reference="Model", merged=None),
    ],
)
def test_where_not_both_ran_it_says_nothing(record: ProbeRecord | None) -> None:
    assert proved(record) == ""


@pytest.mark.parametrize("groups", [(), (SCORES,), (VECTORS.model_copy(update={"cosines": ()}),)])
def test_outputs_that_can_not_be_compared_are_told(groups: tuple[GroupRecord, ...]) -> None:
    assert proved(of(*groups)).endswith("their outputs can't be compared")


@pytest.mark.parametrize("values", [(math.nan, 1.0), (1.0, math.nan)])
def test_what_is_not_a_number_is_the_smallest(values: tuple[float, ...]) -> None:
    assert math.isnan(least(values))
    assert least((2.0, -1.0)) == -1
