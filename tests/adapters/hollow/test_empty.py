"""Models without weights: true shapes, no memory, no trace."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from adapter_merge.adapters.hollow.empty import hollow_like, hollow_model, is_hollow, quiet
from tests.contract.makers import llama


def test_a_model_without_weights_has_the_real_shapes() -> None:
    model, real = hollow_model(llama), llama()
    shapes = {n: t.shape for n, t in model.state_dict().items()}
    assert shapes == {n: t.shape for n, t in real.state_dict().items()}
    stored = {p.untyped_storage().nbytes() for p in model.parameters()}
    assert stored == {4}
    assert all(is_hollow(p) for p in model.parameters())
    assert not any(is_hollow(p) for p in real.parameters())
    assert not model.training


def test_what_a_class_ties_stays_one() -> None:
    model: Any = hollow_model(partial(llama, tie_word_embeddings=True))
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_whole_numbers_keep_their_dtype() -> None:
    assert hollow_like(torch.ones(3, dtype=torch.int64)).dtype is torch.int64
    assert hollow_like(torch.ones(3, dtype=torch.bfloat16)).dtype is torch.float32


def test_nothing_is_left_behind() -> None:
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import OfflineModeIsEnabled

    torch.manual_seed(3)
    expected, before = torch.rand(1), constants.HF_HUB_OFFLINE
    torch.manual_seed(3)
    with quiet():
        torch.rand(5)
        assert constants.HF_HUB_OFFLINE is before
        with pytest.raises(OfflineModeIsEnabled):
            HfApi(endpoint="http://127.0.0.1:1").model_info("org/name")
    assert torch.equal(torch.rand(1), expected)
