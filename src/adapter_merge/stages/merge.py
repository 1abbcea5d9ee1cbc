"""Merge: walk the plan and stream bytes; memory is a few chunks, whatever the model's size.

A pool of workers takes chunks in the order of their bytes. Untouched spans are copied inside the
kernel; edited rows are read into a buffer, computed in blocks that stay in the processor's cache, and
written in place. The digest of a file follows its finished prefix, read back from the page cache.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Lock

from adapter_merge.adapters.hollow import open_layers
from adapter_merge.errors import OutOfMemory, ShortRead
from adapter_merge.folder import record
from adapter_merge.plan import Layers, Plan, SideFile
from adapter_merge.receipt import FileRecord
from adapter_merge.report import Merged
from adapter_merge.sources import Sources
from adapter_merge.streaming import (
    AdapterReader,
    Chunk,
    OutputFile,
    Prepared,
    Worker,
    chunks,
    map_large_blocks,
    open_source,
)
from adapter_merge.weights import allocate, copy_span, write_error, write_span


def merge(
    plan: Plan,
    sources: Sources,
    folder: Path,
    *,
    workers: int,
    device: str,
    advance: Callable[[int], None],
) -> Merged:
    """Fill `folder` with every file of the plan.

    `device` is what `streaming.prepare` gave. `advance` is called from several threads with the bytes of weights that were written since.

    Raises:
        AdapterKind: PEFT's layers for an adapter don't fit adapter and base.
        NotFinite: a NaN, an infinity or an overflow in an adapter tensor or an edited block.
        ShortRead: a source was changed, or ended before its header's promise.
        OutOfMemory: the machine, or the GPU, has too little memory.
        DiskFull, MergeError: the system refuses a write.
    """
    files = {f.path: _write_side(f, folder) for f in plan.side_files}
    with ExitStack() as stack:
        stack.enter_context(_enough_memory(device))
        outputs = {s.name: stack.enter_context(OutputFile(folder / s.name, s)) for s in plan.shards}
        reader = stack.enter_context(AdapterReader.open(sources, device))
        base = stack.enter_context(_open_base(sources))
        prepared = Prepared(reader=reader, layers=_layers(plan, sources, reader))
        _run(
            _Queue(chunks(plan), outputs, advance),
            [Worker(base, prepared, device) for _ in range(workers)],
        )
        files |= {name: output.record() for name, output in outputs.items()}
    return Merged(folder=folder, files=dict(sorted(files.items())))


@contextmanager
def _enough_memory(device: str) -> Iterator[None]:
    import torch

    try:
        yield
    except (MemoryError, torch.cuda.OutOfMemoryError) as e:
        other = "" if device == "cpu" else ", or merge with `--device cpu`"
        raise OutOfMemory(
            f"there is too little memory on `{device}` for this merge: {str(e).partition(chr(10))[0] or 'MemoryError'}",
            hint=f"Give it fewer threads with `--workers 1`{other}.",
        ) from e


def _layers(plan: Plan, sources: Sources, reader: AdapterReader) -> Layers:
    """Built here and not by a worker, whose part of the heap would keep the holes that building leaves."""
    if any(edit.layers for edit in plan.edits):
        map_large_blocks()
    return open_layers(plan, sources, reader.load)


@contextmanager
def _open_base(sources: Sources) -> Iterator[Mapping[str, int]]:
    """Every weight file of the base; it must be the one that was planned, at the begin and at the end."""
    fds: dict[str, int] = {}
    try:
        for file in sources.base.checkpoint.files:
            fds[file.name] = open_source(sources.base.pinned.root / file.name)
        _check_unchanged(fds, sources)
        yield fds
        _check_unchanged(fds, sources)
    finally:
        for fd in fds.values():
            os.close(fd)


def _check_unchanged(fds: Mapping[str, int], sources: Sources) -> None:
    for name, fd in fds.items():
        state, digest = os.fstat(fd), sources.base.files[name].digest or ""
        kept = digest.endswith(f":{state.st_size}:{state.st_mtime_ns}")
        if digest.startswith("header:") and not kept:
            raise ShortRead(
                f"`{name}` of the base was changed while the merge ran",
                hint="Run again when nobody writes to the base.",
            )


class _Queue:
    """Chunks for the workers, until the last one or the first failure."""

    def __init__(
        self,
        source: Iterator[Chunk],
        outputs: Mapping[str, OutputFile],
        advance: Callable[[int], None],
    ) -> None:
        self._source = source
        self._outputs = outputs
        self._advance = advance
        self._lock = Lock()
        self.stopped = Event()

    def work(self, worker: Worker) -> None:
        """One thread's share."""
        import torch

        torch.set_num_threads(1)  # for this thread: products must round as PEFT's on one thread
        while not self.stopped.is_set():
            with self._lock:
                chunk = next(self._source, None)
            if chunk is None:
                return
            worker.handle(chunk, self._outputs[chunk.shard])
            self._advance(chunk.stop - chunk.start)


def _run(queue: _Queue, workers: list[Worker]) -> None:
    import torch

    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(len(workers), thread_name_prefix="merge") as pool:
            try:
                for done in as_completed([pool.submit(queue.work, w) for w in workers]):
                    done.result()
            finally:
                queue.stopped.set()
    finally:
        torch.set_num_threads(threads)


def _write_side(side: SideFile, folder: Path) -> FileRecord:
    """Copy or write one side file; its digest is that of what stands on the disk."""
    path = folder / side.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as e:
        raise write_error(e, name=side.path) from e
    try:
        if side.source is not None:
            _copy(side.source, target, side)
        write_span(target, memoryview(side.content or b""), 0, name=side.path)
    finally:
        os.close(target)
    return record(path)


def _copy(source: Path, target: int, side: SideFile) -> None:
    fd = open_source(source)
    try:
        allocate(target, side.size, name=side.path)
        begun = len(side.content or b"")
        copy_span(fd, target, side.size - begun, side.skip, begun, name=side.path)
    finally:
        os.close(fd)
