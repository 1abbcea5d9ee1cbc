"""The floating-point dtypes of safetensors as numpy sees their bytes: decode, round, one half ulp.

numpy has no bfloat16, so everything goes through unsigned integers. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Raw: TypeAlias = npt.NDArray[np.uint8]
Bits: TypeAlias = npt.NDArray[Any]
Array: TypeAlias = npt.NDArray[np.float64]

_EXPONENT_OF_F64 = np.uint64(0x7FF0 << 48)
_BF16_NAN = np.uint32(0x7FC0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One dtype.

    Attributes:
        bits: the unsigned integer of the same width.
        exponent: mask of the exponent; all ones there is an infinity or a NaN.
        precision: significand bits, the hidden one included.
        lowest: exponent of the smallest number above zero (2**lowest).
    """

    bits: npt.DTypeLike
    exponent: int
    precision: int
    lowest: int

    @property
    def eps(self) -> float:
        """Distance from 1.0 to the next number."""
        return float(2.0 ** (1 - self.precision))


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "F16": Format(bits=np.uint16, exponent=0x7C00, precision=11, lowest=-24),
        "BF16": Format(bits=np.uint16, exponent=0x7F80, precision=8, lowest=-133),
        "F32": Format(bits=np.uint32, exponent=0x7F80_0000, precision=24, lowest=-149),
        "F64": Format(bits=np.uint64, exponent=0x7FF0 << 48, precision=53, lowest=-1074),
    }
)


def decode(raw: Raw, dtype: str) -> Array:
    """The values of `raw` as float64, exactly; one dimension."""
    match dtype:
        case "BF16":
            wide = raw.view(np.uint16).astype(np.uint32)
            wide <<= 16
            return wide.view(np.float32).astype(np.float64)
        case "F16":
            return raw.view(np.float16).astype(np.float64)
        case "F32":
            return raw.view(np.float32).astype(np.float64)
        case _:
            return raw.view(np.float64)


def encode(values: Array, dtype: str) -> Bits:
    """Round to `dtype`, to nearest even, and give the bits.

    The way to 16 bits leads over float32, as it does in torch.
    """
    if dtype == "F64":
        return values.view(np.uint64)
    with np.errstate(over="ignore", invalid="ignore"):  # too large becomes an infinity
        single = values.astype(np.float32)
        if dtype == "F32":
            return single.view(np.uint32)
        if dtype == "F16":
            return single.astype(np.float16).view(np.uint16)
    bits = single.view(np.uint32)
    rounded = bits >> 16
    rounded &= 1
    rounded += 0x7FFF
    rounded += bits
    rounded >>= 16
    nan = np.isnan(single)
    if nan.any():
        rounded[nan] = _BF16_NAN
    return rounded.astype(np.uint16)


def rounded(values: Array, dtype: str) -> Array:
    """`values` rounded to `dtype`, as float64 in the same shape."""
    return decode(encode(values, dtype).reshape(-1).view(np.uint8), dtype).reshape(values.shape)


def half_ulp(values: Array, dtype: str) -> Array:
    """Half the distance between neighbours of `dtype` around each value: the error of one rounding.

    Never 0, so that it can be divided by.
    """
    form = FORMATS[dtype]
    power = (values.view(np.uint64) & _EXPONENT_OF_F64).view(np.float64)
    power *= 2.0**-form.precision
    least = 2.0 ** max(form.lowest - 1, FORMATS["F64"].lowest)
    return np.maximum(power, least, out=power)


def has_nonfinite(raw: Raw, dtype: str) -> bool:
    """Whether a NaN or an infinity is among the values."""
    form = FORMATS[dtype]
    bits = raw.view(form.bits)
    if bits.size == 0:
        return False
    return int((bits & bits.dtype.type(form.exponent)).max()) == form.exponent


def same_bits(one: Bits, other: Bits, dtype: str) -> bool:
    """Whether two arrays of bits hold the same values; any NaN equals any other."""
    differ = one != other
    if not differ.any():
        return True
    form = FORMATS[dtype]
    sign_off = one.dtype.type(2 ** (one.dtype.itemsize * 8 - 1) - 1)
    nan = ((one & sign_off) > form.exponent) & ((other & sign_off) > form.exponent)
    return not (differ & ~nan).any()
