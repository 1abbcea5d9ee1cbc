"""The Action under act, from `uses: ./` to its outputs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from adapter_merge.localhub import LocalHub
from tests.action.conftest import ADAPTER, BROKEN, TOKEN
from tests.action.workflow import ROOT, Ended, Runner

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
    for ended in (first, again):
        assert Path(ended.outputs["receipt"]).is_file()
        assert Path(ended.outputs["report"], "report.html").is_file()
        assert len(Path(ended.outputs["checksums"]).read_text().splitlines()) == 3
        assert TOKEN not in ended.log
    assert "flowchart LR" in first.log


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
