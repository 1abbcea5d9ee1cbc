"""An output file that several workers write, with a digest that follows its finished prefix."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from adapter_merge.plan import ShardPlan
from adapter_merge.receipt import FileRecord
from adapter_merge.weights import allocate, read_span, write_error, write_span

_READ_BACK = 1 << 20
_BEHIND = (
    256 << 20
)  # bytes: further behind, writers wait, so that what is read back is still cached


class OutputFile:
    """A weight file being written; close it with `with`, ask for its record when all is finished."""

    def __init__(self, path: Path, shard: ShardPlan) -> None:
        self.name = shard.name
        self.size = shard.size
        self._hasher = hashlib.sha256()
        self._hashed = 0
        self._hashing = Lock()
        self._finished: dict[int, int] = {}  # start -> stop of runs beyond the prefix
        self._prefix = 0
        self._marking = Lock()
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError as e:
            raise write_error(e, name=self.name) from e
        try:
            allocate(self.fd, self.size, name=self.name)
            write_span(self.fd, memoryview(shard.header), 0, name=self.name)
        except BaseException:
            os.close(self.fd)
            raise
        self.finish(0, len(shard.header))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.fd)

    def finish(self, start: int, stop: int) -> None:
        """Mark a run of bytes as written; the digest follows when nobody else is at it."""
        with self._marking:
            self._finished[start] = stop
            while self._prefix in self._finished:
                self._prefix = self._finished.pop(self._prefix)
            behind = self._prefix - self._hashed > _BEHIND
        if self._hashing.acquire(blocking=behind):
            try:
                self._follow()
            finally:
                self._hashing.release()

    def _follow(self) -> None:
        buffer = memoryview(bytearray(min(_READ_BACK, self.size)))
        while self._hashed < self._prefix:
            part = buffer[: min(len(buffer), self._prefix - self._hashed)]
            read_span(self.fd, part, self._hashed, name=self.name)
            self._hasher.update(part)
            self._hashed += len(part)

    def record(self) -> FileRecord:
        """Size and sha256 of the finished file."""
        with self._hashing:
            self._follow()
        assert self._hashed == self.size  # noqa: S101 - chunks cover every byte
        return FileRecord(size=self.size, sha256=self._hasher.hexdigest())
