"""The digest that follows: whatever the order in which a file is finished, and by however many."""

from __future__ import annotations

import hashlib
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapter_merge.checkpoint import TensorInfo
from adapter_merge.errors import MergeError
from adapter_merge.plan import PlannedTensor, ShardPlan
from adapter_merge.streaming import OutputFile

HEADER = b"\x08\0\0\0\0\0\0\0{}      "


def shard(size: int) -> ShardPlan:
    info = TensorInfo(name="t", dtype="U8", shape=(size,), start=16, stop=16 + size)
    return ShardPlan(
        name="model.safetensors",
        header=HEADER,
        tensors=(PlannedTensor(info=info, base=None, edit=None),),
    )


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("seed", range(4))
def test_the_digest_is_the_file_s(tmp_path: Path, threads: int, seed: int) -> None:
    content = random.Random(seed).randbytes(3_000_001)  # noqa: S311
    path = tmp_path / "model.safetensors"
    spans = [(a, min(a + 70_001, len(content))) for a in range(0, len(content), 70_001)]
    random.Random(seed).shuffle(spans)  # noqa: S311
    with OutputFile(path, shard(len(content))) as output:

        def write(span: tuple[int, int]) -> None:
            os.pwrite(output.fd, content[span[0] : span[1]], 16 + span[0])
            output.finish(16 + span[0], 16 + span[1])

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(write, spans))
        record = output.record()
    assert path.read_bytes() == HEADER + content
    assert (record.size, record.sha256) == (
        len(content) + 16,
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def test_a_file_without_tensors(tmp_path: Path) -> None:
    with OutputFile(tmp_path / "f", ShardPlan(name="f", header=HEADER, tensors=())) as output:
        assert output.record().sha256 == hashlib.sha256(HEADER).hexdigest()


def test_an_unfinished_file_has_no_record(tmp_path: Path) -> None:
    with OutputFile(tmp_path / "f", shard(10)) as output, pytest.raises(AssertionError):
        output.record()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("mine")
    with pytest.raises(MergeError, match="exists"):
        OutputFile(tmp_path / "f", shard(10))
    assert (tmp_path / "f").read_text() == "mine"
