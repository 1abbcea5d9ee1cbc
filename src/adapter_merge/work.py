"""The work folder beside a target: made, held, cleaned up, put in its place.

A run fills `.NAME.adapter-merge-ID` and exchanges it with the target at the end, so that a kill at any
moment leaves the old target or the new one. The folder is locked (flock) while its run lives; the next
run removes what isn't. Where the system has no such exchange, an existing target steps aside as
`.NAME.old-ID` for the moment between two renames; a run that finds it and no target puts it back.
Folders appear, are renamed and are removed only under a lock on the parent folder, so that no run ever
sees another's folder before it is locked, or a target half exchanged.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from adapter_merge.errors import DiskFull, MergeError
from adapter_merge.readme import MOST, README, Readme
from adapter_merge.weights import write_error

SPARE = 16 << 20  # bytes that must stay free beside the result: receipt, card, directories

_WORK = re.compile(r"\..+\.adapter-merge-[0-9a-f]{8}")

# AT_FDCWD and RENAME_EXCHANGE of Linux; see renameat2(2).
_HERE, _EXCHANGE = -100, 2


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkFolder:
    """A folder that this run alone fills."""

    path: Path
    target: Path
    identity: str


def recover(target: Path) -> None:
    """Put back what a killed run left aside, and remove its debris.

    Raises:
        MergeError: another run is filling this target, or the folder can't be written.
    """
    parent = target.parent
    if not parent.is_dir():
        return
    try:
        with _turn(parent):
            _clean(target)
    except OSError as e:
        raise write_error(e, name=str(parent)) from e


@contextmanager
def steady(target: Path) -> Iterator[None]:
    """No run exchanges this target while the block reads it: what is read belongs together."""
    with ExitStack() as stack:
        # A parent that can't be opened can't be written either.
        with suppress(OSError):
            stack.enter_context(_turn(target.parent))
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
def _turn(parent: Path) -> Iterator[None]:
    """Hold the lock of a parent folder; only ever for renames and removals, so that nobody waits long."""
    fd = os.open(parent, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _clean(target: Path) -> None:
    for debris in _left(target, "adapter-merge"):
        if _is_held(debris):
            raise MergeError(
                f"another run is writing `{target}` (its work folder is `{debris.name}`)",
                hint="Wait until it has finished, or stop it.",
            )
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
    with _turn(parent):
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
    identity = secrets.token_hex(4)
    path = target.parent / f".{target.name}.adapter-merge-{identity}"
    held: list[int] = []
    try:  # around the making too: an interrupt can come right after it
        _make(path, target, size, held)
        yield WorkFolder(path=path, target=target, identity=identity)
    finally:
        # A parent that went away has taken the folder with it.
        with suppress(OSError), _turn(target.parent):
            shutil.rmtree(path, ignore_errors=True)
        for fd in held:
            os.close(fd)


def _make(path: Path, target: Path, size: int, held: list[int]) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _turn(target.parent):
            _clean(target)
            _check_room(target.parent, size)
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


def put_in_place(work: WorkFolder) -> None:
    """Make the work folder the target; the old target goes once the new one stands.

    Raises:
        MergeError: the folder can't be renamed.
    """
    aside = work.target.parent / f".{work.target.name}.old-{work.identity}"
    try:
        with _turn(work.target.parent):
            if _swap(work.path, work.target):
                aside = work.path
            else:
                _exchange(work, aside)
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as e:
        raise write_error(e, name=str(work.target)) from e


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
    part = target.parent / f".{target.name}.card-{secrets.token_hex(4)}"
    try:
        if (target / README).exists() and (target / README).read_bytes() == text.encode():
            return
        with _turn(target.parent):
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
    with suppress(OSError), _turn(target.parent):
        target.rename(debris)
        shutil.rmtree(debris, ignore_errors=True)


def keep_aside(work: WorkFolder) -> Path:
    """Keep a work folder that failed a check, as `NAME.failed-ID` beside the target."""
    kept = work.target.parent / f"{work.target.name}.failed-{work.identity}"
    work.path.rename(kept)
    return kept
