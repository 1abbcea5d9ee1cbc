"""The folder that a run on this machine has for itself, and what is left in it by one that was killed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from adapter_merge.bot.dispatch.group import Leader
from adapter_merge.work import sweep

_LEADER = "leader.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """A target's folder: the same at each try, so that a result that waits to be sent is found again.

    Attributes:
        root: holds all else.
    """

    root: Path

    @property
    def temporary(self) -> Path:
        """Gone after each run."""
        return self.root / "tmp"

    @property
    def results(self) -> Path:
        """Where results for a Hub are made, and wait if they couldn't be sent."""
        return self.root / "results"

    def lay(self) -> None:
        """Make it ready for a run."""
        self.clear()
        self.temporary.mkdir(parents=True)
        self.results.mkdir(exist_ok=True)

    def write(self, leader: Leader) -> None:
        """Note whose it is, before that process has anything to do."""
        part = self.root / f".{_LEADER}.part"
        part.write_text(json.dumps(asdict(leader)), encoding="utf-8")
        part.replace(self.root / _LEADER)

    def leader(self) -> Leader | None:
        """Whose it is; None where nobody's."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads((self.root / _LEADER).read_text(encoding="utf-8"))
            return Leader(pid=int(found["pid"]), started=float(found["started"]))
        return None

    def clear(self) -> None:
        """Remove what nobody needs after a run, however it ended; a whole result that waits is left alone."""
        with suppress(OSError):
            sweep(self.results)
        shutil.rmtree(self.temporary, ignore_errors=True)
        (self.root / _LEADER).unlink(missing_ok=True)
        for folder in (self.results, self.root):  # what holds something stays
            with suppress(OSError):
                folder.rmdir()


def desk(place: Path, target: str) -> Desk:
    """The folder of a target."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "--", target).strip(".-")[-60:]
    return Desk(root=place.absolute() / f"{name}-{sha256(target.encode()).hexdigest()[:8]}")


def desks(place: Path) -> Iterator[Desk]:
    """All that are there."""
    if place.is_dir():
        yield from (Desk(root=path.absolute()) for path in sorted(place.iterdir()) if path.is_dir())
