"""Targets that are mount points, such as volumes of containers: they can be filled, and neither renamed nor replaced.

The work folder of such a target is inside it, in a hidden folder. At the end the finished files are moved into place
one by one, the receipt last. A journal is written before the first move, so that the next run finishes what a killed
run began: until then the target has no receipt.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from adapter_merge.durable import sync_folder
from adapter_merge.receipt import RECEIPT_NAME

HIDDEN = ".adapter-merge"
_JOURNAL = ".json"
_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\(\d{3})")  # how the kernel writes spaces and the like in a path


def is_mount_point(folder: Path) -> bool:
    """Whether a folder is the root of a file system, or of a part of one that is mounted there."""
    try:
        if not folder.is_dir():
            return False
        if folder.is_mount():
            return True
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # it may not be looked at, or this is not Linux
        return False
    mounted = (_OCTAL.sub(lambda m: chr(int(m[1], 8)), line.split(" ")[4]) for line in lines)
    return str(folder.resolve()) in mounted


def replace_content(work: Path, target: Path, old: Iterable[str]) -> None:
    """Replace the files `old` of a mount point by those of the work folder, which is emptied.

    Raises:
        OSError: a file cannot be moved; the next run goes on with what is left.
    """
    part = _journal(work).with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(sorted(set(old) - set(_files(work)) - {RECEIPT_NAME}), file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(_journal(work))
    sync_folder(work.parent)
    _move(work, target)


def finish_replacement(work: Path, target: Path) -> None:
    """Go on with a replacement that a killed run began; nothing is done where there is none.

    Raises:
        OSError: a file cannot be moved.
    """
    if _journal(work).exists():
        _move(work, target)


def is_replacing(work: Path) -> bool:
    """Whether files of this work folder are, or were, on their way into the target."""
    return _journal(work).exists()


def _move(work: Path, target: Path) -> None:
    """Each step can be repeated after a kill."""
    if (work / RECEIPT_NAME).exists():
        (target / RECEIPT_NAME).unlink(missing_ok=True)
        sync_folder(target)
        for path in json.loads(_journal(work).read_text(encoding="utf-8")):
            _remove(target, path)
        for path in (p for p in _files(work) if p != RECEIPT_NAME):
            _rename(work, target, path)
        _rename(work, target, RECEIPT_NAME)
    shutil.rmtree(work, ignore_errors=True)
    _journal(work).unlink(missing_ok=True)


def _files(work: Path) -> list[str]:
    return sorted(p.relative_to(work).as_posix() for p in work.rglob("*") if p.is_file())


def _rename(work: Path, target: Path, path: str) -> None:
    (target / path).parent.mkdir(parents=True, exist_ok=True)
    (work / path).replace(target / path)
    sync_folder((target / path).parent)


def _remove(target: Path, path: str) -> None:
    (target / path).unlink(missing_ok=True)
    with suppress(OSError):  # not empty
        (target / path).parent.rmdir()


def _journal(work: Path) -> Path:
    return work.with_name(work.name + _JOURNAL)
