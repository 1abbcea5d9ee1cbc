"""safetensors as bytes: how headers are written and how spans move."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapter_merge.errors import DiskFull, MergeError, ShortRead
from adapter_merge.weights import (
    copy_span,
    encode_header,
    read_span,
    write_error,
    write_span,
)

BLOCK = bytes(range(256)) * 64


@contextmanager
def opened(*paths: Path) -> Iterator[list[int]]:
    fds = [os.open(p, os.O_RDWR | os.O_CREAT) for p in paths]
    try:
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


@pytest.fixture(params=["one file system", "two file systems"])
def two_files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A source of 16 KiB and a target; across file systems the kernel may refuse to copy by itself."""
    (tmp_path / "source").write_bytes(BLOCK)
    if request.param == "one file system":
        yield tmp_path / "source", tmp_path / "target"
        return
    memory = Path("/dev/shm")  # noqa: S108 - a real second file system
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir=memory) as other:
        yield tmp_path / "source", Path(other, "target")


@pytest.mark.parametrize(("start", "count", "to"), [(0, len(BLOCK), 0), (7, 9000, 5), (3, 0, 0)])
def test_copies_a_span(two_files: tuple[Path, Path], start: int, count: int, to: int) -> None:
    with opened(*two_files) as (source, target):
        copy_span(source, target, count, start, to, name="w")
    assert two_files[1].read_bytes() == bytes(to if count else 0) + BLOCK[start : start + count]


def test_a_source_that_ends_early_is_a_short_read(two_files: tuple[Path, Path]) -> None:
    with opened(*two_files) as (source, target):
        with pytest.raises(ShortRead, match=f"`w` ended at byte {len(BLOCK)}"):
            copy_span(source, target, 100, len(BLOCK) - 99, 0, name="w")
        with pytest.raises(ShortRead, match="`w` ended"):
            read_span(source, memoryview(bytearray(100)), len(BLOCK) - 99, name="w")


def test_reads_and_writes_a_span(tmp_path: Path) -> None:
    buffer = memoryview(bytearray(100))
    with opened(tmp_path / "w") as (fd,):
        write_span(fd, memoryview(BLOCK), 10, name="w")
        read_span(fd, buffer, 1010, name="w")
    assert bytes(buffer) == BLOCK[1000:1100]


def test_a_refused_write_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(BLOCK)
    fd = os.open(tmp_path / "w", os.O_RDONLY)
    try:
        with pytest.raises(MergeError, match="`w` can't be written") as caught:
            write_span(fd, memoryview(b"x"), 0, name="w")
        assert type(caught.value) is MergeError
        with pytest.raises(MergeError, match="`w` can't be written"):
            copy_span(fd, fd, 1, 0, 0, name="w")
    finally:
        os.close(fd)


_LIMITED = """
import os, resource, sys, tempfile
from adapter_merge.errors import DiskFull
from adapter_merge.weights import allocate, copy_span, write_span

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
try:
    {call}
except DiskFull as e:
    print(e.message)
"""


@pytest.mark.parametrize(
    "call",
    [
        "allocate(fd, 2000, name='w')",
        "write_span(fd, memoryview(bytes(2000)), 0, name='w')",
        "copy_span(os.open(sys.executable, os.O_RDONLY), fd, 2000, 0, 0, name='w')",
    ],
)
def test_no_room_is_a_full_disk(tmp_path: Path, call: str) -> None:
    script = _LIMITED.format(call=call)
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "w"], capture_output=True, text=True, check=True
    )
    assert "`w` can't be written" in done.stdout


def test_headers_are_json_of_the_smallest_size() -> None:
    header, _ = encode_header([("t", "F32", (2,))], None)
    text = header[8:].rstrip()
    assert text == json.dumps(json.loads(text), separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("number", "kind", "hint"),
    [
        (errno.ENOSPC, DiskFull, "Free some space"),
        (errno.EDQUOT, DiskFull, "Free some space"),
        (errno.EFBIG, DiskFull, "Free some space"),
        (errno.ENOLCK, MergeError, "local disk"),
        (errno.ENOSYS, MergeError, "local disk"),
        (errno.EACCES, MergeError, "its rights"),
    ],
)
def test_what_the_system_refuses_is_told_by_its_cause(
    number: int, kind: type[MergeError], hint: str
) -> None:
    error = write_error(OSError(number, os.strerror(number)), name="out")
    assert type(error) is kind
    assert hint in error.hint
