"""Whether a result can be made where it is to be, asked before anything is brought here for it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from adapter_merge.errors import DiskFull, MergeError
from adapter_merge.figures import nbytes
from adapter_merge.forecast import Forecast
from adapter_merge.sources import Target
from adapter_merge.weights import write_error
from adapter_merge.work import home_of


def require_place(target: Target) -> None:
    """See to it that the folder in which the target lies can be made, and written in.

    Raises:
        MergeError: it can't.
    """
    folder = home_of(target.root)
    standing = next(p for p in (folder, *folder.parents) if os.path.lexists(p))
    if not standing.is_dir():
        problem = errno.ENOTDIR
    elif not os.access(standing, os.W_OK | os.X_OK):
        problem = errno.EROFS if os.statvfs(standing).f_flag & os.ST_RDONLY else errno.EACCES
    else:
        return
    error = write_error(OSError(problem, os.strerror(problem)), name=str(standing))
    raise MergeError(error.message, hint=f"{error.hint} {_other_place(target)}")


def require_room(guess: Forecast, target: Target, cache: Path | None) -> None:
    """See to it that the disks hold what will be pulled, and the result.

    Raises:
        DiskFull: one has too little room.
    """
    pulled = 0 if guess.traffic is None else guess.traffic.pulled_bytes
    if guess.cache is not None and guess.cache.free_bytes < guess.cache.needed_bytes:
        raise DiskFull(
            f"{nbytes(pulled)} are to be downloaded to `{cache}`, where {nbytes(guess.cache.free_bytes)} are free",
            hint="Free some space, or put the Hub's cache on another disk with `HF_HOME`.",
        )
    if guess.free_bytes < guess.needed_bytes:
        beside = (
            f", {nbytes(pulled)} of them for what is downloaded"
            if pulled and not guess.cache
            else ""
        )
        raise DiskFull(
            f"the result needs {nbytes(guess.needed_bytes)}{beside}, but `{home_of(target.root)}` has "
            f"{nbytes(guess.free_bytes)} free",
            hint=f"Free some space. {_other_place(target)}",
        )


def _other_place(target: Target) -> str:
    if target.remote is not None:
        return "A result for a Hub is made in another folder with `--work-dir`."
    return "The result goes to another folder with `--to`."
