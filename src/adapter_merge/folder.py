"""A model repository on disk: its files, its JSON, its receipt."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from adapter_merge.errors import Corrupt, NotFound, RequestError
from adapter_merge.readme import README, Readme
from adapter_merge.receipt import RECEIPT_NAME, FileRecord, Receipt

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_PICKLE = "adapter_model.bin"
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
MOST_BYTES = 64_000_000  # of a small file; the largest `tokenizer.json` has half of that
_MOST_CONFIG = 4_000_000  # of a config: what it may hold takes thirty times as much memory
_CHUNK = 4 << 20
# What file managers, file systems, huggingface_hub (`.cache/huggingface`) and this program put into a folder.
_INCIDENTAL = frozenset(
    {".DS_Store", "Thumbs.db", "desktop.ini", "lost+found", ".cache", ".adapter-merge"}
)
_INCIDENTAL_STARTS = (".nfs", "._")
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
            if path.is_file() and stays_inside(path, root):
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
    """Everything below `root` but its folders, and every link too: path with `/` -> bytes.

    For a target: what its receipt doesn't list isn't ours to remove. Files that the system or a file manager makes
    are left out, and the work folder of a mount point.
    """
    paths: list[Path] = []
    for parent, folders, names in os.walk(root):
        folders[:] = [f for f in folders if not _is_incidental(f)]
        links = (f for f in folders if Path(parent, f).is_symlink())
        paths += [Path(parent, n) for n in (*names, *links) if not _is_incidental(n)]
    return {p.relative_to(root).as_posix(): p.lstat().st_size for p in paths}


def _is_incidental(name: str) -> bool:
    return name in _INCIDENTAL or name.startswith(_INCIDENTAL_STARTS)


def stays_inside(path: Path, root: Path) -> bool:
    """Whether a path below `root` is no link out of it; a snapshot of the Hub's cache may link to its blobs."""
    if not path.is_symlink():
        return True
    real, home = path.resolve(), root.resolve()
    # A snapshot of the Hub's cache is a folder of links into `blobs` beside `snapshots`, or into those
    # that all repositories of the cache share.
    repos = [p.parent for p in home.parents if p.name == "snapshots"]
    stores = [place / "blobs" for repo in repos for place in (repo, repo.parent)]
    return any(real.is_relative_to(place) for place in (home, *stores))


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


def writes_nothing(module: str) -> bool:
    """Whether a module of this class in a `modules.json` has no file, so that git keeps no folder of it.

    A Normalize had no settings before sentence-transformers 6.0, where it moved to `base.modules`.
    """
    return module.endswith("Normalize") and not module.startswith("sentence_transformers.base.")
