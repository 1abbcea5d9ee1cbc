"""The demo's own judgement; that it runs is what `make demo` shows."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from adapter_merge.cli.demo import Distance, distance, judge, judge_chain
from adapter_merge.cli.minilm import Encoded
from adapter_merge.errors import CheckFailed

SAME = Distance(largest=1e-7, cosine=1.0)
MOVED = Distance(largest=0.1, cosine=0.6)


def test_a_merge_that_equals_and_moved_is_fine() -> None:
    judge(SAME, MOVED)


@pytest.mark.parametrize(
    ("same", "moved", "message"),
    [(MOVED, MOVED, "differs from base"), (SAME, SAME, "as the base does")],
)
def test_a_merge_that_differs_or_did_not_move_fails(
    same: Distance, moved: Distance, message: str
) -> None:
    with pytest.raises(CheckFailed, match=message):
        judge(same, moved)


def test_not_a_number_is_no_equality() -> None:
    with pytest.raises(CheckFailed):
        judge(Distance(largest=math.nan, cosine=math.nan), MOVED)


def test_distance_is_the_worst_of_all_sentences() -> None:
    one = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    other = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert distance(one, other) == Distance(largest=1.0, cosine=0.0)


CHAIN = Encoded(
    embeddings=torch.eye(2),
    modules=("Transformer", "Pooling", "Normalize"),
    prompts={"query": "q: "},
)


def test_a_chain_that_is_kept_is_fine() -> None:
    judge_chain(CHAIN, replace(CHAIN, embeddings=torch.ones(2, 2)))


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        (replace(CHAIN, modules=("Transformer", "Pooling")), "runs Transformer, Pooling instead"),
        (replace(CHAIN, prompts={}), "prompts"),
    ],
)
def test_a_lost_module_or_prompt_fails(lost: Encoded, message: str) -> None:
    with pytest.raises(CheckFailed, match=message):
        judge_chain(lost, CHAIN)
