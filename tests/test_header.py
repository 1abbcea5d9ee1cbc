"""safetensors headers: what is read, what is refused, and how much memory a hostile one may take."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, TensorSpec, deserialize, serialize

from adapter_merge.checkpoint import BITS, WeightFile
from adapter_merge.errors import Corrupt, NotFound
from adapter_merge.header import MAX_DIMENSIONS, MAX_HEADER, header_length, parse_header
from adapter_merge.weights import encode_header, read_header
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
        pytest.param((MAX_HEADER + 1).to_bytes(8, "little"), "are read", id="over the cap"),
        pytest.param((99).to_bytes(8, "little") + b"{}", "ends after 10", id="truncated header"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", id="LFS pointer"),
        pytest.param(pack(b""), "does not begin with `{`", id="no header"),
        pytest.param(pack([]), "does not begin with `{`", id="a list"),
        pytest.param(pack(b" {}"), "does not begin with `{`", id="a space before it"),
        pytest.param(pack(b'{"\xff": 1}'), "not UTF-8", id="not UTF-8"),
        pytest.param(pack(b'{"t":'), "not valid JSON", id="half a JSON"),
        pytest.param(pack(b"{} {}"), "not valid JSON", id="two objects"),
        pytest.param(pack(b'{"a":' * 100_000), "not valid JSON", id="nested without end"),
        pytest.param(pack({"t": {"a": {"a": 1}}}), "needs exactly", id="an entry that nests"),
        pytest.param(pack(b'{"\\ud800": {}}'), "not valid JSON", id="half a surrogate pair"),
        pytest.param(
            pack(b'{"__metadata__": null, "__metadata__": null}'),
            "stands there twice",
            id="a name twice",
        ),
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
_REPLACEMENTS = st.sampled_from(
    [
        b'"', b"{", b"}", b"0", b"-", b"9", b"\\", b"\xff", b"F64", b"", b"NaN", b"\\ud800", b"\xed\xa0\x80",
        b"[" * 20_000, b"9" * 5000, b"1," * 20_000, b"9223372036854775807," * 2000, b'"a":{},' * 100, b" " * 10_000,
    ]
)  # fmt: skip


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


@settings(deadline=None)
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


@settings(deadline=None)
@given(_good_files())
def test_good_files_are_accepted(content: bytes) -> None:
    assert parse(content).size == len(content)


def test_the_reference_can_tell() -> None:
    """The property above would prove nothing with a reference that takes everything."""
    with pytest.raises(SafetensorError):
        deserialize(_two(4, 12))


def _many(text: str, size: int = 1_000_000) -> bytes:
    """A text with a number in it, as often as it fits into `size` bytes, with commas between."""
    return ",".join(text % n for n in range(size // (len(text % 0) + 7))).encode()


_DIMENSIONS = b'{"t":{"dtype":"F32","shape":[%b],"data_offsets":[0,4]}}'
_LARGE = 2**63 - 1
HOSTILE = {
    "ones": (_DIMENSIONS % b",".join([b"1"] * 500_000), "no tensor of up to 64 dimensions"),
    "large sizes": (_DIMENSIONS % b",".join([b"%d" % _LARGE] * 50_000), "no tensor of up to 64"),
    "65 sizes": (
        _DIMENSIONS % b",".join([b"1"] * 65),
        "has 65 dimensions; a tensor has at most 64",
    ),
    "a number without end": (b'{"t":' + b"9" * 1_000_000 + b"}", "needs exactly"),
    "a size without end": (_DIMENSIONS % (b"9" * 4000), "impossible shape"),
    "lists": (b'{"t":[' + b"[]," * 300_000 + b"1]}", "needs exactly"),
    "nested lists": (b'{"t":{"dtype":' + b"[" * 3000 + b"]" * 3000 + b"}}", "bytes"),
    "fields": (b'{"t":{' + _many('"%d":1') + b"}}", "no tensor of up to 64"),
    "metadata": (b'{"__metadata__":{' + _many('"%d":""') + b"}}", "more than 10000 entries"),
    "a name": (b'{"' + b"a" * 1_000_000 + b'":1}', "a name of 1000002 bytes"),
    "quotes": (b'{"' + b'\\"' * 500_000 + b'":1}', "a name of 1000002 bytes"),
    "no end": (b'{"' + b"a" * 1_000_000, "no name at byte 9"),
    "spaces": (b"{" + b" " * 1_000_000, "no name at byte 9"),
    "NaN": (_DIMENSIONS % b"NaN", "impossible shape"),
    "a key twice": (
        b'{"t":{"dtype":"F32","dtype":"F32","shape":[],"data_offsets":[0,4]}}',
        "twice",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_header_is_refused_in_the_memory_of_its_text(kind: str) -> None:
    text, why = HOSTILE[kind]
    content = pack(text)
    tracemalloc.start()
    try:
        with pytest.raises(Corrupt, match=why) as caught:
            parse(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(content) + 100_000
    assert len(caught.value.message) < 10_000


_BOUND = """
import resource, sys
from pathlib import Path
from adapter_merge.errors import Corrupt
from adapter_merge.weights import read_header

taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 200_000_000,) * 2)
try:
    print(len(read_header(Path(sys.argv[1]), name="w").metadata), "pairs")
except Corrupt as e:
    print(e.message)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc here")
@pytest.mark.parametrize("kind", ["tensors", "wide metadata"])
def test_the_largest_header_is_read_in_200_mb(tmp_path: Path, kind: str) -> None:
    tensors = _many('"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}', MAX_HEADER - 9)
    wide = ",".join(f'"{n}":"{"a" * 3_999_990}😀"' for n in range(7)).encode()
    text, said = {
        "tensors": (b"{%b}" % tensors, "more than 250000 entries"),
        "wide metadata": (b'{"__metadata__":{%b}}' % wide, "7 pairs"),
    }[kind]
    (tmp_path / "w").write_bytes(pack(text))
    done = subprocess.run(
        [sys.executable, "-c", _BOUND, tmp_path / "w"], capture_output=True, text=True, check=True
    )
    assert said in done.stdout


def test_as_many_dimensions_as_numpy_has() -> None:
    content = pack({"t": entry("F32", [1] * MAX_DIMENSIONS, 0, 4)}, bytes(4))
    assert parse(content).tensors[0].shape == (1,) * 64
