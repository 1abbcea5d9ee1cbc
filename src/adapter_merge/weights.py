"""safetensors as bytes: a strict reader of headers, a writer of headers, and spans of files.

The format: eight bytes of little-endian length, a JSON object of that length, the tensors' bytes.
Source: https://github.com/huggingface/safetensors#format. Nothing here imports torch.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from adapter_merge.checkpoint import BITS, TensorInfo, WeightFile
from adapter_merge.errors import Corrupt, DiskFull, MergeError, NotFound, ShortRead

PREFIX = 8
MAX_HEADER = 100_000_000  # bytes of JSON; the cap of the reference implementation
_LFS_POINTER = b"version https://git-lfs"
_ALIGNMENT = 8
_MAX_ELEMENTS = 2**57  # their bits still fit into 64 bits, in which other readers count
_NO_SPACE = 28  # errno.ENOSPC
_FILE_TOO_LARGE = 27  # errno.EFBIG, what RLIMIT_FSIZE gives


def read_header(path: Path, *, name: str) -> WeightFile:
    """Read and validate the header of a safetensors file on disk; `name` is what messages call it.

    Raises:
        NotFound: there is no such file.
        Corrupt: it is not a safetensors file, or its header doesn't describe its bytes.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            prefix = file.read(PREFIX)
            length = header_length(prefix + file.read(32), size, name=name)
            file.seek(0)
            return parse_header(file.read(PREFIX + length), size, name=name)
    except FileNotFoundError as e:
        raise NotFound(f"`{name}` is missing", hint="Complete the folder, or fix its index.") from e
    except OSError as e:
        raise NotFound(
            f"`{name}` can't be read: {e.strerror}", hint="Check the file and its rights."
        ) from e


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
        raise _corrupt(name, f"its header claims {length} bytes; the format allows {MAX_HEADER}")
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
    entries = _parse_json(header[PREFIX:], name=name)
    metadata = _metadata(entries.pop("__metadata__", None), name=name)
    tensors = [_tensor(key, value, len(header), name=name) for key, value in entries.items()]
    tensors.sort(key=lambda t: (t.start, t.stop))
    _check_cover(tensors, len(header), size, name=name)
    return WeightFile(
        name=name, size=size, header=header, metadata=metadata, tensors=tuple(tensors)
    )


def _parse_json(text: bytes, *, name: str) -> dict[str, Any]:
    if not text.startswith(b"{"):
        raise _corrupt(name, "its header does not begin with `{`")
    try:
        value = json.loads(
            text.decode("utf-8"), object_pairs_hook=_checked_pairs, parse_int=_number
        )
    except UnicodeDecodeError as e:
        raise _corrupt(name, "its header is not UTF-8") from e
    except (ValueError, RecursionError) as e:
        raise _corrupt(name, f"its header is not valid JSON ({e})") from e
    if not isinstance(value, dict):
        raise _corrupt(name, "its header is not a JSON object")
    return value


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


def _metadata(value: object, *, name: str) -> Mapping[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise _corrupt(name, "its `__metadata__` does not map strings to strings")
    return value


def _tensor(key: str, value: object, data_start: int, *, name: str) -> TensorInfo:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise _corrupt(name, f"the entry of `{key}` needs exactly dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise _corrupt(name, f"`{key}` has the unknown dtype {dtype!r}")
    if not _are_sizes(shape) or math.prod(max(n, 1) for n in shape) >= _MAX_ELEMENTS:
        raise _corrupt(name, f"`{key}` has the impossible shape {shape!r}")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _corrupt(name, f"`{key}` has the impossible offsets {offsets!r}")
    bits = math.prod(shape) * BITS[dtype]
    if bits != (offsets[1] - offsets[0]) * 8:
        raise _corrupt(
            name,
            f"`{key}` has {offsets[1] - offsets[0]} bytes, but {dtype} {shape} needs {bits / 8:g}",
        )
    return TensorInfo(
        name=key,
        dtype=dtype,
        shape=tuple(shape),
        start=data_start + offsets[0],
        stop=data_start + offsets[1],
    )


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


def encode_header(
    tensors: Iterable[tuple[str, str, tuple[int, ...]]], metadata: Mapping[str, str] | None
) -> tuple[bytes, tuple[TensorInfo, ...]]:
    """Make a header for tensors (name, dtype, shape) that will stand in this order.

    Returns the file's first bytes, padded with spaces so that the first tensor is aligned to eight
    bytes, and the tensors with their byte ranges.
    """
    entries: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata is not None else {}
    placed: list[TensorInfo] = []
    at = 0
    for name, dtype, shape in tensors:
        stop = at + math.prod(shape) * BITS[dtype] // 8
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, stop]}
        placed.append(TensorInfo(name=name, dtype=dtype, shape=shape, start=at, stop=stop))
        at = stop
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    shift = PREFIX + len(text)
    moved = tuple(
        TensorInfo(
            name=t.name, dtype=t.dtype, shape=t.shape, start=t.start + shift, stop=t.stop + shift
        )
        for t in placed
    )
    return len(text).to_bytes(PREFIX, "little") + text, moved


def read_span(fd: int, buffer: memoryview, offset: int, *, name: str) -> None:
    """Fill `buffer` from the file at `offset`.

    Raises:
        ShortRead: the file ends before.
    """
    done = 0
    while done < len(buffer):
        try:
            got = os.preadv(fd, [buffer[done:]], offset + done)
        except OSError as e:
            raise ShortRead(f"`{name}` can't be read: {e.strerror}", hint="Check the disk.") from e
        if got == 0:
            raise ShortRead(
                f"`{name}` ended at byte {offset + done}, before what its header promised",
                hint="The file changed while it was read; run again when nobody writes to it.",
            )
        done += got


def write_span(fd: int, buffer: memoryview, offset: int, *, name: str) -> None:
    """Write `buffer` to the file at `offset`.

    Raises:
        DiskFull: no room is left.
        MergeError: the system refuses for another reason.
    """
    done = 0
    while done < len(buffer):
        try:
            done += os.pwrite(fd, buffer[done:], offset + done)
        except OSError as e:
            raise write_error(e, name=name) from e


def copy_span(
    source: int, target: int, count: int, source_offset: int, target_offset: int, *, name: str
) -> None:
    """Copy `count` bytes between files, inside the kernel where it can.

    Raises:
        ShortRead: the source ends before.
        DiskFull: no room is left.
    """
    done = 0
    while done < count:
        got = _kernel_copy(source, target, count - done, source_offset + done, target_offset + done)
        if got == 0:
            buffer = memoryview(bytearray(min(count - done, 8 << 20)))
            read_span(source, buffer, source_offset + done, name=name)
            write_span(target, buffer, target_offset + done, name=name)
            got = len(buffer)
        done += got


def _kernel_copy(source: int, target: int, count: int, source_at: int, target_at: int) -> int:
    """Bytes that `copy_file_range` moved; 0 where it can't, or where an error will show on writing."""
    if not hasattr(os, "copy_file_range"):
        return 0
    try:
        return os.copy_file_range(source, target, count, source_at, target_at)
    except OSError:
        return 0


def allocate(fd: int, size: int, *, name: str) -> None:
    """Reserve `size` bytes for a file: writing into allocated blocks is many times faster.

    Raises:
        DiskFull: there is no room for them.
    """
    if size == 0:
        return
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, 0, size)
        else:
            os.ftruncate(fd, size)
    except OSError as e:
        raise write_error(e, name=name) from e


def write_error(error: OSError, *, name: str) -> MergeError:
    """Our error for a write that the system refused."""
    if error.errno in {_NO_SPACE, _FILE_TOO_LARGE}:
        return DiskFull(
            f"`{name}` can't be written: {error.strerror}",
            hint="Free some space, or put the target on another disk with `--to`.",
        )
    return MergeError(
        f"`{name}` can't be written: {error.strerror}",
        hint="Check the target folder and its rights.",
    )
