"""safetensors as bytes: headers read from disk, headers written, and spans of files.

Nothing here imports torch.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from adapter_merge.checkpoint import BITS, TensorInfo, WeightFile
from adapter_merge.errors import DiskFull, MergeError, NotFound, ShortRead
from adapter_merge.header import PREFIX, header_length, parse_header

_ALIGNMENT = 8
# No space on the disk, in the quota, or for so large a file (RLIMIT_FSIZE).
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


def read_header(path: Path, *, name: str) -> WeightFile:
    """Read and validate the header of a safetensors file on disk; `name` is what messages call it.

    Raises:
        NotFound: there is no such file.
        Corrupt: it is not a safetensors file, or its header doesn't describe its bytes.
    """
    if path.exists() and not path.is_file():
        raise NotFound(
            f"`{name}` can't be read: it is a folder, a pipe or a device",
            hint="Put the weights themselves there.",
        )
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
    if error.errno in _NO_LOCKS:
        return MergeError(
            f"`{name}` can't be locked or written: {error.strerror}; its file system lacks what a merge needs there",
            hint="Put the target on a local disk with `--to`, and copy the result.",
        )
    if error.errno in _FULL:
        return DiskFull(
            f"`{name}` can't be written: {error.strerror}",
            hint="Free some space, or put the target on another disk with `--to`.",
        )
    return MergeError(
        f"`{name}` can't be written: {error.strerror}",
        hint="Check the target folder and its rights.",
    )
