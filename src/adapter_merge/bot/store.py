"""What is kept of each merge, in a folder of its own: its record, its newest report and its newest log.

All of it is for people. Nothing is decided by it but patience: what failed isn't tried again for nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from adapter_merge.bot.record import Record

_RECORD, _REPORT, _LOG = "record.json", "report.json", "log.txt"
_MOST_LOG_BYTES = 4 << 20
_SHOWN_LOG_BYTES = 100_000
_AS_JSON = TypeAdapter(Record)


class Store:
    """Asked by any thread; one process owns its folder. Records are held in memory, too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._records = {record.target: record for record in records_in(folder)}

    def records(self) -> tuple[Record, ...]:
        """All records, by target."""
        with self._lock:
            return tuple(self._records[target] for target in sorted(self._records))

    def get(self, target: str) -> Record | None:
        """The record of a target; None where there is none."""
        with self._lock:
            return self._records.get(target)

    def put(self, record: Record, *, quick: bool = False) -> None:
        """Keep a record; a `quick` one, of a run's progress, in memory alone."""
        with self._lock:
            self._records[record.target] = record
            if not quick:
                place = self._place(record.target)
                place.mkdir(exist_ok=True)
                _write(place / _RECORD, _AS_JSON.dump_json(record))

    def forget(self, target: str) -> None:
        """Take away all that is kept of a target that nobody asks for any more."""
        with self._lock:
            self._records.pop(target, None)
            shutil.rmtree(self._place(target), ignore_errors=True)

    def begin_log(self, target: str) -> None:
        """Have a log begin anew."""
        place = self._place(target)
        place.mkdir(exist_ok=True)
        (place / _LOG).write_text("", encoding="utf-8")

    def add_line(self, target: str, line: str) -> None:
        """Add to a log; of one that grows past some megabytes the older half goes."""
        path = self._place(target) / _LOG
        with path.open("a+b") as file:
            file.write(f"{line}\n".encode(errors="replace"))
            if (size := file.tell()) > _MOST_LOG_BYTES:
                file.seek(size - _MOST_LOG_BYTES // 2)
                file.readline()
                newer = file.read()
        if size > _MOST_LOG_BYTES:
            _write(path, newer)

    def log(self, target: str) -> str:
        """The end of the newest log; empty where there is none."""
        try:
            with (self._place(target) / _LOG).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _SHOWN_LOG_BYTES))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def keep_report(self, target: str, report: Mapping[str, Any]) -> None:
        """Keep the newest report."""
        place = self._place(target)
        place.mkdir(exist_ok=True)
        _write(place / _REPORT, json.dumps(report, ensure_ascii=False).encode())

    def report(self, target: str) -> Mapping[str, Any] | None:
        """The newest report; None where there is none."""
        try:
            found = json.loads((self._place(target) / _REPORT).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _place(self, target: str) -> Path:
        # An id has one slash, and no name on a Hub has two dashes in a row.
        return self._folder / target.replace("/", "--")


def records_in(folder: Path) -> tuple[Record, ...]:
    """The records that lie in a folder, by target; whoever owns it may write meanwhile."""
    places = sorted(folder.iterdir()) if folder.is_dir() else []
    return tuple(record for record in map(_read, places) if record is not None)


def _read(place: Path) -> Record | None:
    """A record; None for one that can't be read, which the next round makes anew."""
    try:
        return _AS_JSON.validate_json((place / _RECORD).read_bytes())
    except (OSError, ValidationError):
        return None


def _write(path: Path, content: bytes) -> None:
    """Put a file in its place whole: a kill leaves the old one or the new one."""
    half = path.with_name(f".{path.name}.half")
    half.write_bytes(content)
    half.replace(path)
