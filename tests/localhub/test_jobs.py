"""Jobs run their command in a process of its own, alone or for a webhook."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, JobInfo

from adapter_merge.localhub import LocalHub
from tests.localhub.ask import ask
from tests.localhub.steps import TOKEN


def run(api: HfApi, program: str, **more: Any) -> JobInfo:
    """Run a Python program as a job."""
    return api.run_job(image="python:3.12", command=[sys.executable, "-c", program], **more)


def test_a_job_has_its_variables_and_no_others(
    hub: LocalHub, api: HfApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "secret")
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    job = run(api, program, env={"SIZE": 3}, secrets={"HF_TOKEN": "hf_x"})
    (done,) = hub.wait_for_jobs()
    found = json.loads(hub.job_log(done)[0])
    assert (found["SIZE"], found["HF_TOKEN"], found["HF_ENDPOINT"]) == ("3", "hf_x", hub.url)
    assert (found["JOB_ID"], "OURS" in found) == (job.id, False)
    seen = api.inspect_job(job_id=job.id)
    assert (seen.status.stage, seen.docker_image) == ("COMPLETED", "python:3.12")
    assert seen.secrets == {"HF_TOKEN": None}


def test_the_values_of_secrets_are_not_kept(hub: LocalHub, api: HfApi, tmp_path: Path) -> None:
    run(api, "pass", secrets={"HF_TOKEN": "hf_very_secret"})
    hub.wait_for_jobs()
    kept = [p for p in (tmp_path / "hub").rglob("*") if p.is_file()]
    assert [p for p in kept if b"hf_very_secret" in p.read_bytes()] == []


def test_a_log_can_be_read(hub: LocalHub, api: HfApi) -> None:
    job = run(api, "print('one'); print('two')")
    hub.wait_for_jobs()
    assert list(api.fetch_job_logs(job_id=job.id)) == ["one", "two"]
    assert list(api.fetch_job_logs(job_id=job.id, tail=1)) == ["two"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ([sys.executable, "-c", "raise SystemExit(3)"], "Job failed with exit code: 3"),
        (["no-such-program"], "No such file"),
    ],
)
def test_a_job_that_fails(hub: LocalHub, api: HfApi, command: list[str], message: str) -> None:
    api.run_job(image="python:3.12", command=command)
    (done,) = hub.wait_for_jobs()
    assert done.stage == "ERROR"
    assert done.message is not None
    assert message in done.message


def test_a_job_ends_at_its_limit(hub: LocalHub, api: HfApi) -> None:
    run(api, "import time; time.sleep(60)", timeout=1)
    (done,) = hub.wait_for_jobs()
    assert (done.stage, done.message) == ("ERROR", "Job timeout")


def test_a_cancelled_job_ends_with_all_that_it_started(
    hub: LocalHub, api: HfApi, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    sleep = "import time; time.sleep(60)"
    program = f"import subprocess, sys, os; p = subprocess.Popen([sys.executable, '-c', {sleep!r}]); open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{p.pid}}'); p.wait()"
    job = run(api, program)
    while not pids.exists() or not pids.read_text():
        assert api.inspect_job(job_id=job.id).status.stage in ("SCHEDULING", "RUNNING")
    api.cancel_job(job_id=job.id)
    (done,) = hub.wait_for_jobs()
    assert done.stage == "CANCELED"
    end = time.monotonic() + 10
    while alive := [pid for pid in pids.read_text().split() if _runs(int(pid))]:
        assert time.monotonic() < end, alive


def _runs(pid: int) -> bool:
    """Whether a process lives; one that only waits to be reaped doesn't."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    return stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_jobs_are_listed_by_stage_and_label(hub: LocalHub, api: HfApi) -> None:
    first = run(api, "pass", labels={"a": "1"})
    hub.wait_for_jobs(1)
    second = run(api, "raise SystemExit(1)")
    hub.wait_for_jobs(2)
    assert [job.id for job in api.list_jobs(namespace="bot")] == [second.id, first.id]
    assert [job.id for job in api.list_jobs(namespace="bot", status="ERROR")] == [second.id]
    assert [job.id for job in api.list_jobs(namespace="bot", labels={"a": "1"})] == [first.id]


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("hf_other", 403), ("hf_fine", 403)])
def test_who_may_not_run_a_job(hub: LocalHub, token: str | None, status: int) -> None:
    hub.add_user("other", "hf_other")
    hub.add_user("bot", "hf_fine", scopes={"bot/a": "write"})
    got = ask(hub.url, "POST /api/jobs/bot", token=token, body={"command": ["true"]})
    assert got.status == status


def test_a_webhook_runs_a_job_again(hub: LocalHub, api: HfApi) -> None:
    hub.add_repo("bot/a")
    program = "import os; print(os.environ.get('WEBHOOK_PAYLOAD', 'nothing')); print(*(os.environ.get(n) for n in ('WEBHOOK_REPO_ID', 'WEBHOOK_REPO_TYPE', 'WEBHOOK_SECRET', 'OLD', 'NEW', 'KEPT')))"
    source = run(api, program, env={"KEPT": "kept"}, secrets={"OLD": "old"})
    (first,) = hub.wait_for_jobs(1)
    assert hub.job_log(first)[0] == "nothing"
    watched: Any = [{"type": "model", "name": "bot/a"}]
    made = api.create_webhook(
        job_id=source.id, watched=watched, secret="s3cret", secrets={"NEW": "new"}
    )
    assert made.job is not None
    assert made.job.docker_image == "python:3.12"
    new = api.upload_file(path_or_fileobj=b"b", path_in_repo="b.txt", repo_id="bot/a").oid
    _, second = hub.wait_for_jobs(2)
    told, named = hub.job_log(second)
    assert json.loads(told)["updatedRefs"][0]["newSha"] == new
    assert named == "bot/a model s3cret None new kept"
    assert [d.hook.id for d in hub.deliveries] == [made.id]


def test_a_job_ends_with_its_hub(tmp_path: Path) -> None:
    with LocalHub(tmp_path) as hub:
        hub.add_user("bot", TOKEN)
        job = run(HfApi(endpoint=hub.url, token=TOKEN), "import time; time.sleep(60)")
    with LocalHub(tmp_path) as hub:
        (done,) = hub.wait_for_jobs()
        assert (done.id, done.stage) == (job.id, "CANCELED")
