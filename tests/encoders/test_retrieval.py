"""What queries find: the measure against hand-made tables and another library, and models that really retrieve."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from adapter_merge.encoders.inputs import Inputs, OwnInputs
from adapter_merge.encoders.passages import PASSAGES
from adapter_merge.encoders.retrieval import RANKED, ndcg, retrieval, wants_passages
from adapter_merge.encoders.rows import Floats, Outputs, Rows
from adapter_merge.probed import Retrieval
from tests.encoders.conftest import MergeOf
from tests.encoders.proofs import failing, findings, ran

SECOND = 1 / math.log2(3)  # what the second rank counts
NAN, INFINITE = float("nan"), float("inf")


def _table(*rows: list[float]) -> Floats:
    return np.array(rows, dtype=np.float32)


def _marks(*rows: list[int]) -> Any:
    return np.array(rows, dtype=np.bool_)


@pytest.mark.parametrize(
    ("scores", "relevant", "value"),
    [
        ([3, 2, 1], [1, 0, 0], 1),
        ([3, 2, 1], [0, 1, 0], SECOND),
        ([1, 2, 3], [0, 1, 0], SECOND),
        ([3, 2, 1], [1, 0, 1], 1.5 / (1 + SECOND)),
        ([3, 2, 1], [1, 1, 1], 1),
        ([6, 5, 4, 3, 2, 1], [0, 0, 0, 0, 0, 1], 0),
        ([6, 5, 4, 3, 2, 1], [1, 1, 1, 1, 1, 1], 1),
        ([5], [1], 1),
    ],
)
def test_ranks_count_less_the_later_they_come(
    scores: list[float], relevant: list[int], value: float
) -> None:
    assert ndcg(_table(scores), _marks(relevant), 5) == pytest.approx(value)


@pytest.mark.parametrize(
    ("scores", "relevant", "value"),
    [
        ([2, 2, 1], [1, 0, 0], (1 + SECOND) / 2),
        ([2, 2, 1], [0, 1, 0], (1 + SECOND) / 2),
        ([2, 2, 1], [1, 1, 0], 1),
        ([0, 0], [0, 1], (1 + SECOND) / 2),
        ([NAN, 1], [1, 0], SECOND),
        ([NAN, NAN], [1, 0], (1 + SECOND) / 2),
        ([INFINITE, 1], [1, 0], 1),
        ([-INFINITE, NAN], [0, 1], SECOND),
    ],
    ids=["first", "second", "both", "all", "none", "none at all", "infinite", "least"],
)
def test_the_order_of_equal_scores_says_nothing(
    scores: list[float], relevant: list[int], value: float
) -> None:
    assert ndcg(_table(scores), _marks(relevant), 5) == pytest.approx(value)


def test_the_mean_is_over_queries() -> None:
    scores, relevant = _table([3, 2, 1], [3, 2, 1]), _marks([1, 0, 0], [0, 1, 0])
    assert ndcg(scores, relevant, 5) == pytest.approx((1 + SECOND) / 2)
    assert ndcg(scores, relevant, 1) == 0.5


@pytest.mark.parametrize("seed", range(8))
def test_it_is_what_scikit_learn_computes(seed: int) -> None:
    theirs = pytest.importorskip("sklearn.metrics").ndcg_score
    some = np.random.default_rng(seed)
    # Few values: most scores have an equal.
    scores = some.integers(0, 6, (7, 4 + 3 * seed)).astype(np.float32)
    relevant = some.random(scores.shape) < 0.3
    relevant[:, 0] = True
    for k in (1, 3, 5):
        assert ndcg(scores, relevant, k) == pytest.approx(theirs(relevant, scores, k=k))


def test_our_passages_ask_what_can_be_found() -> None:
    pairs = PASSAGES.relevant["text"]
    assert {q for q, _ in pairs} == set(range(len(PASSAGES.queries)))
    assert (len(PASSAGES.queries), len(set(PASSAGES.texts)), len(PASSAGES.texts)) == (12, 20, 20)
    assert len({t for _, t in pairs}) == len(pairs) == 13


def _pooled(queries: Floats, **documents: Floats) -> Outputs:
    groups = {"query": queries, **documents}
    return {f"{what}.pooled": Rows.single(values) for what, values in groups.items()}


def _states(base: Outputs, reference: Outputs, merged: Outputs) -> Mapping[str, Outputs]:
    return {"base": base, "reference": reference, "merged": merged}


ASKED = Inputs(
    texts=("a", "b", "c", "d"),
    queries=("one", "two", "three"),
    pages=("p.png", "q.png"),
    relevant={"text": ((0, 0), (1, 2)), "page": ((2, 1),)},
)
EYE = np.eye(5, dtype=np.float32)
GOOD = _pooled(EYE[[0, 2, 4, 1]], text=EYE[[0, 1, 2, 3, 0]], page=EYE[[3, 4]])
WRONG = _pooled(EYE[[3, 1, 3, 1]], text=EYE[[0, 1, 2, 3, 0]], page=EYE[[3, 4]])


def test_each_group_of_documents_has_its_own() -> None:
    """The fifth text and the fourth query are of tokens that an adapter learned: nobody asked for them."""
    page, text = retrieval(_states(WRONG, GOOD, GOOD), ASKED)
    assert (page.group, page.queries, page.documents) == ("page.pooled", 1, 2)
    assert page.base == pytest.approx(SECOND)
    assert page.reference == page.merged == 1
    assert (text.group, text.queries, text.documents) == ("text.pooled", 2, 4)
    assert (text.reference, text.merged, text.agreement) == (1, 1, 1)
    # Each relevant text is one of three that have a score of zero, at ranks two to four.
    third = (SECOND + 0.5 + 1 / math.log2(5)) / 3
    assert text.base == pytest.approx(third)
    assert page.given
    assert text.given


def test_a_model_that_finds_others_agrees_less() -> None:
    page, text = retrieval(_states(GOOD, GOOD, WRONG), ASKED)
    assert page.merged == pytest.approx(SECOND)
    assert page.agreement == 0
    assert text.merged < text.reference
    assert text.agreement is not None
    assert text.agreement < 1


def test_a_single_document_has_no_rank() -> None:
    one = _pooled(EYE[:1], page=EYE[:1])
    asked = Inputs(texts=(), queries=("one",), pages=("p.png",), relevant={"page": ((0, 0),)})
    (page,) = retrieval(_states(one, one, one), asked)
    assert (page.merged, page.agreement) == (1, None)


def test_what_can_not_be_ranked_is_left_out() -> None:
    wider = _pooled(np.eye(6, dtype=np.float32)[:4], text=np.eye(6, dtype=np.float32)[:5])
    assert retrieval(_states(GOOD, GOOD, wider), ASKED) == ()
    blind = {g: r for g, r in GOOD.items() if not g.startswith("page")}
    assert [r.group for r in retrieval(_states(GOOD, GOOD, blind), ASKED)] == ["text.pooled"]
    logits = {"text.logits": Rows.single(EYE)}
    assert retrieval(_states(logits, logits, logits), ASKED) == ()
    assert retrieval(_states(GOOD, GOOD, GOOD), replace(ASKED, relevant={})) == ()


@pytest.mark.parametrize(
    ("inputs", "groups", "wanted"),
    [
        (Inputs(texts=(), queries=()), ("query.pooled", "text.pooled"), True),
        (Inputs(texts=(), queries=()), ("query.vectors", "text.vectors"), True),
        (Inputs(texts=(), queries=()), ("query.vectors", "page.vectors"), False),
        (Inputs(texts=(), queries=()), ("query.tokens", "text.tokens"), False),
        (Inputs(texts=(), queries=()), ("text.logits",), False),
        (ASKED, ("query.pooled", "text.pooled"), False),
    ],
)
def test_ours_are_asked_where_texts_can_be_found(
    inputs: Inputs, groups: tuple[str, ...], wanted: bool
) -> None:
    assert wants_passages(inputs, {g: Rows.single(EYE) for g in groups}) == wanted


def test_ours_are_read_apart_from_the_proof() -> None:
    texts = {text: n for n, text in enumerate(PASSAGES.texts)}
    eye = np.eye(len(texts), dtype=np.float32)
    answers = dict(PASSAGES.relevant["text"])
    found = _pooled(eye[[answers[q] for q in range(len(PASSAGES.queries))]], text=eye)
    states = {**_states(WRONG, WRONG, WRONG)}
    states |= {f"{RANKED}{s}": found for s in ("base", "reference", "merged")}
    (text,) = retrieval(states, Inputs(texts=("a",), queries=("b",)))
    assert (text.given, text.queries, text.documents, text.agreement) == (False, 12, 20, 1)
    assert text.base == text.merged > 0.95


@pytest.mark.parametrize(
    ("kind", "group"), [("sentence", "text.pooled"), ("sentence-vectors", "text.vectors")]
)
def test_a_good_merge_finds_what_base_and_adapter_find(
    merge_of: MergeOf, kind: str, group: str
) -> None:
    (found,) = ran(merge_of(kind)).retrieval
    assert (found.group, found.given, found.queries, found.documents) == (group, False, 12, 20)
    assert found.agreement == 1
    assert found.merged == pytest.approx(found.reference, abs=1e-6)
    assert 0 < found.merged < 1
    assert found.base != found.reference


@pytest.mark.parametrize("kind", ["causal", "bare", "native-colpali"])
def test_who_finds_no_texts_is_not_asked(merge_of: MergeOf, kind: str) -> None:
    assert ran(merge_of(kind)).retrieval == ()


def test_ones_own_pages_are_looked_for(merge_of: MergeOf, tmp_path: Path) -> None:
    made = merge_of("native-colpali")
    own = _own_pages(tmp_path)
    (found,) = ran(made, own=own).retrieval
    assert (found.group, found.given) == ("page.vectors", True)
    assert (found.queries, found.documents, found.agreement) == (1, 3, 1)
    assert found.merged == pytest.approx(found.reference)


def _own_pages(folder: Path) -> OwnInputs:
    from PIL import Image

    paths = tuple(str(folder / f"{colour}.png") for colour in ("red", "green", "blue"))
    for path in paths:
        Image.new("RGB", (56, 56), Path(path).stem).save(path)
    relevant = {"page": ((1, 2),)}
    return OwnInputs(texts=(), queries=("one", "two"), images=paths, relevant=relevant)


def _shuffled(made: Path, to: Path, weights: str, name: str) -> None:
    """Another order of what a projection reads: outputs keep their shape and their length, more or less."""
    import shutil

    shutil.copytree(made, to)
    tensors = load_file(to / weights)
    columns = np.random.default_rng(0).permutation(tensors[name].shape[1])
    tensors[name] = tensors[name][:, columns].contiguous()
    save_file(tensors, to / weights, metadata={"format": "pt"})


@pytest.mark.parametrize("kind", ["sentence", "sentence-vectors"])
def test_a_shuffled_projection_agrees_less_and_fails_by_its_outputs_alone(
    merge_of: MergeOf, folder: Path, kind: str
) -> None:
    made = merge_of(kind)
    modules = json.loads((made.folder / "modules.json").read_text())
    dense = next(m["path"] for m in modules if m["type"].endswith("Dense"))
    _shuffled(made.folder, folder, f"{dense}/model.safetensors", "linear.weight")
    found = ran(made, folder)
    (told,) = found.retrieval
    assert told.agreement is not None
    assert told.agreement < 0.9
    assert failing(found) == {"E001"}
    assert findings(found) == findings(replace(found, retrieval=()))


def test_a_shuffled_projection_finds_other_pages(
    merge_of: MergeOf, folder: Path, tmp_path: Path
) -> None:
    made = merge_of("native-colpali")
    _shuffled(made.folder, folder, "model.safetensors", "embedding_proj_layer.weight")
    found = ran(made, folder, own=_own_pages(tmp_path))
    assert failing(found) == {"E001"}
    assert findings(found) == findings(replace(found, retrieval=()))
    assert len(found.retrieval) == 1


WORST = Retrieval(
    group="text.pooled",
    given=True,
    queries=2,
    documents=9,
    base=1.0,
    reference=1.0,
    merged=0.0,
    agreement=0.0,
)


def test_nothing_found_is_no_failure(merge_of: MergeOf) -> None:
    found = replace(ran(merge_of("sentence")), retrieval=(WORST,))
    assert failing(found) == set()
