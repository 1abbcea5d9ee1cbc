"""Without a server: a push, a webhook of the Hub, a Job that it runs, and the merged repository."""

from __future__ import annotations

import sys

from tests.reconcile.conftest import TOKEN, Shelf


def test_a_push_starts_a_job_that_merges_it(shelf: Shelf) -> None:
    document = "merges:\n- {adapter: bot/one, to: bot/merged, when: push, probe: off, workers: 1}\n"
    command = [sys.executable, "-m", "adapter_merge", "bot", "job"]
    environment = {"ADAPTER_MERGE_MERGES": document}
    first = shelf.api.run_job(
        image="adapter-merge", command=command, env=environment, secrets={"HF_TOKEN": TOKEN}
    )
    (done,) = shelf.hub.wait_for_jobs()
    assert (done.stage, shelf.hub.job_log(done)[0].split(",")[0]) == (
        "COMPLETED",
        "There is no `WEBHOOK_PAYLOAD`",
    )
    shelf.api.create_webhook(
        job_id=first.id,
        watched=[{"type": "user", "name": "bot"}],
        domains=["repo"],
        secrets={"HF_TOKEN": TOKEN},
    )
    commit = shelf.write("bot/one", "README.md", b"# One\n")
    # The first is of the push; those that follow are of the merge itself, and do nothing.
    jobs = shelf.hub.wait_for_jobs(4)
    assert {job.stage for job in jobs} == {"COMPLETED"}, [shelf.hub.job_log(j) for j in jobs]
    assert shelf.receipt("bot/merged")["adapters"][0]["commit"] == commit
    assert len(shelf.titles("bot/merged")) == 1
    logs = ["\n".join(shelf.hub.job_log(job)) for job in jobs[2:]]
    assert all("Nothing was looked at" in log for log in logs), logs
