"""The work folder of a target: made, held, cleaned up, put in its place.

A run fills `.NAME.adapter-merge-ID` and exchanges it with the target at the end, so that a kill at any
moment leaves the old target or the new one. The folder is locked (flock) while its run lives; the next
run removes what isn't. Where the system has no such exchange, an existing target steps aside as
`.NAME.old-ID` for the moment between two renames; a run that finds it and no target puts it back.
Folders appear, are renamed and are removed only under a lock on the parent folder, so that no run ever
sees another's folder before it is locked, or a target half exchanged.
A target that is a mount point has its work folder inside it, and gets the finished files one by one.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from adapter_merge.durable import sync_folder, sync_tree
from adapter_merge.errors import DiskFull, MergeError
from adapter_merge.readme import MOST, README, Readme
from adapter_merge.volumes import (
    HIDDEN,
    finish_replacement,
    is_mount_point,
    is_replacing,
    replace_content,
)
from adapter_merge.weights import write_error

SPARE = 16 << 20  # bytes that must stay free beside the result: receipt, card, directories

_WORK = re.compile(r"\..+\.adapter-merge-[0-9a-f]{8}")

# AT_FDCWD and RENAME_EXCHANGE of Linux; see renameat2(2).
_HERE, _EXCHANGE = -100, 2


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkFolder:
    """A folder that this run alone fills; `mounted` says that the target is a mount point."""

    path: Path
    target: Path
    identity: str
    mounted: bool


def home_of(target: Path) -> Path:
    """The folder on whose disk a result is made: its parent, or the target itself where that is a mount point."""
    return target if is_mount_point(target) else target.parent


def recover(target: Path) -> None:
    """Put back what a killed run left aside, and remove its debris.

    Raises:
        MergeError: another run is filling this target, or the folder can't be written.
    """
    if not target.parent.is_dir() or (is_mount_point(target) and not (target / HIDDEN).exists()):
        return
    try:
        with _turn(target):
            _clean(target)
    except OSError as e:
        raise write_error(e, name=str(home_of(target))) from e


@contextmanager
def steady(target: Path) -> Iterator[None]:
    """No run exchanges this target while the block reads it: what is read belongs together."""
    with ExitStack() as stack:
        # A parent that can't be opened can't be written either.
        with suppress(OSError):
            stack.enter_context(_turn(target))
        yield


@contextmanager
def alone_with(target: Path) -> Iterator[None]:
    """No other run takes this folder for its own, or replaces it, while the block sends it.

    Raises:
        MergeError: another run has it.
    """
    fd = _locked(target)
    if fd is None:
        raise _is_sent(target)
    try:
        yield
    finally:
        os.close(fd)


def require_unsent(target: Path) -> None:
    """See to it that no other run is sending what waits in this folder.

    Raises:
        MergeError: one is.
    """
    if target.is_dir() and _is_held(target):
        raise _is_sent(target)


def _is_sent(target: Path) -> MergeError:
    return MergeError(
        f"another run is sending the result in `{target}`",
        hint="Wait until it has finished, or stop it.",
    )


@contextmanager
def _turn(target: Path) -> Iterator[None]:
    """Hold the lock of the folder that has a target's work folders; only for renames and removals, which are short."""
    if not is_mount_point(target):
        with _locked_folder(target.parent):
            yield
        return
    hidden = target / HIDDEN
    while True:
        hidden.mkdir(exist_ok=True)
        with suppress(FileNotFoundError), _locked_folder(hidden) as fd:
            # Another run may have removed it, and a third one may have made it again.
            if os.path.samestat(os.fstat(fd), hidden.stat()):
                yield
                with suppress(OSError):  # not empty
                    hidden.rmdir()
                return


@contextmanager
def _locked_folder(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def _clean_mounted(target: Path) -> None:
    for debris in sorted(p for p in (target / HIDDEN).iterdir() if p.is_dir()):
        if _is_held(debris):
            raise _is_written(target, debris)
        finish_replacement(debris, target)
        shutil.rmtree(debris, ignore_errors=True)


def _is_written(target: Path, work: Path) -> MergeError:
    return MergeError(
        f"another run is writing `{target}` (its work folder is `{work.name}`)",
        hint="Wait until it has finished, or stop it.",
    )


def _clean(target: Path) -> None:
    if is_mount_point(target):
        _clean_mounted(target)
        return
    for debris in _left(target, "adapter-merge"):
        if _is_held(debris):
            raise _is_written(target, debris)
        shutil.rmtree(debris)
    for card in _left(target, "card"):
        card.unlink()
    for aside in _left(target, "old"):
        if target.exists():
            shutil.rmtree(aside)
        else:
            aside.rename(target)


def sweep(parent: Path) -> None:
    """Remove the work folders of runs that live no more, whatever their targets; results are left alone.

    Raises:
        OSError: the folder can't be read, or one can't be removed.
    """
    if not parent.is_dir():
        return
    with _locked_folder(parent):
        for path in sorted(parent.iterdir()):
            if _WORK.fullmatch(path.name) and path.is_dir() and not _is_held(path):
                shutil.rmtree(path)


def _left(target: Path, kind: str) -> list[Path]:
    # By the whole name: `.a.old-*` would also find the work folder of a target called `a.old-1`.
    name = re.compile(rf"\.{re.escape(target.name)}\.{kind}-[0-9a-f]{{8}}")
    return sorted(p for p in target.parent.iterdir() if name.fullmatch(p.name))


def _is_held(folder: Path) -> bool:
    fd = _locked(folder)
    if fd is None:
        return True
    os.close(fd)
    return False


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock; None where another run has it."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


@contextmanager
def work_folder(target: Path, *, size: int) -> Iterator[WorkFolder]:
    """Make the work folder of a target that needs `size` bytes, and remove it when the block fails.

    Raises:
        DiskFull: the disk has not that much room.
        MergeError: another run is filling this target, or the folder can't be written.
    """
    identity, mounted = secrets.token_hex(4), is_mount_point(target)
    name = identity if mounted else f".{target.name}.adapter-merge-{identity}"
    path = (target / HIDDEN if mounted else target.parent) / name
    held: list[int] = []
    try:  # around the making too: an interrupt can come right after it
        _make(path, target, size, held)
        yield WorkFolder(path=path, target=target, identity=identity, mounted=mounted)
    finally:
        # A parent that went away has taken the folder with it.
        with suppress(OSError), _turn(target):
            if not is_replacing(path):  # else the next run goes on
                shutil.rmtree(path, ignore_errors=True)
        for fd in held:
            os.close(fd)


def _make(path: Path, target: Path, size: int, held: list[int]) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _turn(target):
            _clean(target)
            _check_room(home_of(target), size)
            held.append(_make_held(path))
    except OSError as e:
        raise write_error(e, name=str(path)) from e


def _make_held(path: Path) -> int:
    path.mkdir()
    fd = os.open(path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + SPARE:
        raise DiskFull(
            f"the result needs {(size + SPARE) / 1e9:.2f} GB, but `{folder}` has {free / 1e9:.2f} GB free",
            hint="Free some space, or put the target on another disk with `--to`.",
        )


def put_in_place(work: WorkFolder, old: Callable[[], Iterable[str]]) -> None:
    """Make the work folder the target, all of it on the disk; the old target goes once the new one stands.

    `old` gives the target's files that the result replaces, and raises where they are not ours to replace. It is
    called when no other run can write the target any more.

    Raises:
        MergeError: the folder can't be renamed. The finished folder is kept, and the hint names it.
    """
    try:
        sync_tree(work.path)
        with _turn(work.target):
            replaced = old()
            if work.mounted:
                replace_content(work.path, work.target, replaced)
            else:
                _replace(work)
    except OSError as e:
        error = write_error(e, name=str(work.target))
        raise type(error)(error.message, hint=f"{error.hint} {_kept(work)}") from e


def _replace(work: WorkFolder) -> None:
    aside = work.target.parent / f".{work.target.name}.old-{work.identity}"
    if _swap(work.path, work.target):
        aside = work.path
    else:
        _exchange(work, aside)
    sync_folder(work.target.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _kept(work: WorkFolder) -> str:
    """Keep the finished result where it could not be put in its place, and say where it is."""
    if work.mounted:
        return "The same command finishes the replacement."
    finished = work.target.parent / f"{work.target.name}.finished-{work.identity}"
    try:
        work.path.rename(finished)
    except OSError:
        return "The result could not be kept."
    return f"The finished result is in `{finished}`."


def _swap(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where one is missing, or the system can't do it."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    done: int = rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)
    return done == 0


def _exchange(work: WorkFolder, aside: Path) -> None:
    try:
        if work.target.exists():
            work.target.rename(aside)
        work.path.rename(work.target)
    finally:  # for an interrupt too: until the new target stands, the old one is the target
        if aside.exists() and not work.target.exists():
            aside.rename(work.target)


def standing_card(target: Path) -> Readme | None:
    """The card of a target that stands, in which people may have written; None where it has none.

    Raises:
        MergeError: it is there, and can't be taken over whole.
    """
    path = target / README
    if not path.exists() and not path.is_symlink():
        return None
    if not path.is_file():  # a pipe would be waited for
        raise _not_taken_over(path, "it is no file")
    try:
        text = path.read_bytes().decode()
    except OSError as e:
        raise _not_taken_over(path, e.strerror or str(e)) from e
    except UnicodeDecodeError as e:
        raise _not_taken_over(path, "it is not UTF-8") from e
    if len(text) > MOST:
        raise _not_taken_over(path, f"it has more than {MOST:,} characters")
    return Readme.parse(text)


def _not_taken_over(path: Path, why: str) -> MergeError:
    return MergeError(
        f"`{path}` can't be taken over into the new result: {why}",
        hint="Check the file and its rights, or move it away; it is yours, so it is not dropped.",
    )


def put_card(target: Path, text: str) -> None:
    """Give a target that stands another card, in one step; nothing is done where it has that one.

    Raises:
        MergeError: another run is filling this target, or the folder can't be written.
    """
    name = f".{target.name}.card-{secrets.token_hex(4)}"
    part = target / HIDDEN / name if is_mount_point(target) else target.parent / name
    try:
        if (target / README).exists() and (target / README).read_bytes() == text.encode():
            return
        with _turn(target):
            _clean(target)
            try:
                part.write_text(text, encoding="utf-8")
                part.replace(target / README)
            finally:
                part.unlink(missing_ok=True)
    except OSError as e:
        raise write_error(e, name=README) from e


def discard(target: Path) -> None:
    """Remove a result that isn't needed here any more; what can't be removed is left.

    A kill on the way leaves debris that the next run knows for its own, never half a result.
    """
    debris = target.parent / f".{target.name}.adapter-merge-{secrets.token_hex(4)}"
    with suppress(OSError), _turn(target):
        target.rename(debris)
        shutil.rmtree(debris, ignore_errors=True)


def keep_aside(work: WorkFolder) -> Path:
    """Keep a work folder that failed a check, as `NAME.failed-ID` beside the target, or hidden in a mount point."""
    name = f"{work.target.name}.failed-{work.identity}"
    kept = work.target / f".{name}" if work.mounted else work.target.parent / name
    work.path.rename(kept)
    return kept
