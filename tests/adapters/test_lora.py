"""What an adapter's file may hold, and how its factors fit a weight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapter_merge.adapters.contribution import Contribution
from adapter_merge.adapters.lora import Lora
from adapter_merge.adapters.steps import BiasDelta, ConvLowRank, LowRank
from adapter_merge.checkpoint import TensorInfo
from adapter_merge.errors import (
    AdapterKind,
    AdapterMergeError,
    Ambiguous,
    Corrupt,
    ShapeMismatch,
    Unclaimed,
)
from adapter_merge.request import AdapterRef, RepoRef
from adapter_merge.stages.resolve import resolve_adapter, resolve_base
from tests.build import PREFIX, Tensors, write_adapter, write_base

M = "h.0.c_proj"


def tensors(**shapes: tuple[int, ...]) -> Tensors:
    """Tensors by the end of their names, `__` standing for a dot."""
    names = {f"{PREFIX}{M}.{end.replace('__', '.')}": shape for end, shape in shapes.items()}
    return {n: np.ones(s, np.float32) for n, s in names.items()}


def read(
    root: Path,
    held: Tensors,
    *,
    base: dict[str, Any] | None = None,
    weight: float = 1.0,
    **config: object,
) -> tuple[Contribution, ...]:
    """The contributions of an adapter with these tensors, for a base with this `config.json`."""
    ref = f"{write_adapter(root / 'adapter', held, **config)}={weight}"
    adapter = resolve_adapter(AdapterRef.model_validate(ref))
    model = resolve_base(RepoRef.model_validate(str(write_base(root / "base", **(base or {})))))
    return Lora().read(adapter, 0, model)


def weight(*shape: int) -> TensorInfo:
    return TensorInfo(name=f"{M}.weight", dtype="F32", shape=shape, start=0, stop=0)


LINEAR = tensors(lora_A__weight=(4, 8), lora_B__weight=(24, 4))
SQUARE = tensors(lora_A__weight=(4, 8), lora_B__weight=(8, 4))
EMBEDDING = tensors(lora_embedding_A=(4, 24), lora_embedding_B=(8, 4))
CONV = tensors(lora_A__weight=(4, 3, 2, 2), lora_B__weight=(24, 4, 1, 1))
GPT2, LLAMA, NONE = {"model_type": "gpt2"}, {"model_type": "llama"}, {"model_type": None}


@pytest.mark.parametrize(
    ("held", "base", "shape", "transposed"),
    [
        (LINEAR, LLAMA, (24, 8), False),
        (LINEAR, GPT2, (8, 24), True),
        (LINEAR, {"decoder": {"model_type": "gpt2"}}, (8, 24), True),
        (SQUARE, LLAMA, (8, 8), False),
        (SQUARE, GPT2, (8, 8), True),
        (SQUARE, {"decoder": {"model_type": "gpt2"}}, (8, 8), True),
        (SQUARE, NONE, (8, 8), False),
        (EMBEDDING, LLAMA, (24, 8), True),
    ],
    ids=str,
)
def test_the_form_follows_from_shapes_and_class(
    tmp_path: Path, held: Tensors, base: dict[str, Any], shape: tuple[int, ...], transposed: bool
) -> None:
    (contribution,) = read(tmp_path, held, base=base)
    assert contribution.need.fits(weight(*shape))
    step = contribution.make(weight(*shape))
    assert isinstance(step, LowRank)
    assert (step.transposed, step.scale) == (transposed, 2.0)


def test_a_convolution(tmp_path: Path) -> None:
    (contribution,) = read(tmp_path, CONV)
    assert isinstance(contribution.make(weight(24, 3, 2, 2)), ConvLowRank)


@pytest.mark.parametrize(
    ("held", "shape"),
    [
        (LINEAR, (8, 24)),
        (LINEAR, (24, 9)),
        (LINEAR, (24,)),
        (LINEAR, (24, 8, 1, 1)),
        (EMBEDDING, (8, 24)),
        (CONV, (24, 3, 2, 3)),
        (CONV, (24, 12)),
    ],
)
def test_what_does_not_fit(tmp_path: Path, held: Tensors, shape: tuple[int, ...]) -> None:
    (contribution,) = read(tmp_path, held)
    assert not contribution.need.fits(weight(*shape))


def test_factors_of_a_linear_layer_do_not_fit_conv1d(tmp_path: Path) -> None:
    (contribution,) = read(tmp_path, LINEAR, base=GPT2)
    assert not contribution.need.fits(weight(24, 8))


@pytest.mark.parametrize(
    ("lengths", "transposed"),
    [({"c_attn": 24}, True), ({"c_fc2": 24}, False), ({"c_attn": 8}, False), ({}, False)],
)
def test_biases_tell_conv1d_of_a_class_outside_transformers(
    tmp_path: Path, lengths: dict[str, int], transposed: bool
) -> None:
    held = {n: np.ones((8, 24), np.float32) for n in ("h.0.c_attn.weight", "h.0.c_fc2.weight")}
    biases = {f"h.0.{n}.bias": np.ones(length, np.float32) for n, length in lengths.items()}
    base = write_base(tmp_path / "other", {**held, **biases}, model_type="jais")
    adapter = resolve_adapter(
        AdapterRef.model_validate(str(write_adapter(tmp_path / "adapter", SQUARE)))
    )
    model = resolve_base(RepoRef.model_validate(str(base)))
    (contribution,) = Lora().read(adapter, 0, model)
    step = contribution.make(weight(8, 8))
    assert isinstance(step, LowRank)
    assert step.transposed is transposed


def test_a_square_weight_of_a_class_that_nobody_knows(tmp_path: Path) -> None:
    (contribution,) = read(tmp_path, SQUARE, base=NONE, fan_in_fan_out=True)
    with pytest.raises(Ambiguous, match="model_type"):
        contribution.make(weight(8, 8))


@pytest.mark.parametrize(
    ("held", "error", "part"),
    [
        (tensors(lora_A__weight=(4, 8)), Unclaimed, "half a pair"),
        (tensors(lora_A__weight=(4, 8), lora_embedding_B=(8, 4)), Unclaimed, "half a pair"),
        (tensors(lora_B__bias=(8,)), Unclaimed, "half a pair"),
        (tensors(lora_A__default__weight=(4, 8)), Unclaimed, "no name that PEFT saves"),
        ({"h.0.lora_A.weight": np.ones((4, 8), np.float32)}, Unclaimed, "no name that PEFT saves"),
        (LINEAR | tensors(token_adapter__trainable_tokens_delta=(1, 8)), Corrupt, "which tokens"),
        (LINEAR | tensors(token_adapter__something=(1, 8)), Unclaimed, "token_adapter"),
        (LINEAR | tensors(bias=(24,), base_layer__bias=(24,)), Unclaimed, "twice"),
        (LINEAR | tensors(original_module__bias=(24,)), Unclaimed, "but no"),
        (tensors(lora_A__weight=(8, 8), lora_B__weight=(24, 4)), AdapterKind, "MergedLinear"),
        (tensors(lora_A__weight=(4, 3, 2, 2), lora_B__weight=(24, 2, 1, 1)), AdapterKind, "groups"),
        (tensors(lora_A__weight=(6, 8), lora_B__weight=(24, 6)), ShapeMismatch, "rank 4"),
        (tensors(lora_A__weight=(4, 8), lora_B__weight=(24, 0)), ShapeMismatch, "rank 4"),
        (tensors(lora_A__weight=(4,), lora_B__weight=(24, 4)), ShapeMismatch, "rank 4"),
        ({n: t.astype(np.int32) for n, t in LINEAR.items()}, AdapterKind, "I32"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_lora(
    tmp_path: Path, held: Tensors, error: type[AdapterMergeError], part: str
) -> None:
    with pytest.raises(error) as caught:
        read(tmp_path, held)
    assert part in caught.value.message


def test_a_spare_copy_needs_its_original(tmp_path: Path) -> None:
    # `bias: all` saves the biases of a saved module three times.
    copies = tensors(modules_to_save__bias=(8,), original_module__bias=(8,))
    with pytest.raises(Unclaimed, match=rf"but no `{M}\.bias`"):
        read(tmp_path / "lone", LINEAR | copies)
    found = read(tmp_path, LINEAR | copies | tensors(bias=(8,)), modules_to_save=["c_proj"])
    assert sum(len(c.make(weight(24, 8)).uses) for c in found) == 5


@pytest.mark.parametrize(
    ("config", "adapter_weight", "scale"),
    [
        ({}, 1.0, 2.0),
        ({}, -0.5, -1.0),
        ({"lora_alpha": 3}, 1.0, 0.75),
        ({"use_rslora": True}, 1.0, 4.0),
        ({"alpha_pattern": {"c_proj": 2}}, 3.0, 1.5),
    ],
    ids=str,
)
def test_the_scale_of_a_weight_and_its_bias(
    tmp_path: Path, config: dict[str, Any], adapter_weight: float, scale: float
) -> None:
    held = LINEAR | tensors(lora_B__bias=(24,))
    found = read(tmp_path, held, weight=adapter_weight, **config)
    steps = [c.make(weight(24, 8)) for c in found]
    assert [type(s) for s in steps] == [LowRank, BiasDelta]
    assert [s.scale for s in steps if isinstance(s, LowRank | BiasDelta)] == [scale, scale]


def test_the_scale_is_multiplied_first_and_divided_last(tmp_path: Path) -> None:
    held = tensors(lora_A__weight=(3, 8), lora_B__weight=(24, 3))
    (found,) = read(tmp_path, held, weight=0.1, r=3, lora_alpha=3)
    step = found.make(weight(24, 8))
    assert isinstance(step, LowRank)
    assert step.scale == 0.1 * 3 / 3 != 0.1 * (3 / 3)


def test_a_bias_of_another_length_does_not_fit(tmp_path: Path) -> None:
    _, bias = read(tmp_path, LINEAR | tensors(lora_B__bias=(24,)))
    assert (bias.need.fits(weight(24)), bias.need.fits(weight(8))) == (True, False)


def test_each_tensor_is_used_once(tmp_path: Path) -> None:
    held = (
        LINEAR
        | tensors(lora_B__bias=(24,), base_layer__bias=(24,))
        | {f"{PREFIX}norm.weight": np.ones(8, np.float32)}
    )
    contributions = read(tmp_path, held, bias="all")
    steps = [c.make(weight(24, 8)) for c in contributions]
    assert sorted(t.name for s in steps for t in s.uses) == sorted(held)
    assert {c.need.name for c in contributions} == {f"{M}.weight", f"{M}.bias", "norm.weight"}
