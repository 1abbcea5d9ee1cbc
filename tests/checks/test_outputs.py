"""E001 to E005 by numbers alone: where the gates are, and what is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapter_merge.finding import Finding, Outcome
from adapter_merge.probed import Distance, NotRun, PlainLoad, Ran, Shape, Side
from tests.encoders.proofs import findings, judged

NAN, INFINITE = float("nan"), float("inf")
GOOD = Distance(
    group="text.vectors",
    effect=0.1,
    gap=2e-7,
    error=4e-3,
    rounding=4e-3,
    cosines=(0.99999, 1.0),
    base_cosines=(0.9, 0.8),
    norm=1e-6,
    masked=0.0,
)
SIDE = Side(kind="Model", facts={"labels": ["a", "b"]}, unfilled=())
RAN = Ran(
    reference=SIDE,
    merged=SIDE,
    distances=(GOOD,),
    misfits={},
    towers={},
    unreached=(),
    plain=(PlainLoad(adapter="a", tensors=2, missing=(), unexpected=()),),
    seconds={},
    peak_rss_bytes=1,
)


def _with(**values: Any) -> Ran:
    return replace(RAN, distances=(replace(GOOD, **values),))


def _say(ran: Ran, code: str, outcome: str, *parts: str) -> Finding:
    finding = judged(ran)[code]
    assert finding.outcome == outcome, finding.message
    assert all(part in finding.message for part in parts), finding.message
    return finding


def test_a_good_proof_passes() -> None:
    assert {f.outcome for f in judged(RAN).values()} == {Outcome.PASS}
    assert judged(RAN)["E001"].evidence["text.vectors"] == {
        "effect": 0.1,
        "gap": 2e-7,
        "error": 4e-3,
        "rounding": 4e-3,
        "cosine": 0.99999,
        "norm": 1e-6,
        "masked": 0.0,
    }


# Effects and gaps as a share of the outputs: what was measured on real encoders, and beside the gates.
@pytest.mark.parametrize(
    ("effect", "gap", "outcome"),
    [
        (0.1, 4e-7, "pass"),
        (0.1, 0.99e-4, "pass"),
        (0.1, 1.01e-4, "fail"),
        (0.1, 1.2e-3, "fail"),
        (0.1, 4.6e-2, "fail"),
        (0.1, 7.2e-2, "fail"),
        (1e-4, 4.9e-6, "pass"),
        (1e-4, 5.1e-6, "fail"),
    ],
    ids=["float32", "below", "above", "a module", "half", "twice", "noise", "weak"],
)
def test_a_gap_beyond_rounding_fails(effect: float, gap: float, outcome: str) -> None:
    _say(_with(effect=effect, gap=gap), "E001", outcome)


@pytest.mark.parametrize(
    ("gap", "outcome"), [(1.2e-3, Outcome.PASS), (1.4e-3, Outcome.FAIL)], ids=["rounded", "other"]
)
def test_another_program_may_round_otherwise(gap: float, outcome: Outcome) -> None:
    assert judged(_with(gap=gap), foreign=True)["E001"].outcome is outcome


def test_the_worst_group_is_named() -> None:
    worse = replace(GOOD, group="page.vectors", gap=0.05, error=0.5, cosines=(0.4,))
    ran = replace(RAN, distances=(replace(GOOD, gap=0.01), worse))
    _say(ran, "E001", "fail", "`page.vectors`", "50 %", "1 other group", "0.4000")


@pytest.mark.parametrize(
    ("values", "whose", "others"),
    [
        ({"gap": NAN, "error": NAN}, "the merged model gives", {"E003": "pass", "E004": "pass"}),
        (
            {"gap": INFINITE, "error": INFINITE},
            "the merged model gives",
            {"E003": "pass", "E004": "pass"},
        ),
        (
            {"effect": NAN, "gap": NAN, "error": NAN, "rounding": NAN},
            "base and adapter give",
            {"E003": "fail", "E004": "warn"},
        ),
        (
            {"effect": INFINITE, "gap": 0.0},
            "base and adapter give",
            {"E003": "fail", "E004": "pass"},
        ),
        (
            {"effect": NAN, "gap": 0.0},
            "base and adapter give",
            {"E003": "fail", "E004": "pass"},
        ),
        (
            {"gap": NAN, "rounding": NAN},
            "PEFT's own merge, rounded, gives",
            {"E003": "pass", "E004": "warn"},
        ),
    ],
    ids=["merged", "infinite", "reference", "base", "both", "rounded"],
)
def test_what_is_not_finite_fails(
    values: dict[str, float], whose: str, others: dict[str, str]
) -> None:
    ran = _with(cosines=(NAN,), norm=NAN, **values)
    _say(ran, "E001", "fail", f"`text.vectors`: {whose} numbers that aren't finite")
    assert {c: f.outcome for c, f in judged(ran).items() if c in others} == others


@pytest.mark.parametrize("first", [True, False])
def test_what_is_not_a_number_is_the_worst(first: bool) -> None:
    bad = replace(GOOD, group="page.vectors", gap=NAN, error=NAN, rounding=NAN)
    wide = replace(GOOD, gap=0.05, rounding=0.01)
    ran = replace(RAN, distances=(bad, wide) if first else (wide, bad))
    _say(ran, "E001", "fail", "`page.vectors`: the merged model gives", "1 other group")
    _say(ran, "E004", "warn", "`page.vectors`")


def test_a_group_that_the_adapter_leaves_alone_has_no_share() -> None:
    idle = replace(GOOD, group="query.vectors", effect=0.0, gap=1e-7, error=1e23, rounding=1e23)
    ran = replace(RAN, distances=(idle, GOOD))
    _say(ran, "E001", "pass", "2 groups", "by 0.4 % of what")
    _say(replace(ran, distances=(idle,)), "E001", "pass", "the adapter moves none")
    _say(replace(ran, distances=(idle,)), "E003", "fail")
    other = replace(ran, distances=(replace(idle, gap=0.05), GOOD))
    _say(other, "E001", "fail", "`query.vectors` differs", "by 5 % of its length")


def test_scores_are_told_and_never_judged() -> None:
    scores = replace(GOOD, group="scores of page.vectors", gap=1.0, top=0.5)
    ran = replace(RAN, distances=(GOOD, scores))
    assert "scores of page.vectors" in _say(ran, "E001", "pass").evidence


def test_lengths_without_directions_are_a_lost_step() -> None:
    ran = _with(gap=0.8, norm=3.0, cosines=(1.0,))
    _say(ran, "E001", "fail", "normalises", "300 %")


@pytest.mark.parametrize(
    ("merged", "part"),
    [
        (replace(SIDE, kind="Other"), "it loads as Other, and base with adapter as Model"),
        (replace(SIDE, unfilled=("head.weight",)), "no file fills `head.weight`"),
        (replace(SIDE, facts={"labels": ["b", "a"]}), "its labels are ['b', 'a']"),
        (replace(SIDE, facts={}), "its labels are None"),
    ],
)
def test_another_model_fails(merged: Side, part: str) -> None:
    _say(replace(RAN, merged=merged), "E002", "fail", part)


def test_what_the_base_leaves_unfilled_too_is_no_fault() -> None:
    side = replace(SIDE, unfilled=("pooler.weight",))
    found = _say(replace(RAN, reference=side, merged=side), "E002", "pass", "`pooler.weight`")
    assert "every parameter" not in found.message
    assert found.evidence["unfilled"] == ["pooler.weight"]


def test_a_share_of_the_effect_is_not_given_where_random_values_are_compared() -> None:
    side = replace(SIDE, unfilled=("pooler.weight",))
    ran = replace(_with(gap=3.0), reference=side, merged=side)
    found = _say(ran, "E001", "fail", "can't be compared", "`pooler.weight`")
    assert "%" not in found.message
    assert found.evidence["unfilled"] == ["pooler.weight"]


@pytest.mark.parametrize(
    ("shapes", "part"),
    [
        ((Shape(counts=(1,), width=8), Shape(counts=(1,), width=4)), "4 numbers a vector, and 8"),
        ((Shape(counts=(3, 4), width=8), Shape(counts=(3, 3), width=8)), "6 vectors, and 7"),
        ((Shape(counts=(1,), width=8), None), "only base and adapter give it"),
        ((None, Shape(counts=(1,), width=8)), "only the merged model gives it"),
    ],
)
def test_other_shapes_fail(shapes: tuple[Shape | None, Shape | None], part: str) -> None:
    _say(replace(RAN, misfits={"text.pooled": shapes}), "E002", "fail", "`text.pooled`", part)


def test_padding_that_is_not_zero_fails() -> None:
    _say(_with(masked=0.1), "E002", "fail", "rows of padding aren't zero")
    _say(_with(masked=None), "E002", "pass")


def test_a_folder_that_does_not_load_fails_once() -> None:
    ran = replace(RAN, merged=None, distances=(), trouble="OSError: no file")
    _say(ran, "E002", "fail", "OSError: no file")
    assert {c: f.outcome for c, f in judged(ran).items() if c != "E002"} == {
        "E001": "skip",
        "E003": "skip",
        "E004": "skip",
        "E005": "pass",
    }


@pytest.mark.parametrize(("effect", "outcome"), [(4.9e-5, "fail"), (5.1e-5, "pass")])
def test_an_effect_below_ten_times_the_noise_is_no_proof(effect: float, outcome: str) -> None:
    _say(_with(effect=effect, gap=0.0), "E003", outcome)


def test_each_tower_has_to_be_exercised() -> None:
    ran = replace(RAN, towers={"text": 0.2, "vision": 1e-6})
    _say(ran, "E003", "fail", "doesn't exercise the adapter", "vision")
    _say(replace(ran, towers={"text": 0.2, "vision": 0.1}), "E003", "pass", "10 %")


def test_modules_that_nothing_reaches_are_named() -> None:
    _say(replace(RAN, unreached=("vision.head",)), "E003", "pass", "`vision.head`")


@pytest.mark.parametrize(("rounding", "outcome"), [(0.049, "pass"), (0.051, "warn")])
def test_rounding_that_takes_a_part_of_the_adapter_warns(rounding: float, outcome: str) -> None:
    _say(_with(rounding=rounding), "E004", outcome)


def test_rounding_of_nothing_is_not_told() -> None:
    _say(_with(effect=1e-6, rounding=7.0), "E004", "skip")


def test_a_plain_load_that_loses_is_told() -> None:
    plain = PlainLoad(adapter="./a", tensors=8, missing=("x", "y"), unexpected=("z",))
    finding = _say(replace(RAN, plain=(plain,)), "E005", "pass", "passes over 1 of 8", "leaves 2")
    assert finding.evidence == {"unexpected": ["z"], "missing": ["x", "y"]}
    refused = replace(plain, refusal="ValueError: no such module")
    _say(replace(RAN, plain=(refused,)), "E005", "pass", "ValueError: no such module")
    _say(replace(RAN, plain=()), "E005", "skip")
    both = findings(replace(RAN, plain=(plain, *RAN.plain, replace(plain, adapter="./b"))))
    told = [f.message for f in both if f.code == "E005"]
    assert [name for name in ("`./a`", "`./b`") if any(name in m for m in told)] == [
        "`./a`",
        "`./b`",
    ]
    assert len(told) == 2


@pytest.mark.parametrize("foreign", [False, True])
def test_what_was_not_run_says_what_it_takes(foreign: bool) -> None:
    found = judged(NotRun(needs="4 GB of memory"), foreign=foreign)
    assert {f.outcome for f in found.values()} == {Outcome.SKIP}
    assert {f.message for f in found.values()} == {
        "outputs were not compared: it needs 4 GB of memory"
    }


def test_what_is_required_and_not_run_fails() -> None:
    found = judged(NotRun(needs="4 GB of memory", required=True))
    assert found["E001"].outcome is Outcome.FAIL
    assert found["E001"].message == "`--probe require` asks to run it, and it needs 4 GB of memory"
    assert {f.outcome for c, f in found.items() if c != "E001"} == {Outcome.SKIP}


def test_nobody_asked() -> None:
    found = judged(None)
    assert {f.message for f in found.values()} == {"outputs were not compared: `--probe off`"}
