"""Nothing that was put in is lost, whatever happens, and nothing comes twice."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from adapter_merge.bot.queue import Queue


def taken(queue: Queue) -> list[str]:
    found = []
    while (item := queue.take(0)) is not None:
        found.append(item.target)
        queue.done(item)
    return found


def test_in_order_and_once(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    assert [queue.put(name) for name in ("a/b", "c/d", "a/b")] == [True, True, False]
    assert len(queue) == 2
    assert taken(queue) == ["a/b", "c/d"]
    assert queue.put("a/b")
    assert taken(queue) == ["a/b"]


def test_what_is_put_during_its_turn_comes_behind_it(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.put("a/b")
    item = queue.take(0)
    assert item is not None
    assert [queue.put("a/b"), queue.put("a/b")] == [True, False]
    assert queue.take(0) is None
    queue.done(item)
    assert taken(queue) == ["a/b"]


def test_what_is_given_back_comes_once(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.put("a/b")
    item = queue.take(0)
    assert item is not None
    queue.put("a/b")
    queue.give_back(item)
    assert not queue.put("a/b")
    assert taken(queue) == ["a/b"]


def test_what_is_buried_stays_until_it_is_revived(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.put("a/b")
    item = queue.take(0)
    assert item is not None
    queue.bury(item)
    assert (queue.take(0), queue.dead()) == (None, ("a/b",))
    queue.close()
    queue = Queue(tmp_path)
    assert queue.dead() == ("a/b",)
    assert [queue.revive("a/b"), queue.revive("a/b")] == [True, False]
    assert queue.dead() == ()


@pytest.mark.parametrize("how", ["close", "kill"])
def test_what_was_in_hand_comes_again(tmp_path: Path, how: str) -> None:
    program = f"""
import os, signal
from pathlib import Path
from adapter_merge.bot.queue import Queue
queue = Queue(Path({str(tmp_path)!r}))
for name in ("a/b", "c/d", "e/f"):
    queue.put(name)
queue.done(queue.take(0))
queue.take(0)
{"queue.close()" if how == "close" else "os.kill(os.getpid(), signal.SIGKILL)"}
"""
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == (0 if how == "close" else -9)
    queue = Queue(tmp_path)
    assert len(queue) == 2
    assert not queue.put("c/d")
    assert taken(queue) == ["c/d", "e/f"]


def test_a_turn_that_is_over_cannot_be_given_back(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.put("a/b")
    item = queue.take(0)
    assert item is not None
    queue.done(item)
    queue.give_back(item)
    assert (len(queue), queue.put("a/b")) == (0, True)
    assert taken(queue) == ["a/b"]


def test_a_file_that_is_no_queue_is_put_aside(tmp_path: Path) -> None:
    folder = tmp_path / "queue"
    folder.mkdir()
    (folder / "data.db").write_bytes(b"no queue" * 1_000)
    queue = Queue(folder)
    queue.put("a/b")
    assert taken(queue) == ["a/b"]
    (aside,) = tmp_path.glob("queue.broken-*")
    assert (aside / "data.db").read_bytes() == b"no queue" * 1_000


@pytest.mark.parametrize("what", ["no words", "another program's"])
def test_rows_that_are_no_targets_are_put_aside(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "queue"
    queue = Queue(folder)
    queue.put("a/b")
    queue.close()
    with sqlite3.connect(folder / "data.db") as file:
        data = b"\x80\x04\x95" if what == "no words" else b"{not json"
        file.execute("UPDATE ack_queue_default SET data = ?", (data,))
    queue = Queue(folder)
    assert taken(queue) == []
    assert queue.put("a/b")
    assert len(list(tmp_path.glob("queue.broken-*"))) == 1
