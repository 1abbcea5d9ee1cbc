"""A model repository's weights by name, from headers alone, wherever it lies; a folder as such a repository."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from adapter_merge.checkpoint import Checkpoint, Index, WeightFile
from adapter_merge.errors import Corrupt, Layout, NotFound, NotSafetensors, RequestError
from adapter_merge.folder import (
    ADAPTER_PICKLE,
    ADAPTER_WEIGHTS,
    INDEX,
    MOST_BYTES,
    SINGLE,
    list_files,
    read_json,
    read_readme,
    sha256,
    stays_inside,
)
from adapter_merge.ports import Connect, Repository
from adapter_merge.readme import README, Readme
from adapter_merge.request import RepoRef
from adapter_merge.sources import Pinned
from adapter_merge.weights import read_header, read_span

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_HEAVY = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
_LONGEST_NAME = 255  # bytes, of file systems
_MOST_CARD = 4 << 20  # bytes; what has more is no card
_AT_ONCE = 8  # headers that are asked for together: one answer of a Hub takes a tenth of a second


class Folder:
    """Implements `ports.Repository` for a folder; `source` is what the user wrote for it."""

    def __init__(self, root: Path, source: str | None = None) -> None:
        self.pinned = Pinned(source=source or str(root), root=root)

    @cached_property
    def files(self) -> Mapping[str, int]:
        """Every file, path -> bytes; see `list_files`."""
        return list_files(self.pinned.root)

    def have(self, paths: Collection[str], advance: Callable[[int], None] | None = None) -> None:
        """All files lie here."""

    def header(self, path: str) -> WeightFile:
        """The header of a weight file that lies in the folder: only such a file is part of its digests."""
        root = self.pinned.root
        if not stays_inside(root / path, root):
            raise NotFound(
                f"`{path}` in `{root}` is a link that leaves the folder",
                hint="Copy the file into the folder, with `cp --dereference`.",
            )
        return read_header(root / path, name=path)

    def span(self, path: str, start: int, count: int) -> bytes:
        """Bytes of a file, from `start`."""
        buffer = bytearray(count)
        fd = os.open(self.pinned.root / path, os.O_RDONLY)
        try:
            read_span(fd, memoryview(buffer), start, name=path)
        finally:
            os.close(fd)
        return bytes(buffer)

    def digest(self, path: str, weights: WeightFile | None = None) -> str:
        """The sha256; of a base's weights, where that would cost as much as merging, what tells a change."""
        if weights is None:
            return f"sha256:{sha256(self.pinned.root / path)}"
        header = hashlib.sha256(weights.header).hexdigest()
        moment = (self.pinned.root / path).stat().st_mtime_ns
        return f"header:{header}:{weights.size}:{moment}"


def opened(ref: RepoRef, hub: Connect | None) -> Repository:
    """What a ref leads to; without a Hub ids are refused.

    Raises:
        RequestError: it could be a folder and an id, or there is no Hub to ask.
        AdapterMergeError: the Hub says no, or nothing.
    """
    if ref.folder is not None:
        return Folder(ref.folder.expanduser().absolute(), ref.text)
    if Path(ref.text).is_dir():
        raise RequestError(
            f"`{ref.text}` is a folder here, and could be a Hub id",
            hint=f"Write `./{ref.text}` for the folder, or `hf://{ref.text}` for the repository.",
        )
    if hub is None:
        folder = f"./{str(ref.repo).rpartition('/')[2]}"
        revision = f"--revision {ref.revision} " if ref.revision else ""
        named = f"{folder}/{ref.subfolder}" if ref.subfolder else folder
        raise RequestError(
            f"`{ref.text}` is a Hub id, and only folders are read here",
            hint=f"`hf download {ref.repo} {revision}--local-dir {folder}`, then name `{named}`.",
        )
    return hub().open(ref)


def read_card(repository: Repository) -> Readme | None:
    """The card of a repository; None where it has none, or something else under its name.

    Raises:
        SourceError: it can't be had.
    """
    if not 0 < repository.files.get(README, 0) <= _MOST_CARD:
        return None
    repository.have((README,))
    return read_readme(repository.pinned.root)


def small_files(files: Mapping[str, int]) -> tuple[str, ...]:
    """Those that aren't weights, nor larger than what is read of a file."""
    return tuple(p for p, n in files.items() if n <= MOST_BYTES and not p.endswith(_HEAVY))


def open_checkpoint(root: Path) -> Checkpoint:
    """The headers of the weights in a folder; see `checkpoint_of`."""
    return checkpoint_of(Folder(root))


def open_adapter(root: Path) -> Checkpoint:
    """The header of the adapter's weights in a folder; see `adapter_of`."""
    return adapter_of(Folder(root))


def checkpoint_of(repository: Repository) -> Checkpoint:
    """The headers of a model's weights: the shards that its index names, or its single file.

    Raises:
        NotFound: there are no weights, or a file of them is missing or a link that leaves the folder.
        NotSafetensors: the weights are pickles.
        Layout: an index and a `model.safetensors` that it doesn't name: loaders disagree.
        Corrupt: a header or the index is wrong.
    """
    top = {n for n in repository.files if "/" not in n}
    if INDEX in top:
        return _sharded(repository, INDEX, top)
    if SINGLE in top or (repository.pinned.root / SINGLE).is_symlink():
        shadowed = _others(top, {SINGLE})
        return Checkpoint(files=(repository.header(SINGLE),), index=None, shadowed=shadowed)
    raise _no_weights(repository.pinned, top)


def has_pickle(repository: Repository) -> bool:
    """Whether an adapter's weights are there as a pickle alone."""
    return ADAPTER_WEIGHTS not in repository.files and ADAPTER_PICKLE in repository.files


def adapter_of(repository: Repository) -> Checkpoint:
    """The header of an adapter's weights.

    Raises:
        NotFound: there are none.
        NotSafetensors: they are a pickle.
        Corrupt: the header is wrong.
    """
    if has_pickle(repository):
        raise NotSafetensors(
            f"`{ADAPTER_PICKLE}` in `{repository.pinned.source}` is a pickle, which can run code when it is read",
            hint="Load and save the adapter with a current PEFT, or run the same command with `--allow-pickle`: "
            "tensors alone are read then, by a process without tokens.",
        )
    return Checkpoint(files=(repository.header(ADAPTER_WEIGHTS),), index=None)


def not_cached(pinned: Pinned, what: str) -> NotFound:
    """The error for what the Hub's cache lacks of a repository, in offline mode; `what` has its verb."""
    revision = f" --revision {pinned.commit}" if pinned.commit else ""
    return NotFound(
        f"offline mode is on, and {what} in the Hub's cache on this machine",
        hint=f"Unset `HF_HUB_OFFLINE`, or `hf download {pinned.repo}{revision}` while there is a network.",
    )


def _sharded(repository: Repository, index_name: str, top: set[str]) -> Checkpoint:
    repository.have((index_name,))
    content = read_json(repository.pinned.root, index_name)
    shard_of = _weight_map(content, index_name)
    shards = sorted(set(shard_of.values()))
    if SINGLE in top and SINGLE not in shards:
        raise Layout(
            f"`{repository.pinned.source}` holds `{SINGLE}` and an index that doesn't name it: loaders disagree on which counts",
            hint="Move one of the two weight sets away.",
        )
    files = _headers(repository, shards)
    _check_index(files, shard_of, index_name)
    return Checkpoint(
        files=files,
        index=Index(name=index_name, content=content),
        shadowed=_others(top, set(shards)),
    )


def _headers(repository: Repository, shards: Iterable[str]) -> tuple[WeightFile, ...]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(pool.map(repository.header, shards))


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


def _no_weights(pinned: Pinned, top: set[str]) -> Exception:
    source = pinned.source
    pickles = sorted(n for n in top if any(PurePosixPath(n).match(p) for p in _PICKLES))
    if pickles:
        return NotSafetensors(
            f"the weights in `{source}` are pickles (`{pickles[0]}`), which can run code when they are read",
            hint="Save the model as safetensors, or take a revision that has them.",
        )
    if pinned.offline:
        return not_cached(pinned, f"the weights of `{source}` aren't")
    found = sorted(n for n in top if n.endswith(".safetensors"))
    more = f"; `{found[0]}` is there, but no loader reads that name" if found else ""
    return NotFound(
        f"`{source}` has no `{SINGLE}` and no `{INDEX}`{more}",
        hint="Name the folder of a saved model; a base is more than a config.",
    )
