"""safetensors as bytes: what is read, what is refused, and how spans move."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, TensorSpec, deserialize, serialize

from adapter_merge.checkpoint import BITS, WeightFile
from adapter_merge.errors import Corrupt, MergeError, NotFound, ShortRead
from adapter_merge.weights import (
    MAX_HEADER,
    copy_span,
    encode_header,
    header_length,
    parse_header,
    read_header,
    read_span,
    write_span,
)
from tests.build import entry, pack

# The dtypes that the reference implementation writes, and what it calls them. Source: safetensors 0.8.
_WRITTEN = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F4": "float4_e2m1fn_x2",
}
GOOD = entry("F32", [2], 0, 8)
BLOCK = bytes(range(256)) * 64


def parse(content: bytes) -> WeightFile:
    """What `read_header` does, on bytes in memory."""
    length = header_length(content[:40], len(content), name="w")
    return parse_header(content[: 8 + length], len(content), name="w")


@pytest.mark.parametrize("dtype", _WRITTEN)
def test_reads_what_the_reference_writes(tmp_path: Path, dtype: str) -> None:
    data = np.arange(24 * BITS[dtype] // 8, dtype=np.uint8)
    # `float4_e2m1fn_x2` counts pairs: the file's last dimension is twice as long.
    shape = (2, 3, 2) if dtype == "F4" else (2, 3, 4)
    spec = TensorSpec(
        dtype=_WRITTEN[dtype], shape=shape, data_ptr=data.ctypes.data, data_len=data.nbytes
    )
    (tmp_path / "w").write_bytes(serialize({"t": spec}, metadata={"format": "pt"}))
    found = read_header(tmp_path / "w", name="w")
    (tensor,) = found.tensors
    assert (tensor.name, tensor.dtype, tensor.shape) == ("t", dtype, (2, 3, 4))
    assert (tmp_path / "w").read_bytes()[tensor.start : tensor.stop] == data.tobytes()
    assert (found.metadata, found.size) == ({"format": "pt"}, len(found.header) + data.nbytes)


@pytest.mark.parametrize("dtype", BITS)
def test_every_dtype_has_the_reference_s_size(dtype: str) -> None:
    content = pack({"t": entry(dtype, [8], 0, BITS[dtype])}, bytes(BITS[dtype]))
    assert parse(content).tensors[0].nbytes == BITS[dtype]
    ((_, reference),) = deserialize(content)
    assert reference["dtype"] == dtype


@pytest.mark.parametrize(("shape", "size"), [([], 1), ([0], 0), ([3, 0, 2], 0), ([1, 1], 1)])
def test_scalars_and_empty_tensors(shape: list[int], size: int) -> None:
    found = parse(pack({"t": entry("F32", shape, 0, 4 * size)}, bytes(4 * size)))
    assert (found.tensors[0].shape, found.tensors[0].size) == (tuple(shape), size)


def test_a_file_may_hold_no_tensor() -> None:
    assert parse(pack({})).tensors == ()


def test_tensors_stand_in_the_order_of_their_bytes() -> None:
    empty, last, first = entry("F32", [0], 8, 8), entry("F32", [2], 8, 16), GOOD
    found = parse(pack({"last": last, "empty": empty, "first": first}, bytes(16)))
    assert [t.name for t in found.tensors] == ["first", "empty", "last"]


def _two(start: int, stop: int) -> bytes:
    """Two tensors of two floats in a file of 16 bytes of data; the second lies where it is told."""
    return pack({"t": GOOD, "u": entry("F32", [2], start, stop)}, bytes(16))


def _with(**fields: object) -> bytes:
    return pack({"t": {**GOOD, **fields}}, bytes(8))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "has 0 bytes", id="empty file"),
        pytest.param(b"1234567", "has 7 bytes", id="shorter than a length"),
        pytest.param((10**10).to_bytes(8, "little") + b"{}", "claims 10000000000", id="10 GB"),
        pytest.param(
            (MAX_HEADER + 1).to_bytes(8, "little"), "the format allows", id="over the cap"
        ),
        pytest.param((99).to_bytes(8, "little") + b"{}", "ends after 10", id="truncated header"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", id="LFS pointer"),
        pytest.param(pack(b""), "does not begin with `{`", id="no header"),
        pytest.param(pack([]), "does not begin with `{`", id="a list"),
        pytest.param(pack(b" {}"), "does not begin with `{`", id="a space before it"),
        pytest.param(pack(b'{"\xff": 1}'), "not UTF-8", id="not UTF-8"),
        pytest.param(pack(b'{"t":'), "not valid JSON", id="half a JSON"),
        pytest.param(pack(b"{} {}"), "not valid JSON", id="two objects"),
        pytest.param(pack(b'{"a":' * 100_000), "not valid JSON", id="nested without end"),
        pytest.param(pack(b'{"\\ud800": {}}'), "not valid JSON", id="half a surrogate pair"),
        pytest.param(pack(b'{"t": {}, "t": {}}'), "stands there twice", id="a tensor twice"),
        pytest.param(pack({"__metadata__": {"a": 1}}), "strings to strings", id="metadata: number"),
        pytest.param(pack({"__metadata__": "pt"}), "strings to strings", id="metadata: text"),
        pytest.param(pack({"t": 1}), "needs exactly", id="an entry that is a number"),
        pytest.param(pack({"t": {"dtype": "F32"}}), "needs exactly", id="fields missing"),
        pytest.param(_with(extra=1), "needs exactly", id="a field too many"),
        pytest.param(_with(dtype="F31"), "unknown dtype 'F31'", id="unknown dtype"),
        pytest.param(_with(dtype=["F32"]), "unknown dtype", id="dtype is a list"),
        pytest.param(_with(shape=[-2]), "impossible shape", id="negative size"),
        pytest.param(_with(shape=[2.0]), "impossible shape", id="fractional size"),
        pytest.param(_with(shape=[True, 2]), "impossible shape", id="a size that is a truth value"),
        pytest.param(_with(shape=2), "impossible shape", id="shape is a number"),
        pytest.param(
            pack(b'{"t":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}'),
            "impossible shape",
            id="minus zero",
        ),
        pytest.param(_with(shape=[2**40, 2**40, 0]), "impossible shape", id="product overflows"),
        pytest.param(_with(data_offsets=[0]), "impossible offsets", id="one offset"),
        pytest.param(_with(data_offsets=[8, 0]), "impossible offsets", id="ends before it begins"),
        pytest.param(_with(data_offsets=[-8, 0]), "impossible offsets", id="before the data"),
        pytest.param(_with(shape=[3]), "8 bytes, but F32 [3] needs 12", id="shape against offsets"),
        pytest.param(_with(dtype="F4", shape=[15]), "needs 7.5", id="half a byte"),
        pytest.param(_with(dtype="F6_E2M3", shape=[2]), "needs 1.5", id="six bits twice"),
        pytest.param(_two(4, 12), "`u` overlaps", id="overlap"),
        pytest.param(_two(0, 8), "overlaps", id="the same bytes twice"),
        pytest.param(_two(16, 24), "8 bytes before `u`", id="hole"),
        pytest.param(pack({"t": GOOD}, bytes(7)), "ends too early", id="truncated data"),
        pytest.param(pack({"t": GOOD}, bytes(9)), "belong to no tensor", id="bytes at the end"),
        pytest.param(pack({}, b"x"), "belong to no tensor", id="bytes without a tensor"),
    ],
)
def test_refuses(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(Corrupt) as caught:
        read_header(tmp_path / "w", name="model.safetensors")
    assert why in caught.value.message
    assert "`model.safetensors`" in caught.value.message
    assert caught.value.hint


def test_a_header_that_claims_10_gb_is_not_read_from_a_file_that_has_them(tmp_path: Path) -> None:
    with (tmp_path / "w").open("wb") as file:
        file.write((10**10).to_bytes(8, "little") + b"{")
        file.truncate(11 * 10**9)  # a sparse file: it takes one block
    with pytest.raises(Corrupt, match="claims 10000000000 bytes"):
        read_header(tmp_path / "w", name="w")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is missing"):
        read_header(tmp_path / "w", name="w")
    with pytest.raises(NotFound, match="can't be read"):
        read_header(tmp_path, name="w")


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt", "ü": "\n"}])
def test_the_reference_reads_our_headers(metadata: dict[str, str] | None) -> None:
    tensors = [("b", "BF16", (3,)), ("ä", "F32", ()), ("c", "F4", (2, 2)), ("none", "I8", (0, 4))]
    header, placed = encode_header(tensors, metadata)
    content = header + bytes(placed[-1].stop - len(header))
    found = dict(deserialize(content))
    assert {n: (t["dtype"], tuple(t["shape"])) for n, t in found.items()} == {
        name: (dtype, shape) for name, dtype, shape in tensors
    }
    assert parse(content).tensors == placed
    assert parse(content).metadata == metadata
    assert placed[0].start % 8 == 0


_SIZES = st.lists(st.integers(0, 5), max_size=3)
_ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from([*BITS, "F31"]),
        "shape": _SIZES,
        "data_offsets": st.lists(st.integers(-1, 40), min_size=2, max_size=2),
    }
)
_HEADERS = st.dictionaries(st.text(max_size=3), _ENTRIES | st.none(), max_size=3)
_REPLACEMENTS = st.sampled_from([b'"', b"{", b"}", b"0", b"-", b"9", b"\\", b"\xff", b"F64", b""])


@st.composite
def _good_files(draw: st.DrawFn) -> bytes:
    dtypes = st.sampled_from(sorted(d for d in BITS if BITS[d] % 8 == 0))
    tensors = draw(
        st.lists(
            st.tuples(st.text(max_size=4), dtypes, _SIZES.map(tuple)), unique_by=lambda t: t[0]
        )
    )
    named = [t for t in tensors if t[0] != "__metadata__"]
    header, placed = encode_header(named, draw(st.none() | st.just({"format": "pt"})))
    return header + bytes((placed[-1].stop if placed else len(header)) - len(header))


@st.composite
def _damaged_files(draw: st.DrawFn) -> bytes:
    content = bytearray(draw(_good_files()))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.integers(0, 3))] = draw(_REPLACEMENTS)
    return bytes(content)


@settings(max_examples=300, deadline=None)
@given(_damaged_files() | st.builds(pack, _HEADERS, st.binary(max_size=40)) | st.binary())
def test_what_is_accepted_the_reference_accepts_too(content: bytes) -> None:
    try:
        found = parse(content)
    except Corrupt:
        return
    reference = {
        n: (t["dtype"], tuple(t["shape"]), bytes(t["data"])) for n, t in deserialize(content)
    }
    ours = {t.name: (t.dtype, t.shape, content[t.start : t.stop]) for t in found.tensors}
    assert ours == reference


@settings(max_examples=100, deadline=None)
@given(_good_files())
def test_good_files_are_accepted(content: bytes) -> None:
    assert parse(content).size == len(content)


def test_the_reference_can_tell() -> None:
    """The property above would prove nothing with a reference that takes everything."""
    with pytest.raises(SafetensorError):
        deserialize(_two(4, 12))


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
