"""What a worker makes of each end: by what stands then, not by what a run says of itself."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from adapter_merge.bot.ledger import TRIES
from adapter_merge.bot.order import Ears, Ended, Order
from adapter_merge.bot.queue import Queue
from adapter_merge.bot.store import Store
from adapter_merge.merges import roster_of
from adapter_merge.reconcile import Decision
from tests.bot.desk import Desk, unavailable

LOST = Ended(outcome="failed", reason="the Hub doesn't answer", again=True)
BAD = Ended(outcome="failed", reason="a check failed", code=7)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """One adapter that is due."""
    desk = Desk.laid(tmp_path, "one")
    desk.eyes.heads = {"acme/one": "1" * 40}
    desk.keeper.round()
    return desk


def test_a_merge(desk: Desk) -> None:
    assert desk.work() == 1
    (order,) = desk.bench.orders
    assert (order.target, dict(order.adapters)) == ("acme/one-merged", {"acme/one": "1" * 40})
    assert roster_of(order.document.encode()).entries == desk.eyes.file.entries
    assert desk.state("one") == "merged"
    assert desk.ledger.store.log("acme/one-merged") == "merging acme/one-merged\n"
    assert desk.worker.tally.ended == {"merged": 1}
    assert desk.worker.tally.seconds == {"merge": 2.0, "total": 3.0}
    for _ in range(3):
        desk.keeper.round()
    assert (desk.work(), desk.state("one"), len(desk.bench.orders)) == (0, "merged", 1)


def test_a_report_may_be_anything(desk: Desk) -> None:
    for report in ({"seconds": ["x"]}, {"seconds": {"merge": "x", "total": 2}}, {}):
        desk.worker.tally.count(Ended(outcome="failed", report=report))
    assert desk.worker.tally.seconds == {"total": 2}
    assert desk.worker.tally.ended == {"failed": 3}


def test_a_push_during_a_merge_is_merged_after_it(desk: Desk) -> None:
    def slow(order: Order, ears: Ears) -> Ended:
        desk.eyes.heads["acme/one"] = "2" * 40
        desk.keeper.round()
        return desk.bench.merge(order, ears)

    desk.bench.ends = [slow]
    assert desk.work() == 2
    assert [dict(o.adapters)["acme/one"][0] for o in desk.bench.orders] == ["1", "2"]
    assert desk.state("one") == "merged"


def test_a_hub_that_does_not_answer_is_asked_again_a_few_times(desk: Desk) -> None:
    desk.bench.ends = [LOST] * 20
    for number in range(TRIES):
        assert desk.work() == 1
        record = desk.ledger.store.get("acme/one-merged")
        assert record is not None
        assert record.tries == number + 1
        desk.keeper.round()
        assert desk.work() == 0, "it waits"
        if record.until is not None:
            assert (record.until - desk.clock()).total_seconds() == 60 * 2**number
            desk.clock.now = record.until
            desk.keeper.round()
    assert (desk.state("one"), desk.queue.dead()) == ("dead", ("acme/one-merged",))
    desk.clock.pass_(1e6)
    desk.keeper.round()
    assert desk.work() == 0


def test_what_was_given_up_is_tried_again_after_a_push(desk: Desk) -> None:
    desk.bench.ends = [LOST] * TRIES
    for _ in range(TRIES):
        desk.work()
        desk.clock.pass_(1e5)
        desk.keeper.round()
    assert desk.state("one") == "dead"
    desk.eyes.heads["acme/one"] = "2" * 40
    desk.keeper.round()
    assert (desk.work(), desk.state("one")) == (1, "merged")


def test_what_was_given_up_is_tried_again_where_it_is_asked_for(desk: Desk) -> None:
    desk.bench.ends = [BAD]
    desk.work()
    assert desk.state("one") == "failed"
    desk.keeper.round()
    assert desk.work() == 0
    desk.keeper.retries = lambda: ("acme/one-merged",)
    desk.keeper.round()
    assert (desk.work(), desk.state("one")) == (1, "merged")


def test_another_failure_is_not_tried_again_until_something_changes(desk: Desk) -> None:
    desk.bench.ends = [BAD]
    desk.work()
    for _ in range(5):
        desk.clock.pass_(1e6)
        desk.keeper.round()
        assert desk.work() == 0
    record = desk.ledger.store.get("acme/one-merged")
    assert record is not None
    assert (record.state, record.reason, len(desk.bench.orders)) == ("failed", "a check failed", 1)
    # Whoever forgets all that was kept has it tried once more, and no more.
    desk.ledger.store.forget("acme/one-merged")
    desk.bench.ends = [BAD]
    desk.keeper.round()
    assert desk.work() == 1


def test_a_run_that_says_merged_and_did_not_is_a_failure(desk: Desk) -> None:
    desk.bench.ends = [Ended(outcome="merged")]
    desk.work()
    record = desk.ledger.store.get("acme/one-merged")
    assert record is not None
    assert (record.state, "isn't what it should be" in record.reason) == ("failed", True)
    desk.keeper.round()
    assert desk.work() == 0


def test_a_run_elsewhere_that_had_only_new_words_to_send_is_none(desk: Desk) -> None:
    desk.eyes.same = True
    desk.bench.ends = [Ended(outcome="merged")]  # GitHub says no more of a run that went well
    desk.work()
    assert desk.state("one") == "unchanged"
    desk.keeper.round()
    assert (desk.work(), desk.state("one"), len(desk.bench.orders)) == (0, "unchanged", 1)


def test_a_run_that_failed_and_did_it_is_none(desk: Desk) -> None:
    def lost_answer(order: Order, ears: Ears) -> Ended:
        desk.bench.merge(order, ears)
        return LOST

    desk.bench.ends = [lost_answer]
    desk.work()
    assert desk.state("one") == "unchanged"


def test_a_result_that_cannot_be_looked_at_is_looked_at_again(desk: Desk) -> None:
    def blinding(order: Order, ears: Ears) -> Ended:
        desk.eyes.blind = unavailable()
        return desk.bench.merge(order, ears)

    desk.bench.ends = [blinding]
    desk.work()
    assert desk.state("one") == "waiting"
    desk.eyes.blind = None
    desk.clock.pass_(100)
    desk.keeper.round()
    assert (desk.work(), desk.state("one"), len(desk.bench.orders)) == (0, "unchanged", 1)


def test_what_is_stopped_comes_again(desk: Desk) -> None:
    stop = threading.Event()

    def stopping(_: Order, ears: Ears) -> Ended:
        stop.set()
        assert ears.stop is stop
        return Ended(outcome="stopped", reason="it was stopped")

    desk.bench.ends = [stopping]
    item = desk.queue.take(0)
    assert item is not None
    desk.worker.turn(item, stop)
    assert (desk.state("one"), len(desk.queue)) == ("queued", 1)
    assert (desk.work(), desk.state("one")) == (1, "merged")


def test_a_bug_of_a_dispatch_ends_no_worker(desk: Desk) -> None:
    def broken(_: Order, __: Ears) -> Ended:
        raise ZeroDivisionError

    desk.bench.ends = [broken]
    desk.work()
    assert (desk.state("one"), desk.worker.tally.running) == ("failed", 0)


def test_what_should_never_happen_ends_no_worker(desk: Desk) -> None:
    desk.eyes.bug = OSError(28, "No space left on device")
    desk.worker.rest = 0.01
    stop = threading.Event()
    thread = threading.Thread(target=desk.worker.run, args=(stop,))
    thread.start()
    stop.wait(0.2)
    assert (desk.state("one"), desk.bench.orders) == ("queued", [])
    desk.eyes.bug = None
    for _ in range(100):
        if desk.state("one") == "merged":
            break
        stop.wait(0.05)
    stop.set()
    thread.join(5)
    assert (desk.state("one"), len(desk.bench.orders)) == ("merged", 1)


def test_a_pause_begins_nothing(desk: Desk) -> None:
    desk.paused[0] = True
    stop = threading.Event()
    thread = threading.Thread(target=desk.worker.run, args=(stop,))
    thread.start()
    stop.wait(0.7)
    assert desk.bench.orders == []
    desk.paused[0] = False
    for _ in range(100):
        if desk.state("one") == "merged":
            break
        stop.wait(0.05)
    stop.set()
    thread.join(5)
    assert desk.state("one") == "merged"


def test_records_are_there_after_a_restart(desk: Desk) -> None:
    desk.work()
    found = Store(desk.root / "merges").records()
    assert found == desk.ledger.records()
    (desk.root / "merges" / "acme--one-merged" / "record.json").write_text("{}")
    assert Store(desk.root / "merges").records() == ()


def test_what_ran_when_it_was_killed_waits_after_a_restart(desk: Desk) -> None:
    (decision,) = desk.eyes.decide(desk.eyes.file.entries)
    assert isinstance(decision, Decision)
    desk.ledger.started(decision)
    desk.ledger.recover(())
    assert desk.state("one") == "waiting"


@pytest.mark.parametrize("act", ["take", "done", "give_back"])
def test_a_queue_that_cannot_be_written_ends_no_worker(
    desk: Desk, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, failures = getattr(Queue, act), [sqlite3.OperationalError("disk is full")] * 3

    def broken(*given: object) -> object:
        if failures:
            raise failures.pop()
        return whole(*given)

    monkeypatch.setattr(Queue, act, broken)
    desk.eyes.bug = OSError(28, "No space left on device") if act == "give_back" else None
    desk.worker.rest = 0.01
    stop = threading.Event()
    thread = threading.Thread(target=desk.worker.run, args=(stop,))
    thread.start()
    for _ in range(200):
        if not failures:
            desk.eyes.bug = None
        if desk.state("one") in {"merged", "unchanged"} and not failures and not len(desk.queue):
            break
        stop.wait(0.02)
    assert thread.is_alive()
    stop.set()
    thread.join(5)
    assert desk.state("one") in {"merged", "unchanged"}
    assert (len(desk.bench.orders), failures, desk.queue.put("acme/one-merged")) == (1, [], True)


def test_a_log_that_cannot_be_written_stops_no_merge(desk: Desk) -> None:
    def unwritable(order: Order, ears: Ears) -> Ended:
        place = desk.root / "merges" / "acme--one-merged" / "log.txt"
        place.unlink()
        place.mkdir()
        ears.line("nobody reads this")
        return desk.bench.merge(order, ears)

    desk.bench.ends = [unwritable]
    desk.work()
    assert desk.state("one") == "merged"
