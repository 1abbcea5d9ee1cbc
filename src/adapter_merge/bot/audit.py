"""A line of JSON for each decision, added to a file that only grows."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path

from adapter_merge.bot.clock import Clock, utc
from adapter_merge.bot.log import say
from adapter_merge.errors import RequestError


class Audit:
    """Written by any thread, a whole line at a time; who rotates it moves it away, and a new one begins."""

    def __init__(self, path: Path, *, clock: Clock = utc) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        try:
            with path.open("ab"):
                pass
        except OSError as e:
            raise RequestError(
                f"`{path}` can't be written: {e.strerror}", hint="Give `--audit` another file."
            ) from e

    def __call__(self, facts: Mapping[str, object]) -> None:
        """Write one decision; a disk that is full stops no merge, and is logged."""
        known = {key: value for key, value in facts.items() if value is not None}
        line = json.dumps({"at": self._clock().isoformat(timespec="milliseconds"), **known})
        try:
            with self._lock, self._path.open("ab") as file:
                file.write(f"{line}\n".encode())
        except OSError as e:
            say("audit failed", reason=str(e))
