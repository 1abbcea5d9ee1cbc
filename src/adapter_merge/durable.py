"""Files and folders that must survive a power failure: written through to the disk."""

from __future__ import annotations

import os
from pathlib import Path


def sync_tree(root: Path) -> None:
    """Write every file and folder below `root` through to the disk, and `root` itself.

    Raises:
        OSError: the disk refuses.
    """
    for parent, _, names in os.walk(root, topdown=False):
        for name in names:
            _sync(Path(parent, name))
        sync_folder(Path(parent))


def sync_folder(folder: Path) -> None:
    """Write a folder's entries through to the disk.

    Raises:
        OSError: the disk refuses.
    """
    _sync(folder)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
