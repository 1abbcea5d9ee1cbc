"""The Action under act, from `uses: ./` to its outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from huggingface_hub import HfApi

from adapter_merge.localhub import LocalHub
from adapter_merge.reconcile.thread import TITLE
from tests.action.conftest import ADAPTER, BROKEN, TOKEN
from tests.action.conftest import HOSTILE as HOSTILE_ADAPTER
from tests.action.workflow import ROOT, Ended, Runner
from tests.docs.test_workflows import COMMIT, WORKFLOWS, filled
from tests.github.stub import REPO, Stub, github_stub
from tests.github.stub import TOKEN as GITHUB_TOKEN

pytestmark = pytest.mark.act

TO = "bot/merged"
HOSTILE = (
    "'\"`touch pwned`$(touch pwned);touch pwned\n::set-output name=status::merged\n"
    "::add-mask::merged\n::error::pwned\n${{ github.token }} %0A::warning::x\n"
)
_FORK = {
    "repository": {"full_name": "us/here", "private": False},
    "pull_request": {
        "number": 7,
        "head": {"sha": "b" * 40, "repo": {"full_name": "them/fork", "private": False}},
    },
}


_PULL = {
    "repository": {"full_name": REPO, "private": False},
    "pull_request": {"number": 7, "head": {"sha": "b" * 40, "repo": {"full_name": REPO}}},
}
MERGES = f"""\
defaults: {{probe: off, settle: 0}}
merges:
- {{adapter: {ADAPTER}, to: bot/of-the-list}}
- {{adapter: {BROKEN}, to: bot/never}}
"""


@pytest.fixture
def github() -> Iterator[Stub]:
    with github_stub() as stub:
        yield stub


def on(stub: Stub) -> dict[str, str]:
    return {"GITHUB_API_URL": stub.url, "GITHUB_REPOSITORY": REPO}


@pytest.fixture(scope="module")
def runner(hub: LocalHub, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(root=tmp_path_factory.mktemp("runner"), url=hub.url)


def merge(runner: Runner, adapter: str = ADAPTER, **inputs: str) -> Ended:
    wanted = {"adapter": adapter, "to": TO, "probe": "off", "hf-token": "${{ secrets.HF_TOKEN }}"}
    return runner.step({**wanted, **inputs}, secrets={"HF_TOKEN": TOKEN})


def test_merges_and_then_finds_nothing_to_do(runner: Runner, hub: LocalHub) -> None:
    # The runner's own folder is gone after the job.
    first = merge(runner, report=str(runner.root / "first"))
    again = merge(runner, report=str(runner.root / "again"))

    assert (first.code, first.outputs["status"]) == (0, "merged"), first.log
    assert first.outputs["merged-repo"] == TO
    assert first.outputs["merged-revision"] == hub.head(TO)
    assert hub.head(TO) in first.outputs["url"]
    assert (again.code, again.outputs["status"]) == (0, "unchanged"), again.log
    assert again.outputs["merged-revision"] == first.outputs["merged-revision"]
    assert again.outputs["url"] == first.outputs["url"]
    for ended in (first, again):
        assert Path(ended.outputs["receipt"]).is_file()
        assert Path(ended.outputs["report"], "report.html").is_file()
        assert len(Path(ended.outputs["checksums"]).read_text().splitlines()) == 3
        assert TOKEN not in ended.log
    assert "flowchart LR" in first.log


def test_the_first_workflow_of_the_readme_merges_without_a_checkout(
    runner: Runner, hub: LocalHub
) -> None:
    text = filled(WORKFLOWS["README.md-0"])
    for shown, here in {"acme/my-adapter": ADAPTER, "me/my-adapter-merged": "bot/first"}.items():
        text = text.replace(shown, here)

    ended = runner.page(text, f"owner/adapter-merge@{COMMIT}", secrets={"HF_TOKEN": TOKEN})

    assert ended.code == 0, ended.log
    assert hub.head("bot/first") in ended.log
    assert [p.name for p in ended.workspace.iterdir() if p.name != ".git"] == [".github"]


def test_says_why_it_fails(runner: Runner) -> None:
    ended = merge(runner, BROKEN, to="bot/of-broken")

    assert (ended.code, ended.outputs["status"]) == (1, "failed")
    assert "exitcode '5'" in ended.log or "exit status 5" in ended.log, ended.log
    assert "ShapeMismatch" in ended.log


def test_explains_a_fork_without_secrets(runner: Runner, hub: LocalHub) -> None:
    inputs = {"adapter": ADAPTER, "to": "bot/of-a-fork", "hf-token": "${{ secrets.HF_TOKEN }}"}

    ended = runner.step(inputs, event="pull_request", payload=_FORK)

    assert ended.code == 1
    assert "comes from `them/fork`" in ended.log
    assert "`command: plan`" in ended.log


def test_plans_without_a_token(runner: Runner) -> None:
    ended = runner.step(
        {"command": "plan", "adapter": ADAPTER}, event="pull_request", payload=_FORK
    )

    assert (ended.code, ended.outputs["status"]) == (0, "planned"), ended.log
    assert "would merge" in ended.log


def test_explains_a_secret_that_is_not_there(runner: Runner) -> None:
    inputs = {"adapter": ADAPTER, "to": "bot/of-nobody", "hf-token": "${{ secrets.HF_TOKEN }}"}

    ended = runner.step(inputs)

    assert (ended.code, ended.outputs["status"]) == (1, "failed")
    assert "the input `hf-token` is empty" in ended.log
    assert "https://huggingface.co/settings/tokens" in ended.log


def test_makes_one_release_and_publishes_it(runner: Runner, hub: LocalHub, github: Stub) -> None:
    inputs = {"adapter": ADAPTER, "to": "bot/released", "probe": "off"}
    secrets = {"HF_TOKEN": TOKEN, "GITHUB_TOKEN": GITHUB_TOKEN}
    ends = [
        runner.step(
            {**inputs, "release": show, "hf-token": "${{ secrets.HF_TOKEN }}"},
            secrets=secrets,
            env=on(github),
        )
        for show in ("draft", "publish")
    ]

    assert [e.code for e in ends] == [0, 0], ends[0].log + ends[1].log
    assert [e.outputs["status"] for e in ends] == ["merged", "unchanged"]
    (release,) = github.state.releases
    assert {e.outputs["release-url"] for e in ends} == {release["html_url"]}
    assert not release["draft"]
    assert hub.head("bot/released") in release["body"]
    names = {asset["name"] for asset in release["assets"]}
    assert names == {"SHA256SUMS", "merge_receipt.json", "report.html"}
    for ended in ends:
        assert GITHUB_TOKEN not in ended.log


def test_tells_a_pull_request_and_its_commit(runner: Runner, github: Stub) -> None:
    for _ in range(2):
        ended = runner.step(
            {"command": "plan", "adapter": ADAPTER, "tell": "comment, status, check"},
            event="pull_request",
            payload=_PULL,
            secrets={"GITHUB_TOKEN": GITHUB_TOKEN},
            env=on(github),
        )
        assert (ended.code, ended.outputs["status"]) == (0, "planned"), ended.log

    (comment,), (status,), (check,) = (
        github.state.comments[7],
        github.state.statuses["b" * 40],
        github.state.checks,
    )
    assert "planned" in comment["body"]
    assert (status["state"], check["conclusion"]) == ("success", "success")


def test_merges_what_an_event_says_was_pushed_and_nothing_else(
    runner: Runner, hub: LocalHub
) -> None:
    ended = runner.step(
        {"command": "sync", "hf-token": "${{ secrets.HF_TOKEN }}"},
        secrets={"HF_TOKEN": TOKEN},
        event="repository_dispatch",
        payload={"action": "adapter-pushed", "client_payload": {"adapter": ADAPTER}},
        merges=MERGES,
    )

    assert (ended.code, ended.outputs["status"]) == (0, "merged"), ended.log
    assert ended.outputs["merged-repo"] == "bot/of-the-list"
    assert ended.outputs["merged-revision"] == hub.head("bot/of-the-list")


@pytest.mark.parametrize("evil", ["*", HOSTILE, "bot/adapter/../../x"])
def test_takes_nothing_else_from_an_event(runner: Runner, evil: str) -> None:
    ended = runner.step(
        {"command": "sync"},
        event="repository_dispatch",
        payload={"action": "adapter-pushed", "client_payload": {"adapter": evil}},
        merges=MERGES,
    )

    assert (ended.code, ended.outputs["status"]) == (1, "failed"), ended.log
    assert not [*runner.root.rglob("pwned")]
    assert "❗  ::error::pwned" not in ended.log


def test_gives_what_is_due_as_a_matrix(runner: Runner) -> None:
    inputs = {"command": "sync", "matrix": "true", "only": "bot/never", "torch": "skip"}

    ended = runner.step(inputs, merges=MERGES)

    assert (ended.code, ended.outputs["status"]) == (0, "planned"), ended.log
    jobs = json.loads(ended.outputs["matrix"])["include"]
    assert [job["to"] for job in jobs] == ["bot/never"]


def test_tells_the_people_of_an_adapter_that_fails(runner: Runner, hub: LocalHub) -> None:
    ended = merge(runner, BROKEN, to="bot/of-broken", tell="discussion")

    assert (ended.code, ended.outputs["status"]) == (1, "failed")
    api = HfApi(endpoint=hub.url, token=TOKEN)
    (thread,) = api.get_repo_discussions(BROKEN)
    assert (thread.title, thread.status) == (TITLE, "open")


def test_obeys_no_name_of_an_adapter(runner: Runner) -> None:
    ended = merge(runner, HOSTILE_ADAPTER, to="bot/of-hostile")

    assert (ended.code, ended.outputs["status"]) == (1, "failed")
    assert "pwned" in ended.log
    assert not [*runner.root.rglob("pwned")]
    for line in ended.log.splitlines():
        assert "❗  ::error::pwned" not in line
        assert not line.rpartition("| ")[2].startswith(("::error::pwned", "##[error]pwned"))


def _inputs() -> list[str]:
    return list(yaml.safe_load((ROOT / "action.yml").read_text())["inputs"])


@pytest.mark.parametrize("names", [["adapter"], ["to"], ["torch"], ["torch-index-url"], _inputs()])
def test_does_nothing_that_a_value_says(runner: Runner, names: list[str]) -> None:
    evil = "${{ github.event.client_payload.evil }}"
    plain = {"adapter": ADAPTER, "to": TO, "command": "plan"}
    inputs = {**plain, **{n: evil for n in names if n != "python-version"}}
    if names == ["torch-index-url"]:
        inputs["torch"] = "cpu"

    ended = runner.step(
        inputs, event="repository_dispatch", payload={"client_payload": {"evil": HOSTILE}}
    )

    assert ended.code == 1, ended.log
    assert not [*runner.root.rglob("pwned")]
    assert ended.outputs.get("status", "") in {"", "failed"}
    assert "⚙  ::add-mask::" not in ended.log
    assert "❗  ::error::pwned" not in ended.log
