"""What `resolve` says where a ref leads to no adapter or to no folder; bases have tests of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from adapter_merge.errors import AdapterMergeError, NotFound, RequestError
from adapter_merge.request import Request
from adapter_merge.stages.resolve import resolve
from tests.build import Case, make_case


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
