"""Steps that sync on a Hub on loopback: the event that chooses, what is due as a matrix, and what the adapter's people hear."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from adapter_merge.localhub import LocalHub
from adapter_merge.reconcile.thread import TITLE
from tests.action.conftest import ADAPTER, BROKEN, TOKEN
from tests.action.test_main import Ended, step
from tests.github.stub import REPO, github_stub
from tests.github.stub import TOKEN as GITHUB_TOKEN

LIST = f"""\
defaults: {{probe: off, settle: 0, publish: none}}
merges:
- {{adapter: {ADAPTER}, to: bot/one}}
- {{adapter: {ADAPTER}@main, to: bot/two}}
- {{adapter: {BROKEN}, to: bot/three}}
"""


def sync(
    place: Path,
    hub: LocalHub,
    *,
    event: str = "schedule",
    payload: Mapping[str, Any] | None = None,
    entries: str = LIST,
    env: Mapping[str, str] | None = None,
    **inputs: str,
) -> Ended:
    place.mkdir(exist_ok=True)
    (place / "merges.yaml").write_text(entries)
    told = place / "event.json"
    told.write_text(json.dumps(payload or {}))
    around = {
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": str(told),
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(place / "home"),
        "HF_HUB_DISABLE_XET": "1",
        **(env or {}),
    }
    return step(place, env=around, stopped=None, command="sync", **{"hf_token": TOKEN, **inputs})


def pushed(adapter: object, **more: object) -> dict[str, Any]:
    return {"action": "adapter-pushed", "client_payload": {"adapter": adapter, **more}}


def test_a_pushed_adapter_chooses_its_entries(tmp_path: Path, hub: LocalHub) -> None:
    event = pushed(ADAPTER.upper(), revision="0" * 40)

    ended = sync(tmp_path, hub, event="repository_dispatch", payload=event, dry_run="true")

    # The commit that the event names is none: what is merged is what the Hub has.
    assert (ended.code, ended.outputs["status"]) == (0, "planned"), ended.log
    assert "`bot/one`" in ended.summary
    assert "`bot/two`" in ended.summary
    assert "bot/three" not in ended.summary


def test_one_that_no_entry_reads_is_skipped(tmp_path: Path, hub: LocalHub) -> None:
    before = len(hub.requests)

    ended = sync(tmp_path, hub, event="repository_dispatch", payload=pushed("org/other"))

    assert (ended.code, ended.outputs["status"]) == (0, "skipped"), ended.log
    assert "no entry of `merges.yaml`" in ended.summary
    assert len(hub.requests) == before


@pytest.mark.parametrize(
    "event",
    [
        pushed("*"),
        pushed("bot/*"),
        pushed("./case"),
        pushed(["bot/adapter"]),
        pushed("bot/adapter\n::set-output name=status::merged"),
        pushed(ADAPTER, revision="main; rm -rf /"),
        pushed(ADAPTER, ref="refs/pr/1"),
        pushed(ADAPTER, **{f"n{n}": n for n in range(12)}),
        pushed(ADAPTER, text="x" * 65_000),
        {"action": "adapter-pushed"},
    ],
    ids=lambda event: str(event)[:60],
)
def test_an_event_that_is_none_stops_the_step(
    tmp_path: Path, hub: LocalHub, event: dict[str, Any]
) -> None:
    before = len(hub.requests)

    ended = sync(tmp_path, hub, event="repository_dispatch", payload=event)

    assert (ended.code, ended.outputs["status"]) == (2, "failed"), ended.log
    assert "client_payload" in ended.summary
    assert "\n::set-output" not in ended.log
    assert len(hub.requests) == before


def test_another_event_of_ones_own_syncs_the_whole_list(tmp_path: Path, hub: LocalHub) -> None:
    event = {"action": "nightly", "client_payload": {"adapter": "*"}}

    ended = sync(tmp_path, hub, event="repository_dispatch", payload=event, matrix="true")

    assert len(json.loads(ended.outputs["matrix"])["include"]) == 3, ended.log


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("schedule", {"schedule": "17 * * * *"}),
        ("workflow_dispatch", {"inputs": None, "ref": "refs/heads/main"}),
        ("release", {"action": "published", "release": {"tag_name": "v1", "draft": False}}),
    ],
)
def test_whatever_starts_it_the_whole_list_is_merged(
    tmp_path: Path, hub: LocalHub, event: str, payload: dict[str, Any]
) -> None:
    ended = sync(tmp_path, hub, event=event, payload=payload, only="bot/one")

    assert (ended.code, ended.outputs["status"]) == (0, "merged"), ended.log
    assert ended.outputs["merged-repo"] == "bot/one"


def test_a_pull_request_reads_what_would_happen_and_nothing_does(
    tmp_path: Path, hub: LocalHub
) -> None:
    head = {"sha": "b" * 40, "repo": {"full_name": REPO}}
    event = {"pull_request": {"number": 3, "head": head}}

    with github_stub() as github:
        for _ in range(2):
            ended = sync(
                tmp_path,
                hub,
                event="pull_request",
                payload=event,
                entries=LIST.replace("publish: none", "publish: commit"),
                env={"GITHUB_API_URL": github.url},
                github_token=GITHUB_TOKEN,
                tell="comment",
            )
            assert ended.code == 10, ended.log  # one of the list fits no base

    (comment,) = github.state.comments[3]
    rows = [r for r in (x.split(" | ") for x in comment["body"].splitlines()) if len(r) == 4]
    told = {row[1]: row[3].partition(":")[0] for row in rows[1:]}
    assert told == {"`bot/one`": "planned", "`bot/two`": "planned", "`bot/three`": "failed"}
    assert "Nothing was written" in comment["body"]
    api = HfApi(endpoint=hub.url, token=TOKEN)
    assert not any(api.repo_exists(to) for to in ("bot/one", "bot/two", "bot/three"))


def test_what_is_due_is_a_matrix_and_nothing_is_merged(tmp_path: Path, hub: LocalHub) -> None:
    ended = sync(tmp_path, hub, matrix="true", only="bot/t*")

    assert (ended.code, ended.outputs["status"]) == (0, "planned"), ended.log
    jobs = json.loads(ended.outputs["matrix"])["include"]
    assert {job["to"] for job in jobs} == {"bot/two", "bot/three"}
    assert "2 merges of the list are due" in ended.summary
    assert not HfApi(endpoint=hub.url, token=TOKEN).repo_exists("bot/two")


def test_what_stands_has_its_page_among_the_outputs_too(tmp_path: Path, hub: LocalHub) -> None:
    entry = (
        f"defaults: {{probe: off, settle: 0}}\nmerges:\n- {{adapter: {ADAPTER}, to: bot/twice}}\n"
    )

    ends = [sync(tmp_path, hub, entries=entry) for _ in range(2)]

    assert [e.outputs["status"] for e in ends] == ["merged", "unchanged"], ends[1].log
    for ended in ends:
        assert hub.head("bot/twice") in ended.outputs["url"]
        assert ended.outputs["merged-revision"] == hub.head("bot/twice")


def test_a_watch_that_finds_nothing_says_so(tmp_path: Path, hub: LocalHub) -> None:
    ended = sync(tmp_path, hub, entries="watch: [{owner: nobody, to: 'bot/{name}-merged'}]\n")

    assert (ended.code, ended.outputs["status"]) == (0, "skipped"), ended.log
    assert "no adapter is there" in ended.summary


def threads(hub: LocalHub, repo: str) -> list[str]:
    found = HfApi(endpoint=hub.url, token=TOKEN).get_repo_discussions(repo)
    return [d.status for d in found if d.title == TITLE]


def test_people_of_an_adapter_hear_that_it_fails_when_that_is_asked_for(
    tmp_path: Path, hub: LocalHub
) -> None:
    plan = sync(tmp_path, hub, only="bot/three", tell="discussion", dry_run="true")
    quiet = sync(tmp_path, hub, only="bot/three")
    assert (plan.code, quiet.code, threads(hub, BROKEN)) == (10, 10, [])

    for _ in range(2):
        ended = sync(tmp_path, hub, only="bot/three", tell="discussion", github_token="")
        assert ended.code == 10, ended.log

    assert threads(hub, BROKEN) == ["open"]
    assert threads(hub, ADAPTER) == []


def test_what_could_not_be_looked_at_is_shown_on_the_runs_page(
    tmp_path: Path, hub: LocalHub
) -> None:
    entries = f"merges:\n- {{adapter: bot/none, to: bot/one}}\n- {{adapter: {BROKEN}, to: bot/two, when: push, publish: none, probe: off}}\n"

    ended = sync(tmp_path, hub, entries=entries)

    assert ended.code == 10
    shown = [line for line in ended.log.splitlines() if line.startswith("::error ")]
    titles = sorted(line.partition("title=")[2].partition("::")[0] for line in shown)
    assert titles == ["NotFound%2C exit code 3", "ShapeMismatch%2C exit code 5"], ended.log
