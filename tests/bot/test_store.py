"""What is kept of merges is kept whole, and a log keeps its end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from adapter_merge.bot import store as kept
from adapter_merge.bot.order import Progress
from adapter_merge.bot.record import Past, Record
from adapter_merge.bot.store import Store
from tests.bot.desk import NOW

TARGET = "acme/one-merged"
FULL = Record(
    target=TARGET,
    adapters=(f"acme/one@{'1' * 40}",),
    base="acme/base",
    state="failed",
    reason="\u202eé\x00",
    notes=("one",),
    at=NOW,
    until=NOW + timedelta(seconds=0.5),
    tries=3,
    tried="d",
    started=NOW,
    past=(Past(at=NOW, state="merged", reason="so"),),
)


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    Store(tmp_path).put(FULL)
    assert Store(tmp_path).records() == (FULL,)


def test_progress_is_for_those_who_look_now(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(FULL)
    running = Record(target=TARGET, at=NOW, progress=Progress(stage="merge", done=1, total=2))
    store.put(running, quick=True)
    assert store.get(TARGET) == running
    assert Store(tmp_path).get(TARGET) == FULL


def test_what_a_kill_left_half_is_no_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(FULL)
    (tmp_path / "acme--one-merged" / ".record.json.half").write_text('{"target": "ac')
    (tmp_path / "acme--two-merged").mkdir()
    (tmp_path / "acme--two-merged" / "record.json").write_text('{"target": "ac')
    assert Store(tmp_path).records() == (FULL,)


def test_a_log_keeps_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST_LOG_BYTES", 1_000)
    store = Store(tmp_path)
    store.begin_log(TARGET)
    for number in range(300):
        store.add_line(TARGET, f"{number}: {'x' * (number % 7)}\udcff")
    lines = store.log(TARGET).splitlines()
    assert lines[-1].startswith("299: ")
    assert [int(line.partition(":")[0]) for line in lines] == list(range(300 - len(lines), 300))
    assert 400 <= len(store.log(TARGET)) <= 1_000


def test_a_log_begins_anew(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.log(TARGET) == ""
    store.begin_log(TARGET)
    store.add_line(TARGET, "old")
    store.begin_log(TARGET)
    store.add_line(TARGET, "new")
    assert store.log(TARGET) == "new\n"


def test_the_newest_report(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.report(TARGET) is None
    for status in ("failed", "merged"):
        store.keep_report(TARGET, {"status": status})
    assert Store(tmp_path).report(TARGET) == {"status": "merged"}


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(FULL)
    store.forget(TARGET)
    assert (store.get(TARGET), list(tmp_path.iterdir())) == (None, [])
