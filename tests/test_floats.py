"""Decoding, rounding and testing of bits, against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adapter_merge.floats import (
    FORMATS,
    decode,
    encode,
    half_ulp,
    has_nonfinite,
    rounded,
    same_bits,
)

TORCH = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}
SPECIAL = [0.0, -0.0, 1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-11, 65504.0, 65520.0, 3.39e38, 3.4e38]
SPECIAL += [1e-8, 6e-8, 2**-24, 2**-25, 3 * 2**-26, 1e-40, 2.0**-133, 2.0**-134, float("inf")]


def values() -> np.ndarray:
    some = np.random.default_rng(0).standard_normal(4096)
    return np.concatenate([SPECIAL, -np.array(SPECIAL), some, some * 1e-5, some * 1e4])


def by_torch(array: np.ndarray, dtype: str) -> torch.Tensor:
    return torch.from_numpy(array).to(TORCH[dtype])


def raw(tensor: torch.Tensor) -> np.ndarray:
    return tensor.view(torch.uint8).numpy()


@pytest.mark.parametrize("dtype", FORMATS)
def test_encode_rounds_as_torch_does(dtype: str) -> None:
    bits = encode(values(), dtype)
    assert np.array_equal(bits.view(np.uint8), raw(by_torch(values(), dtype)))


@pytest.mark.parametrize("dtype", FORMATS)
def test_decode_is_exact(dtype: str) -> None:
    tensor = by_torch(values(), dtype)
    assert np.array_equal(decode(raw(tensor), dtype), tensor.double().numpy())


@pytest.mark.parametrize("dtype", FORMATS)
def test_half_ulp_is_reached_and_never_passed(dtype: str) -> None:
    some = values()
    some = some[np.abs(some) < 6e4]
    error = np.abs(rounded(some, dtype) - some) / half_ulp(some, dtype)
    # On the way over float32 a value may be moved onto a tie and then to the wrong side of it.
    assert error.max() <= 1 + 2**-12
    if dtype != "F64":
        assert error.max() > 0.99


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_one_bad_value_is_seen(dtype: str, bad: float) -> None:
    tensor = torch.full((1001,), torch.finfo(TORCH[dtype]).min, dtype=TORCH[dtype])
    assert not has_nonfinite(raw(tensor), dtype)
    tensor[-1] = bad
    assert has_nonfinite(raw(tensor), dtype)


def test_nothing_is_finite() -> None:
    assert not has_nonfinite(np.empty(0, np.uint8), "BF16")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (0x3F80, 0x3F80, True),
        (0x7FC0, 0x7FFF, True),
        (0x7FC0, 0xFFC1, True),
        (0x7FC0, 0x7F80, False),
        (0x7F80, 0xFF80, False),
        (0x0000, 0x8000, False),
    ],
)
def test_same_bits_knows_nan_from_infinity(one: int, other: int, same: bool) -> None:
    arrays = [np.array([0x4000, bits], np.uint16) for bits in (one, other)]
    assert same_bits(arrays[0], arrays[1], "BF16") is same
