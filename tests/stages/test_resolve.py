"""What `resolve` says where a ref leads to no adapter or to no folder; bases have tests of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from adapter_merge.bases import Verb
from adapter_merge.errors import AdapterMergeError, NotFound, RequestError, RevisionMissing
from adapter_merge.request import Request
from adapter_merge.stages.resolve import resolve
from tests.bases.online import Online, card
from tests.build import Case, make_case, write_adapter


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.chdir(tmp_path)
    return make_case(tmp_path)


def error(**settings: object) -> AdapterMergeError:
    wanted = {"adapters": ("./adapter",), "base": "./base", "to": "./out"}
    with pytest.raises(AdapterMergeError) as caught:
        resolve(Request.model_validate({**wanted, **settings}))
    return caught.value


def test_several_adapters_and_none_at_the_root(case: Case) -> None:
    for name in ("checkpoint-500", "checkpoint-1000", "checkpoint-60"):
        shutil.copytree(case.adapter, Path("runs a", name))
    found = error(adapters=("./runs a/",))
    assert type(found) is NotFound
    listed = [found.message.index(f"`./runs a/checkpoint-{n}`") for n in (60, 500, 1000)]
    assert listed == sorted(listed)
    assert "`adapter-merge run './runs a/checkpoint-1000'`" in found.hint


@pytest.mark.parametrize(
    ("verb", "words"),
    [("run", "adapter-merge run"), ("plan", "adapter-merge plan"), ("check", "--adapter")],
)
def test_the_hint_for_several_adapters_repeats_the_verb(case: Case, verb: Verb, words: str) -> None:
    shutil.copytree(case.adapter, Path("runs", "last"))
    request = Request.model_validate({"adapters": ("./runs",), "base": "./base", "to": "./out"})
    with pytest.raises(NotFound) as caught:
        resolve(request, verb=verb)
    assert f"`{words} ./runs/last`" in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"adapters": ("org/a",)}, "`hf download org/a --local-dir ./a`, then name `./a`."),
        (
            {"adapters": ("hf://org/a@v1/sub/b",)},
            "`hf download org/a --revision v1 --local-dir ./a`, then name `./a/sub/b`.",
        ),
        ({"to": "org/merged"}, "Merge into a folder with `--to ./merged`."),
    ],
    ids=str,
)
def test_a_hub_id_becomes_a_folder(case: Case, settings: dict[str, object], hint: str) -> None:
    found = error(**settings)
    assert type(found) is RequestError
    assert "Hub id" in found.message
    assert found.hint == hint


@pytest.mark.parametrize("setting", ["adapters", "to"])
def test_a_folder_that_could_be_an_id_has_two_spellings(case: Case, setting: str) -> None:
    Path("org/a").mkdir(parents=True)
    value = ("org/a",) if setting == "adapters" else "org/a"
    found = error(**{setting: value})
    assert type(found) is RequestError
    assert found.hint == "Write `./org/a` for the folder, or `hf://org/a` for the repository."


@pytest.mark.parametrize("start", ["", "hf://"])
def test_several_adapters_on_a_hub_and_none_at_the_root(online: Online, start: str) -> None:
    for name in ("checkpoint-500", "checkpoint-1000", "last"):
        write_adapter(online.place / "runs" / name)
    online.put("org/name", online.place / "runs")
    online.put("tiny", online.place / "runs")
    online.base("org/base")
    found = online.error(f"{start}org/name", base="org/base")
    assert type(found) is NotFound
    for name in ("checkpoint-500", "checkpoint-1000", "last"):
        assert f"`{start}org/name/{name}`" in found.message
    assert f"`adapter-merge run {start}org/name/checkpoint-1000`" in found.hint
    sources = online.resolve(f"{start}org/name/checkpoint-500", base="org/base")
    assert sources.adapters[0].pinned.subfolder == "checkpoint-500"
    # Of an id of one word the folder would be read as its name.
    assert "`tiny@main/last`" in online.error("tiny", base="org/base").message
    lone = online.resolve("tiny@main/last", base="org/base").adapters[0].pinned
    assert (lone.repo, lone.subfolder) == ("tiny", "last")


def test_a_folder_and_an_id_have_two_spellings_and_both_work(online: Online) -> None:
    online.base("org/base")
    online.adapter("org/a", "org/base", r=4)
    write_adapter(Path("org/a"), base_model_name_or_path="org/base")
    found = online.error("org/a")
    assert found.hint == "Write `./org/a` for the folder, or `hf://org/a` for the repository."
    assert online.resolve("./org/a").adapters[0].pinned.repo is None
    assert online.resolve("hf://org/a").adapters[0].pinned.repo == "org/a"


def test_a_revision_is_pinned_with_one_call(online: Online) -> None:
    online.hub.add_user("org", "hf_org")
    api = HfApi(endpoint=online.hub.url, token="hf_org")
    first = online.adapter("org/a", "org/base")
    online.base("org/base")
    api.create_tag("org/a", tag="v1")
    api.create_branch("org/a", branch="next")
    heads = {"v1": first, first: first}
    for revision, proposed in (("next", False), ("refs/pr/1", True)):
        added = CommitOperationAdd("README.md", card("org/base").encode())
        made = api.create_commit(
            "org/a", [added], commit_message="card", create_pr=proposed,
            revision=None if proposed else revision,
        )  # fmt: skip
        heads[revision] = made.oid
    for revision, head in heads.items():
        before = len(online.hub.requests)
        pinned = online.resolve(f"org/a@{revision}").adapters[0].pinned
        assert (pinned.commit, pinned.repo) == (head, "org/a")
        lines = [r.path for r in online.hub.requests[before:]]
        for repo in ("org/a", "org/base"):
            pins = [p for p in lines if p.startswith(f"/api/models/{repo}") and "/tree/" not in p]
            assert len(pins) == 1, pins
            # What follows names the commit: a branch that moves now makes no difference.
            rest = [p for p in lines if repo in p and p not in pins]
            commit = head if repo == "org/a" else online.hub.head("org/base")
            assert rest
            assert all(commit in p for p in rest), rest
    found = online.error("org/a@gone")
    assert type(found) is RevisionMissing
    assert "`gone`" in found.message
