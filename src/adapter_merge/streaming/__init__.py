"""How the bytes of a plan flow: chunks, the workers that compute them, and files with a digest."""

from __future__ import annotations

from adapter_merge.streaming.adapter_tensors import AdapterReader, open_source
from adapter_merge.streaming.allocator import map_large_blocks
from adapter_merge.streaming.chunks import Chunk, chunks
from adapter_merge.streaming.device import prepare
from adapter_merge.streaming.memory import peak_bytes
from adapter_merge.streaming.output import OutputFile
from adapter_merge.streaming.worker import Prepared, Worker

__all__ = [
    "AdapterReader",
    "Chunk",
    "OutputFile",
    "Prepared",
    "Worker",
    "chunks",
    "map_large_blocks",
    "open_source",
    "peak_bytes",
    "prepare",
]
