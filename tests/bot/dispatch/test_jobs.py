"""Jobs: what they are given, and that there is one of them for a target."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from huggingface_hub import JobInfo

from adapter_merge.bot.dispatch import jobs
from adapter_merge.bot.dispatch.jobs import Jobs, Machine, Pace
from adapter_merge.bot.events import told_progress, told_report
from adapter_merge.bot.order import Ended, Needs, Order, Progress
from adapter_merge.localhub import Fault, Lost
from adapter_merge.localhub.faults import Status
from adapter_merge.report import Report
from tests.bot.dispatch.places import Heard, client
from tests.reconcile.conftest import TOKEN, Shelf

SECRETS = {"HF_TOKEN": TOKEN, "HF_WRITE_TOKEN": "hf_writesthere"}
ORDER = Order(target="bot/merged", adapters={}, document="merges: []\n")
GB = 10**9
MERGED = f"print({told_report(Report(status='merged'))!r})"


def made(shelf: Shelf, program: str, **wish: Any) -> Jobs:
    return Jobs(
        client(shelf),
        Machine(image="ghcr.io/org/image", secrets=SECRETS, **wish),
        pace=Pace(look=0.05, end=5),
        command=(sys.executable, "-c", program),
    )


def listed(shelf: Shelf) -> list[JobInfo]:
    return list(client(shelf).writer.list_jobs(namespace="bot"))


def carried_out(there: Jobs, order: Order = ORDER, heard: Heard | None = None) -> Ended:
    return there.carry_out(order, (heard or Heard()).ears())


def test_it_gets_the_document_and_tokens_only_as_secrets(shelf: Shelf) -> None:
    program = f"import os; print([os.environ[n] for n in ('ADAPTER_MERGE_MERGES', 'HF_WRITE_TOKEN')]); {MERGED}"
    heard = Heard()
    needs = Needs(memory_bytes=20 * GB, disk_bytes=20 * GB, moved_bytes=60 * GB)
    order = Order(target="bot/merged", adapters={}, document="merges: []\n", needs=needs)
    ended = carried_out(made(shelf, program), order, heard)
    (job,) = listed(shelf)
    assert (ended.outcome, ended.url, heard.urls) == ("merged", job.url, [job.url])
    assert heard.lines == [r"['merges: []\n', '***']"]
    assert (job.docker_image, job.flavor) == ("ghcr.io/org/image", "cpu-upgrade")
    assert job.environment == {"ADAPTER_MERGE_MERGES": order.document}
    assert set(job.secrets or {}) == set(SECRETS)
    (kept,) = shelf.hub.wait_for_jobs()
    assert kept.order.seconds == 65 * 60


def test_a_wish_counts_before_what_a_merge_needs(shelf: Shelf) -> None:
    large = Needs(memory_bytes=900 * GB, disk_bytes=GB)
    order = Order(target="bot/merged", adapters={}, document="merges: []\n", needs=large)
    ended = carried_out(made(shelf, MERGED), order)
    assert ended.outcome == "failed"
    assert "900.0 GB of memory" in ended.reason
    assert "`--flavor" in ended.reason
    assert listed(shelf) == []
    there = made(shelf, MERGED, flavor="h200x4", timeout=90.0)
    assert carried_out(there, order).outcome == "merged"
    (kept,) = shelf.hub.wait_for_jobs()
    assert (kept.order.flavor, kept.order.seconds) == ("h200x4", 90)


def test_lines_and_progress_come_while_it_runs(shelf: Shelf) -> None:
    half = told_progress(Progress(stage="pull", done=1, total=2))
    program = f"import time; print('first'); print({half!r}, flush=True); time.sleep(60)"
    heard = Heard(stop_at="pull")
    ended = carried_out(made(shelf, program), heard=heard)
    assert (ended.outcome, heard.lines) == ("stopped", ["first"])
    (job,) = listed(shelf)
    assert job.status.stage == "CANCELED"


def _soon(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_after_a_restart_the_same_job_is_followed(shelf: Shelf) -> None:
    program = f"import time; print('once', flush=True); time.sleep(1.5); {MERGED}"
    first, second = Heard(), Heard()
    found: list[Ended] = []
    thread = _soon(lambda: found.append(carried_out(made(shelf, program), heard=first)))
    while not first.lines:
        time.sleep(0.02)
    # As a bot would that knows nothing of the other one; it was killed, say.
    found.append(carried_out(made(shelf, program), heard=second))
    thread.join()
    assert [e.outcome for e in found] == ["merged", "merged"]
    assert second.lines == first.lines == ["once"]
    assert len(listed(shelf)) == 1
    carried_out(made(shelf, MERGED))
    assert len(listed(shelf)) == 2


def test_another_target_has_another_job(shelf: Shelf) -> None:
    program = f"import time; time.sleep(1); {MERGED}"
    other = Order(target="bot/other", adapters={}, document="merges: []\n")
    thread = _soon(lambda: carried_out(made(shelf, program)))
    carried_out(made(shelf, program), other)
    thread.join()
    assert len(listed(shelf)) == 2


def test_a_job_whose_answer_was_lost_is_found_and_not_doubled(shelf: Shelf) -> None:
    shelf.hub.fail(Fault(on="POST /api/jobs/bot$", does=Lost()))
    there = made(shelf, f"import time; time.sleep(1); {MERGED}")
    lost = carried_out(there)
    assert (lost.outcome, lost.again) == ("failed", True)
    assert carried_out(there).outcome == "merged"
    assert len(listed(shelf)) == 1


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("raise SystemExit('no idea')", "exit code: 1); its last line was: no idea"),
        ("pass", "the Job succeeded, and said nothing"),
    ],
)
def test_a_job_without_a_report_has_failed(shelf: Shelf, program: str, says: str) -> None:
    ended = carried_out(made(shelf, program))
    assert (ended.outcome, ended.again) == ("failed", False)
    assert says in ended.reason


def test_a_job_that_took_too_long(shelf: Shelf) -> None:
    ended = carried_out(made(shelf, "import time; time.sleep(60)", timeout=1.0))
    assert ended.outcome == "failed"
    assert "Job timeout" in ended.reason


def test_a_job_that_people_cancelled_is_not_taken_for_a_stop(shelf: Shelf) -> None:
    heard, found = Heard(), list[Ended]()
    there = made(shelf, "import time; time.sleep(60)")
    thread = _soon(lambda: found.append(carried_out(there, heard=heard)))
    while not heard.urls:
        time.sleep(0.02)
    api = client(shelf).writer
    (job,) = listed(shelf)
    api.cancel_job(job_id=job.id, namespace="bot")
    thread.join()
    assert (found[0].outcome, found[0].again) == ("failed", False)
    assert "cancelled on the Hub" in found[0].reason


def test_a_hub_that_goes_away_meanwhile(shelf: Shelf) -> None:
    heard = Heard(stop_at="never")
    away = Status(status=503, headers={"Retry-After": "900"})
    shelf.hub.fail(Fault(on="GET /api/jobs/bot/", does=away, times=1_000))
    ended = carried_out(made(shelf, MERGED), heard=heard)
    assert (ended.outcome, ended.again, ended.url) == ("failed", True, heard.urls[0])
    shelf.hub.heal()


def test_the_command_is_the_one_of_the_webhooks_job() -> None:
    from adapter_merge.bot.setting.install import COMMAND

    assert (*COMMAND, "--events") == jobs.COMMAND
