"""The Hub that the guides speak of: a base and an adapter of `acme`, and the reader's own account, `me`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapter_merge.localhub import LocalHub

TOKEN = "hf_me"


@contextmanager
def served(data: Path, models: Path) -> Iterator[LocalHub]:
    """The Hub, with what lies in the reader's folder of models."""
    with LocalHub(data) as hub:
        hub.add_user("me", TOKEN)
        for name in ("my-base", "my-adapter"):
            hub.add_repo(f"acme/{name}", _content(models / name))
        yield hub


def _content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
