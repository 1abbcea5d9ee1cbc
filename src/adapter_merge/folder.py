"""A model repository on disk: its files, its JSON, its weights by name, its receipt."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from pydantic import ValidationError

from adapter_merge.checkpoint import Checkpoint, Index, WeightFile
from adapter_merge.errors import Corrupt, Layout, NotFound, NotSafetensors, RequestError
from adapter_merge.readme import README, Readme
from adapter_merge.receipt import RECEIPT_NAME, FileRecord, Receipt
from adapter_merge.weights import read_header

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
MOST_BYTES = 64_000_000  # of a small file; the largest `tokenizer.json` has half of that
_MOST_CONFIG = 4_000_000  # of a config: what it may hold takes thirty times as much memory
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_LONGEST_NAME = 255  # bytes, of file systems
_CHUNK = 4 << 20
_HALF_PAIR = re.compile(
    rb"\\u[dD][89a-fA-F]"
)  # half of what JSON spells a character beyond U+FFFF with


def list_files(root: Path) -> Mapping[str, int]:
    """Every file below `root`: path with `/` -> bytes. Hidden folders and links that leave it are left out.

    Raises:
        NotFound: there is no such folder, or a part of it can't be read.
        Corrupt: a file's name is not UTF-8.
        RequestError: it is a file.
    """
    with _reading(root):
        if root.is_file():
            raise RequestError(
                f"`{root}` is a file, not a folder", hint="Name the folder that holds it."
            )
        if not root.is_dir():
            raise NotFound(
                f"there is no folder `{root}`",
                hint="Check the path; a folder starts with `.`, `/` or `~`.",
            )
        return _listed(root)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise NotFound(
            f"`{e.filename or path}` can't be read: {e.strerror}",
            hint="Check the folder and its rights.",
        ) from e


def _listed(root: Path) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for parent, folders, names in os.walk(root, onerror=_raise):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and _stays_inside(path, root):
                found[_as_text(path.relative_to(root))] = path.stat().st_size
    return found


def _as_text(path: Path) -> str:
    """A path as receipts and reports can spell it."""
    text = path.as_posix()
    if not text.isascii() and os.fsencode(text).decode(errors="replace") != text:
        shown = os.fsencode(text).decode(errors="backslashreplace")
        raise Corrupt(f"the file name `{shown}` is not UTF-8", hint="Give the file another name.")
    return text


def _raise(error: OSError) -> NoReturn:
    raise error


def all_files(root: Path) -> Mapping[str, int]:
    """Everything below `root` but its folders, hidden files and every link too: path with `/` -> bytes.

    For a target: what its receipt doesn't list isn't ours to remove.
    """
    paths = [
        Path(parent, name)
        for parent, folders, names in os.walk(root)
        for name in (*names, *(f for f in folders if Path(parent, f).is_symlink()))
    ]
    return {p.relative_to(root).as_posix(): p.lstat().st_size for p in paths}


def _stays_inside(path: Path, root: Path) -> bool:
    if not path.is_symlink():
        return True
    real, home = path.resolve(), root.resolve()
    # A snapshot of the Hub's cache is a folder of links into `blobs` beside `snapshots`.
    snapshots = [p for p in home.parents if p.name == "snapshots"]
    return any(real.is_relative_to(p) for p in (home, *(s.parent / "blobs" for s in snapshots)))


def read_bytes(root: Path, path: str, *, most: int = MOST_BYTES) -> bytes:
    """The content of a small file.

    Raises:
        NotFound: it is missing, or can't be read.
        Corrupt: it has more bytes than `most`.
    """
    try:
        with (root / path).open("rb") as file:
            content = file.read(most + 1)
    except OSError as e:
        raise NotFound(
            f"`{path}` can't be read in `{root}`: {e.strerror}",
            hint="Check the folder and its rights.",
        ) from e
    if len(content) > most:
        raise Corrupt(
            f"`{path}` in `{root}` has more than the {most // 10**6} MB that are read of such a file",
            hint="It is no file that a model is saved with; take it away, or save it again.",
        )
    return content


def read_json(root: Path, path: str) -> dict[str, Any]:
    """A file that holds one JSON object.

    Raises:
        NotFound: it is missing.
        Corrupt: it holds something else, or is too large.
    """
    is_config = path in {ADAPTER_CONFIG, "config.json"}
    content = read_bytes(root, path, most=_MOST_CONFIG if is_config else MOST_BYTES)
    if content.startswith(b"version https://git-lfs"):
        raise Corrupt(
            f"`{path}` is a Git LFS pointer", hint="Run `git lfs pull` in that repository."
        )
    value = parse_json(content, name=f"`{path}` in `{root}`")
    if not isinstance(value, dict):
        raise Corrupt(f"`{path}` in `{root}` is not a JSON object", hint="Save it again.")
    return value


def parse_json(content: bytes, *, name: str) -> Any:
    """Any JSON value.

    Raises:
        Corrupt: it isn't JSON, nests without end, or holds half a surrogate pair, which is no text.
    """
    try:
        value = json.loads(content)
        if _HALF_PAIR.search(content) is not None:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as e:
        raise Corrupt(f"{name} is not valid JSON: {e}", hint="Save it again.") from e
    return value


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal.

    Raises:
        NotFound: it is missing, or can't be read.
    """
    digest = hashlib.sha256()
    with _reading(path), path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def record(path: Path) -> FileRecord:
    """Size and sha256 of a file."""
    return FileRecord(size=path.stat().st_size, sha256=sha256(path))


def open_checkpoint(root: Path) -> Checkpoint:
    """The headers of a model's weights: the shards that its index names, or its single file.

    Raises:
        NotFound: there are no weights, or a file of them is missing or a link that leaves the folder.
        NotSafetensors: the weights are pickles.
        Layout: an index and a `model.safetensors` that it doesn't name: loaders disagree.
        Corrupt: a header or the index is wrong.
    """
    names = list_files(root)
    top = {n for n in names if "/" not in n}
    if INDEX in top:
        return _sharded(root, INDEX, top)
    if SINGLE in top or (root / SINGLE).is_symlink():
        shadowed = _others(top, {SINGLE})
        return Checkpoint(files=(_header(root, SINGLE),), index=None, shadowed=shadowed)
    raise _no_weights(root, top)


def open_adapter(root: Path) -> Checkpoint:
    """The header of an adapter's weights.

    Raises:
        NotFound: there are none.
        NotSafetensors: they are a pickle.
        Corrupt: the header is wrong.
    """
    if not (root / ADAPTER_WEIGHTS).exists() and (root / "adapter_model.bin").exists():
        raise NotSafetensors(
            f"`adapter_model.bin` in `{root}` is a pickle, which can run code when it is read",
            hint="Load and save the adapter with a current PEFT to get `adapter_model.safetensors`.",
        )
    return Checkpoint(files=(_header(root, ADAPTER_WEIGHTS),), index=None)


def _header(root: Path, name: str) -> WeightFile:
    """The header of a weight file that lies in the folder: only such a file is part of its digests."""
    if not _stays_inside(root / name, root):
        raise NotFound(
            f"`{name}` in `{root}` is a link that leaves the folder",
            hint="Copy the file into the folder, with `cp --dereference`.",
        )
    return read_header(root / name, name=name)


def _sharded(root: Path, index_name: str, top: set[str]) -> Checkpoint:
    content = read_json(root, index_name)
    shard_of = _weight_map(content, index_name)
    shards = sorted(set(shard_of.values()))
    if SINGLE in top and SINGLE not in shards:
        raise Layout(
            f"`{root}` holds `{SINGLE}` and an index that doesn't name it: loaders disagree on which counts",
            hint="Move one of the two weight sets away.",
        )
    files = tuple(_header(root, s) for s in shards)
    _check_index(files, shard_of, index_name)
    return Checkpoint(
        files=files,
        index=Index(name=index_name, content=content),
        shadowed=_others(top, set(shards)),
    )


def _weight_map(content: Mapping[str, Any], name: str) -> Mapping[str, str]:
    weight_map = content.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise Corrupt(f"`{name}` has no `weight_map`", hint="Save the model again.")
    for shard in weight_map.values():
        if not isinstance(shard, str) or not _is_plain(shard):
            raise Corrupt(
                f"`{name}` names the file {repr(shard)[:200]}",
                hint="A shard lies in the index's folder.",
            )
    return weight_map


def _is_plain(name: str) -> bool:
    plain = PurePosixPath(name).name == name and name.isprintable() and "\\" not in name
    return plain and name not in {"", ".", ".."} and len(name.encode()) <= _LONGEST_NAME


def _check_index(
    files: tuple[WeightFile, ...], shard_of: Mapping[str, str], index_name: str
) -> None:
    seen: dict[str, str] = {}
    for file in files:
        for tensor in file.tensors:
            if tensor.name in seen:
                raise Corrupt(
                    f"`{tensor.name}` stands in `{seen[tensor.name]}` and in `{file.name}`",
                    hint="Save the model again, so that each tensor stands once.",
                )
            seen[tensor.name] = file.name
    wrong = sorted(n for n in seen.keys() | shard_of.keys() if seen.get(n) != shard_of.get(n))
    if wrong:
        where = seen.get(wrong[0], "no shard")
        raise Corrupt(
            f"`{index_name}` puts `{wrong[0]}` in `{shard_of.get(wrong[0])}`, but it stands in `{where}`"
            f" ({len(wrong)} tensors in all)",
            hint="Save the model again: index and shards must agree.",
        )


def _others(top: set[str], used: set[str]) -> tuple[str, ...]:
    """Weight files beside the ones that count."""
    others = {n for n in top if PurePosixPath(n).suffix == ".safetensors"}
    others |= {n for n in top if any(PurePosixPath(n).match(p) for p in _PICKLES)}
    return tuple(
        sorted(n for n in others - used if not n.startswith(("adapter_", "training_args")))
    )


def _no_weights(root: Path, top: set[str]) -> Exception:
    pickles = sorted(n for n in top if any(PurePosixPath(n).match(p) for p in _PICKLES))
    if pickles:
        return NotSafetensors(
            f"the weights in `{root}` are pickles (`{pickles[0]}`), which can run code when they are read",
            hint="Save the model as safetensors, or take a revision that has them.",
        )
    found = sorted(n for n in top if n.endswith(".safetensors"))
    more = f"; `{found[0]}` is there, but no loader reads that name" if found else ""
    return NotFound(
        f"`{root}` has no `{SINGLE}` and no `{INDEX}`{more}",
        hint="Name the folder of a saved model; a base is more than a config.",
    )


def read_readme(root: Path) -> Readme | None:
    """The card of a repository; None where it has none.

    Raises:
        NotFound: it is there, and can't be read.
    """
    path = root / README
    if not path.exists() and not path.is_symlink():
        return None
    return Readme.parse(read_bytes(root, README).decode(errors="replace"))


def read_receipt(root: Path) -> Receipt | None:
    """The receipt of a folder that this program made; None where there is no valid one."""
    path = root / RECEIPT_NAME
    if not path.is_file():
        return None
    try:
        return Receipt.model_validate_json(path.read_bytes())
    except (ValidationError, OSError):
        return None
