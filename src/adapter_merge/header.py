"""A safetensors header out of a stranger's file: strictly read, in memory that a small multiple of it bounds.

The format: eight bytes of little-endian length, a JSON object of that length, the tensors' bytes.
Source: https://github.com/huggingface/safetensors#format. A JSON parser would build the whole object,
thirty times as large as its text, before a look at it; so each entry is cut out and judged alone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from adapter_merge.checkpoint import BITS, TensorInfo, WeightFile
from adapter_merge.errors import Corrupt

PREFIX = 8
# A LoRA on every expert of the largest models has 140,000 tensors and 21 MB; the format allows 100 MB.
MAX_HEADER = 32_000_000  # bytes
MAX_TENSORS = 250_000
MAX_DIMENSIONS = 64  # of numpy and torch
_MAX_NAME = 512  # bytes
_MAX_ENTRY = 4096  # bytes, for what stands between a tensor's braces
_MAX_METADATA = 10_000  # pairs
_MAX_TEXT = 4_000_000  # bytes of a value of the metadata
_MAX_ELEMENTS = 2**57  # their bits still fit into 64 bits, in which other readers count
_LFS_POINTER = b"version https://git-lfs"

_SPACE = rb"[ \t\r\n]*+"
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_KEY = re.compile(_SPACE + b"(" + _STRING + b")" + _SPACE + b":" + _SPACE, re.DOTALL)
_TEXT = re.compile(_STRING, re.DOTALL)
_FLAT = re.compile(rb"\{[^{}]*+\}")
_NEXT = re.compile(_SPACE + rb"([,}])")
_EMPTY = re.compile(_SPACE + rb"\}")
_SPACES = re.compile(_SPACE)


def header_length(start: bytes, size: int, *, name: str) -> int:
    """Length in bytes of the JSON header, from the first bytes of a file of `size` bytes.

    Raises:
        Corrupt: the file can't be safetensors.
    """
    if start.startswith(_LFS_POINTER):
        raise Corrupt(
            f"`{name}` is a Git LFS pointer, not the weights",
            hint="Run `git lfs pull` in that repository.",
        )
    if size < PREFIX or len(start) < PREFIX:
        raise _corrupt(name, f"it has {size} bytes, too few for a header")
    length = int.from_bytes(start[:PREFIX], "little")
    if length > MAX_HEADER:
        raise _corrupt(name, f"its header claims {length} bytes; at most {MAX_HEADER} are read")
    if PREFIX + length > size:
        raise _corrupt(name, f"its header claims {length} bytes, but the file ends after {size}")
    return length


def parse_header(header: bytes, size: int, *, name: str) -> WeightFile:
    """Validate a header (length prefix and JSON) of a file of `size` bytes.

    Every byte after the header must belong to exactly one tensor, whose dtype and shape must give its
    length.

    Raises:
        Corrupt: anything else.
    """
    try:
        return _Header(header, name).parse(size)
    except UnicodeDecodeError as e:
        raise _corrupt(name, "its header is not UTF-8") from e
    except (ValueError, RecursionError) as e:
        raise _corrupt(name, f"its header is not valid JSON ({e})") from e


class _Header:
    """One header on its way from bytes to tensors."""

    def __init__(self, header: bytes, name: str) -> None:
        self._header = header
        self._name = name
        self._metadata: dict[str, str] | None = None
        self._tensors: list[TensorInfo] = []

    def parse(self, size: int) -> WeightFile:
        if not self._header.startswith(b"{", PREFIX):
            raise _corrupt(self._name, "its header does not begin with `{`")
        end = self._members(PREFIX, self._entry, most=MAX_TENSORS)
        if _SPACES.fullmatch(self._header, end) is None:
            raise ValueError(f"more than spaces behind byte {end}")
        self._tensors.sort(key=lambda t: (t.start, t.stop))
        _check_cover(self._tensors, len(self._header), size, name=self._name)
        return WeightFile(
            name=self._name,
            size=size,
            header=self._header,
            metadata=self._metadata,
            tensors=tuple(self._tensors),
        )

    def _members(self, at: int, value: Callable[[str, int], int], *, most: int) -> int:
        """Walk the object that begins at `at`; `value` gets each key and where its value begins, and gives its end."""
        if (empty := _EMPTY.match(self._header, at + 1)) is not None:
            return empty.end()
        seen: set[str] = set()
        more = b","
        at += 1
        while more == b",":
            key = _KEY.match(self._header, at)
            if key is None:
                raise ValueError(f"no name at byte {at}")
            text = self._key(key[1])
            if text in seen:
                raise ValueError(f"the name `{text}` stands there twice")
            seen.add(text)
            if len(seen) > most:
                raise _corrupt(self._name, f"its header holds more than {most} entries")
            at = value(text, key.end())
            following = _NEXT.match(self._header, at)
            if following is None:
                raise ValueError(f"no end at byte {at}")
            at, more = following.end(), following[1]
        return at

    def _key(self, text: bytes) -> str:
        if len(text) > _MAX_NAME + 2:
            raise _corrupt(
                self._name, f"its header holds a name of {len(text)} bytes; {_MAX_NAME} are read"
            )
        return _text(text)

    def _entry(self, key: str, at: int) -> int:
        if key == "__metadata__":
            return self._all_metadata(at)
        flat = _FLAT.match(self._header, at)
        if flat is None:
            if self._header.find(b"}", at) < 0:
                raise ValueError("it ends too early")
            raise self._incomplete(key)
        if flat.end() - at > _MAX_ENTRY:
            raise _corrupt(
                self._name,
                f"the entry of `{key}` has {flat.end() - at} bytes; no tensor of up to "
                f"{MAX_DIMENSIONS} dimensions needs that many",
            )
        value = json.loads(flat[0].decode(), object_pairs_hook=_checked_pairs, parse_int=_number)
        self._tensors.append(self._tensor(key, value))
        return flat.end()

    def _incomplete(self, key: str) -> Corrupt:
        return _corrupt(
            self._name, f"the entry of `{key}` needs exactly dtype, shape and data_offsets"
        )

    def _all_metadata(self, at: int) -> int:
        if self._header.startswith(b"null", at):
            return at + 4
        if not self._header.startswith(b"{", at):
            raise self._no_metadata()
        found = self._metadata = {}

        def value(key: str, at: int) -> int:
            text = _TEXT.match(self._header, at)
            if text is None:
                raise self._no_metadata()
            if len(text[0]) > _MAX_TEXT:
                raise _corrupt(
                    self._name, f"`{key}` in its `__metadata__` has {len(text[0])} bytes"
                )
            found[key] = _text(text[0])
            return text.end()

        return self._members(at, value, most=_MAX_METADATA)

    def _no_metadata(self) -> Corrupt:
        return _corrupt(self._name, "its `__metadata__` does not map strings to strings")

    def _tensor(self, key: str, value: dict[str, Any]) -> TensorInfo:
        if set(value) != {"dtype", "shape", "data_offsets"}:
            raise self._incomplete(key)
        dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
        if not isinstance(dtype, str) or dtype not in BITS:
            raise _corrupt(self._name, f"`{key}` has the unknown dtype {dtype!r}")
        if isinstance(shape, list) and len(shape) > MAX_DIMENSIONS:
            raise _corrupt(
                self._name,
                f"`{key}` has {len(shape)} dimensions; a tensor has at most {MAX_DIMENSIONS}",
            )
        if not _are_sizes(shape) or math.prod(max(n, 1) for n in shape) >= _MAX_ELEMENTS:
            raise _corrupt(self._name, f"`{key}` has the impossible shape {shape!r}")
        if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
            raise _corrupt(self._name, f"`{key}` has the impossible offsets {offsets!r}")
        count, bits = offsets[1] - offsets[0], math.prod(shape) * BITS[dtype]
        if bits != count * 8:
            raise _corrupt(
                self._name, f"`{key}` has {count} bytes, but {dtype} {shape} needs {bits / 8:g}"
            )
        start, stop = (len(self._header) + offset for offset in offsets)
        return TensorInfo(name=key, dtype=dtype, shape=tuple(shape), start=start, stop=stop)


def _text(literal: bytes) -> str:
    text = json.loads(literal.decode())
    assert isinstance(text, str)  # noqa: S101 - it begins with a quote
    text.encode()  # JSON can spell half a surrogate pair, which is no text: a ValueError
    return text


def _checked_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        message = "a name stands there twice"
        raise ValueError(message)
    for text in (part for pair in pairs for part in pair if isinstance(part, str)):
        text.encode()  # JSON can spell half a surrogate pair, which is no text: a ValueError
    return result


def _number(digits: str) -> int | float:
    """An integer; `-0` is none, as in the reference implementation."""
    return -0.0 if digits == "-0" else int(digits)


def _are_sizes(value: object) -> bool:
    return isinstance(value, list) and all(
        type(v) is int and 0 <= v < 2**63
        for v in value  # `True` is an int, and no size
    )


def _check_cover(tensors: list[TensorInfo], start: int, size: int, *, name: str) -> None:
    at = start
    for tensor in tensors:
        if tensor.start < at:
            raise _corrupt(name, f"`{tensor.name}` overlaps the tensor before it")
        if tensor.start > at:
            raise _corrupt(
                name, f"{tensor.start - at} bytes before `{tensor.name}` belong to no tensor"
            )
        at = tensor.stop
    if at != size:
        kind = "ends too early" if at > size else "has bytes that belong to no tensor"
        raise _corrupt(name, f"it {kind}: the tensors end at byte {at}, the file at {size}")


def _corrupt(name: str, what: str) -> Corrupt:
    return Corrupt(
        f"`{name}` is not a valid safetensors file: {what}",
        hint="Download or save it again; a half-finished download looks like this.",
    )
