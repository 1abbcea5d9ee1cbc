"""Bases that are adapters: refused with the commands that merge such a chain, which are run here."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from adapter_merge.errors import Layout
from tests.bases.online import Online, commands
from tests.build import change_json, write_adapter, write_base, write_json
from tests.cli.conftest import Command


def names(adapter: str, base: str) -> None:
    """Write an adapter's folder that names this base."""
    write_adapter(Path(adapter), base_model_name_or_path=base)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_folders_are_merged_in_the_order_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command, length: int
) -> None:
    monkeypatch.chdir(tmp_path)
    write_base(Path("base"))
    chain = ["./base", *(f"./inner{n}" for n in range(length)), "./outer"]
    for base, adapter in pairwise(chain):
        names(adapter, base)
    refused = command("run", "./outer", "--to", "./out", "--probe", "off", "--json")
    assert refused.code == 4
    assert refused.report["error"]["type"] == "Layout"
    found = commands(refused.report["error"]["hint"])
    assert len(found) == length + 1
    for line in found:
        assert command(*line[1:], "--probe", "off").code == 0, line
    assert (tmp_path / "out" / "merge_receipt.json").is_file()


@pytest.mark.parametrize("config", [False, True], ids=["alone", "beside the base's config"])
def test_ids_are_told_in_the_order_that_works(online: Online, config: bool) -> None:
    online.base("org/base")
    online.adapter("org/first", "org/base")
    folder = write_adapter(online.place / "third", base_model_name_or_path="org/second")
    if config:
        write_json(folder / "config.json", {"model_type": "llama"})
    online.put("org/third", folder)
    online.adapter("org/second", "org/first")
    online.adapter("org/outer", "org/third")
    found = online.error("org/outer", to="org/merged")
    assert type(found) is Layout
    assert (
        "the base `org/third`, whose base is `org/second`, whose base is `org/first`"
        in found.message
    )
    assert commands(found.hint) == [
        ["adapter-merge", "run", "org/first", "--to", "./first-merged"],
        [
            "adapter-merge",
            "run",
            "org/second",
            "--base",
            "./first-merged",
            "--to",
            "./second-merged",
        ],
        [
            "adapter-merge",
            "run",
            "org/third",
            "--base",
            "./second-merged",
            "--to",
            "./third-merged",
        ],
        ["adapter-merge", "run", "org/outer", "--base", "./third-merged", "--to", "org/merged"],
    ]


def test_a_revision_and_a_given_base_stay(online: Online) -> None:
    online.base("org/base")
    online.adapter("org/inner", "org/base")
    online.adapter("org/outer", None)
    found = online.error("org/outer", base="hf://org/inner@main")
    assert commands(found.hint)[0] == [
        "adapter-merge",
        "run",
        "org/inner@main",
        "--to",
        "./inner-merged",
    ]


def test_results_never_meet(online: Online) -> None:
    online.adapter("one/x", "org/base")
    online.adapter("two/x", "one/x")
    online.adapter("org/outer", "two/x")
    found = online.error("org/outer", to="./x-merged")
    assert [c[-1] for c in commands(found.hint)] == ["./x-merged-2", "./x-merged-3", "./x-merged"]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_circle_is_refused(online: Online, length: int) -> None:
    repos = [f"org/a{n}" for n in range(length)]
    for repo, base in zip(repos, [*repos[1:], repos[0]], strict=True):
        online.adapter(repo, base)
        shutil.copytree(online.place / repo, repo.removeprefix("org/"))
        change_json(
            Path(repo.removeprefix("org/"), "adapter_config.json"),
            base_model_name_or_path=f"./{base.removeprefix('org/')}",
        )
    for first in (repos[0], "./a0"):
        found = online.error(first, to="./out")
        assert type(found) is Layout
        assert f"`{first}` leads in a circle" in found.message
        assert commands(found.hint) == [
            ["adapter-merge", "run", first, "--base", "./folder", "--to", "./out"]
        ]


def test_an_adapter_from_the_hub_never_leads_into_a_folder(online: Online) -> None:
    names("planted", "org/base")
    online.adapter("org/inner", str(Path("planted").resolve()))
    online.adapter("org/outer", "org/inner")
    found = online.error("org/outer")
    assert "planted" not in found.message + found.hint
    assert len(commands(found.hint)) == 2
