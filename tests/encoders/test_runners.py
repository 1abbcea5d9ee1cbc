"""Every kind of model: a good merge computes what base and adapter compute, and loads as the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_merge.finding import Outcome
from adapter_merge.probed import Distance
from tests.encoders.conftest import MergeOf
from tests.encoders.models import KINDS
from tests.encoders.proofs import judged, merge, ran

KINDS_TO_RUN = [
    pytest.param(k, marks=pytest.mark.colpali) if KINDS[k].runner == "engine" else k for k in KINDS
]


@pytest.mark.parametrize("kind", KINDS_TO_RUN)
def test_a_good_merge_passes(merge_of: MergeOf, kind: str) -> None:
    found = ran(merge_of(kind))
    assert {code: f.outcome for code, f in judged(found).items()} == dict.fromkeys(
        ("E001", "E002", "E003", "E004", "E005"), Outcome.PASS
    )
    assert found.merged is not None
    assert found.merged.kind == found.reference.kind
    groups = {d.group for d in found.distances if not d.derived}
    seen = KINDS[kind].runner in {"seeing", "native", "engine"}
    assert any(g.startswith("page.") for g in groups) == seen
    assert set(found.towers) == ({"text", "vision"} if seen else set())
    assert min(found.towers.values(), default=1) > 1e-4
    assert all(d.effect > 1e-4 for d in found.distances if not d.derived)


def test_every_input_has_its_cosine(merge_of: MergeOf) -> None:
    found = ran(merge_of("sentence"))
    cosines = {d.group: len(d.cosines) for d in found.distances}
    assert cosines == {
        "query.pooled": 3,
        "query.tokens": 3,
        "text.pooled": 9,
        "text.tokens": 9,
        "scores of text.pooled": 3,
    }
    assert all(c == pytest.approx(1, abs=1e-6) for d in found.distances for c in d.cosines)


def test_queries_find_the_same_pages(merge_of: MergeOf) -> None:
    found = ran(merge_of("native-colpali"))
    scores = next(d for d in found.distances if d.derived)
    assert (scores.group, scores.top) == ("scores of page.vectors", 1)


def test_padding_is_zero_where_the_class_zeroes_it(merge_of: MergeOf) -> None:
    found = ran(merge_of("native-colpali"))
    assert _of(found.distances, "query.vectors").masked == 0


def test_logits_have_their_divergence(merge_of: MergeOf) -> None:
    logits = _of(ran(merge_of("causal")).distances, "text.logits")
    assert logits.top == 1
    assert logits.kl is not None
    assert abs(logits.kl) < 1e-6


@pytest.mark.colpali
def test_what_a_plain_loader_of_today_would_lose_is_told(merge_of: MergeOf) -> None:
    finding = judged(ran(merge_of("engine-colqwen2-old")))["E005"]
    assert finding.outcome is Outcome.PASS
    assert "passes over" in finding.message


@pytest.mark.colpali
@pytest.mark.parametrize("kind", ["engine-colpali", "engine-colqwen2-old"])
def test_the_form_of_transformers_is_proved_against_that_of_colpali_engine(
    merge_of: MergeOf, tmp_path: Path, kind: str
) -> None:
    source = merge_of(kind).sources
    adapter = str(source.adapters[0].pinned.root)
    made = merge(source.base.pinned.root, (adapter,), tmp_path / "native", native=True)
    found = judged(ran(made), plan=made.plan)
    assert {f.outcome for f in found.values()} == {Outcome.PASS}
    assert "ForRetrieval" in found["E002"].message


def _of(found: tuple[Distance, ...], group: str) -> Distance:
    return next(d for d in found if d.group == group)
