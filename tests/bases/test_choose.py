"""A base that can't be taken as it is named: what the error says, and the command that it ends in."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from adapter_merge.errors import AdapterMergeError, NotFound, QuantisedBase, RequestError
from adapter_merge.ports import Surroundings
from adapter_merge.request import Request
from adapter_merge.sources import Sources
from adapter_merge.stages.resolve import resolve
from adapter_merge.written import read_written
from tests.build import (
    DOWN,
    UP,
    Case,
    base_tensors,
    change_json,
    write_adapter,
    write_base,
)
from tests.cli.conftest import Command

ID = "org/Llama-1B"


def sources(*adapters: str, cache: Path | None = None, **settings: object) -> Sources:
    request = Request.model_validate({"adapters": adapters or ("./adapter",), **settings})
    return resolve(request, around=Surroundings(cache=cache))


def error(*adapters: str, cache: Path | None = None, **settings: object) -> AdapterMergeError:
    with pytest.raises(AdapterMergeError) as caught:
        sources(*adapters, cache=cache, **settings)
    return caught.value


def writes(case: Case, name: object) -> None:
    """Let the adapter's config name a base."""
    change_json(case.adapter / "adapter_config.json", base_model_name_or_path=name)


def card(folder: Path, base: str) -> None:
    (folder / "README.md").write_text(f"---\nbase_model: {base}\n---\n")


def commands(hint: str) -> list[list[str]]:
    return [shlex.split(command) for command in re.findall(r"`((?:adapter-merge|hf) [^`]+)`", hint)]


@pytest.mark.parametrize(
    ("name", "kind", "said", "repo", "folder"),
    [
        (ID, RequestError, "Hub id", ID, "Llama-1B"),
        ("gpt2", RequestError, "Hub id", "gpt2", "gpt2"),
        ("unsloth/x-1b-bnb-4bit", RequestError, "quantised model", "unsloth/x-1b", "x-1b"),
        ("/data/org/Llama-1B", NotFound, "the end of a path", ID, "Llama-1B"),
        ("C:\\data\\org\\Llama-1B", RequestError, "not a folder", ID, "Llama-1B"),
        ("https://huggingface.co/org/Llama-1B", RequestError, "not a folder", ID, "Llama-1B"),
        # Only a name is known: nobody's repository is made up.
        ("./models/Llama-1B", NotFound, "the end of a path", None, "Llama-1B"),
        ("models/Llama-1B", RequestError, "who published it", None, "Llama-1B"),
        ("Llama-1B", RequestError, "who published it", None, "Llama-1B"),
        ("TheBloke/Llama-1B-GPTQ", RequestError, "quantised", None, "Llama-1B"),
        # Nothing is known.
        (None, RequestError, "names no base model", None, "folder"),
        ("", RequestError, "names no base model", None, "folder"),
        ("./", RequestError, "it wrote `./`", None, "folder"),
        ("unsloth_model", RequestError, "it wrote `unsloth_model`", None, "folder"),
        ("./models", NotFound, "no folder `./models`", None, "folder"),
    ],
)  # fmt: skip
def test_a_base_that_is_not_there(
    case: Case, name: str | None, kind: type[AdapterMergeError], said: str, repo: str | None, folder: str
) -> None:  # fmt: skip
    writes(case, name)
    found = error()
    assert type(found) is kind
    assert said in found.message
    assert name is None or name in found.message
    fetch = [["hf", "download", repo, "--local-dir", f"./{folder}"]] if repo else []
    run = ["adapter-merge", "run", "./adapter", "--base", f"./{folder}"]
    assert commands(found.hint) == [*fetch, run]


def test_the_field_may_be_missing(case: Case) -> None:
    config = json.loads((case.adapter / "adapter_config.json").read_text())
    del config["base_model_name_or_path"]
    (case.adapter / "adapter_config.json").write_text(json.dumps(config))
    assert "names no base model" in error().message


@pytest.mark.parametrize("folder", ["Llama-1B", "org/Llama-1B", "llama-1b", "../Llama-1B"], ids=str)
def test_a_folder_that_fits_is_named(case: Case, command: Command, folder: str) -> None:
    case.adapter.rename("../adapter")
    shutil.copytree(case.base, folder)
    change_json(Path("../adapter/adapter_config.json"), base_model_name_or_path="hf://org/Llama-1B")
    (found,) = commands(error("../adapter").hint)
    base = str(Path(folder).resolve()) if folder.startswith("..") else f"./{folder}"
    assert found == ["adapter-merge", "run", "../adapter", "--base", base]
    assert command(*found[1:]).code == 0
    assert command("plan", "../adapter", "--base", "auto", "--json").report["base"] == base


def test_a_folder_by_its_plain_name_is_asked_about(case: Case) -> None:
    writes(case, ID)
    shutil.copytree(case.base, ID)
    found = error()
    assert f"`{ID}`, which `./adapter` names as its base, is a folder here" in found.message
    assert [c[-1] for c in commands(found.hint)] == [f"./{ID}", f"hf://{ID}"]


def other_width(base: Path) -> None:
    narrow = {f"{m}.weight": np.ones((4, 4), np.float32) for m in (UP, DOWN)}
    write_base(base, narrow)


def quantised(base: Path) -> None:
    write_base(base, quantization_config={"bits": 4})


def packed(base: Path) -> None:
    write_base(base, {"model.layers.0.mlp.up_proj.weight": np.ones((96, 1), np.uint8)})


def not_safetensors(base: Path) -> None:
    write_base(base)
    (base / "model.safetensors").rename(base / "pytorch_model.bin")


def no_model(base: Path) -> None:
    base.mkdir()


@pytest.mark.parametrize("make", [other_width, quantised, packed, not_safetensors, no_model])
def test_a_folder_that_does_not_fit_is_not_named(case: Case, make: object) -> None:
    assert callable(make)
    writes(case, "unsloth/Llama-1B-bnb-4bit")
    make(Path("Llama-1B"))
    fetch, run = commands(error().hint)
    # The folder that stands there is somebody's: nothing is downloaded into it.
    assert fetch[-1] == run[-1] == "./Llama-1B-base"


def test_a_download_goes_on_where_it_began(case: Case) -> None:
    writes(case, ID)
    Path("Llama-1B/.cache/huggingface").mkdir(parents=True)
    assert commands(error().hint)[0][-1] == "./Llama-1B"


def test_neither_adapter_nor_target_is_a_base(case: Case) -> None:
    writes(case, "org/out")
    shutil.copytree(case.base, "out")
    found = error(to="./out")
    assert commands(found.hint)[0] == ["hf", "download", "org/out", "--local-dir", "./out-base"]


def test_cards_are_read_after_configs(case: Case) -> None:
    card(case.adapter, "unsloth/Llama-1B-bnb-4bit")
    found = error()
    assert "`unsloth/Llama-1B` (`base_model` in the card of `./adapter`, without" in found.message
    assert commands(found.hint)[0][2] == "unsloth/Llama-1B"
    writes(case, "first/Llama-1B-4bit")
    found = error()
    assert found.message.index("`first/Llama-1B`") < found.message.index("`unsloth/Llama-1B`")
    assert commands(found.hint)[0][2] == "first/Llama-1B"


@pytest.mark.parametrize(
    ("revision", "part"),
    [("v2", ["--revision", "v2"]), ("refs/pr/1", ["--revision", "refs/pr/1"]), ("main", []),
     (None, []), ("", []), ("/dev/zero", []), ("../x", []), ("a/../x", []), ("--token", []), ("a b", [])],
)  # fmt: skip
def test_the_revision_that_the_adapter_was_trained_on(
    case: Case, tmp_path: Path, revision: str | None, part: list[str]
) -> None:
    snapshot(tmp_path / "hub", ID, write_base(tmp_path / "other", {"x": np.ones(1)}), "a1")
    change_json(case.adapter / "adapter_config.json", base_model_name_or_path=ID, revision=revision)
    fetch, _ = commands(error(cache=tmp_path / "hub").hint)
    assert fetch == ["hf", "download", ID, *part, "--local-dir", "./Llama-1B"]


def test_a_revision_points_to_its_snapshot(case: Case, tmp_path: Path) -> None:
    change_json(case.adapter / "adapter_config.json", base_model_name_or_path=ID, revision="v2")
    snapshot(tmp_path / "hub", ID, case.base, "a1", ref="main")
    folder = snapshot(tmp_path / "hub", ID, case.base, "a2", ref="v2")
    (found,) = commands(error(cache=tmp_path / "hub").hint)
    assert found[-1] == str(folder)


def test_a_quantised_base_leads_to_what_it_was_made_from(case: Case) -> None:
    base = write_base(Path("x-bnb-4bit"), quantization_config={"bits": 4})
    card(base, ID)
    found = error(base="./x-bnb-4bit")
    assert type(found) is QuantisedBase
    assert "`quantization_config` in `config.json`" in found.message
    assert f"`{ID}` (`base_model` in the card of `./x-bnb-4bit`)" in found.message
    assert commands(found.hint)[0][2] == ID
    shutil.copytree(case.base, "Llama-1B")
    assert commands(error(base="./x-bnb-4bit").hint)[0][-1] == "./Llama-1B"


def test_a_base_of_packed_weights_is_quantised(case: Case) -> None:
    # Embeddings and norms stay as they were; in a small model they are most of the bytes.
    name = f"{UP}.weight"
    write_base(Path("Llama-1B-w4"), base_tensors() | {name: np.ones((24, 8), np.int8)})
    found = error(base="./Llama-1B-w4")
    assert type(found) is QuantisedBase
    assert f"(`{name}` and others hold I8)" in found.message


def test_a_mask_is_no_packed_weight(case: Case) -> None:
    mask = {"model.layers.0.attn.bias": np.ones((1, 1, 64, 64), np.uint8)}
    base = write_base(Path("tiny"), base_tensors() | mask)
    assert sources(base="./tiny").base.pinned.root.resolve() == base.resolve()


@pytest.mark.parametrize(("base", "kind"), [("./nowhere", NotFound), ("org/nowhere", RequestError)])
def test_a_given_base_that_is_not_there(
    case: Case, base: str, kind: type[AdapterMergeError]
) -> None:
    writes(case, ID)
    shutil.copytree(case.base, "Llama-1B")
    found = error(base=base)
    assert type(found) is kind
    assert f"`{base}`" in found.message
    assert commands(found.hint) == [["adapter-merge", "run", "./adapter", "--base", "./Llama-1B"]]


def test_adapters_that_disagree(case: Case) -> None:
    writes(case, ID)
    write_adapter(Path("second"), base_model_name_or_path="org/other")
    found = error("./adapter=0.5", "./second", to="./a b")
    assert "different bases: `org/Llama-1B`, `org/other`" in found.message
    assert commands(found.hint)[1] == [
        "adapter-merge", "run", "./adapter=0.5", "./second", "--base", "./Llama-1B", "--to", "./a b",
    ]  # fmt: skip


def test_an_adapter_that_names_no_base_agrees_with_the_others(case: Case) -> None:
    writes(case, str(case.base))
    write_adapter(Path("second"))
    assert sources("./adapter", "./second", to="./out").base.pinned.root == case.base


@pytest.mark.usefixtures("offline")
def test_the_verb_is_the_one_that_asked(case: Case, command: Command) -> None:
    writes(case, ID)
    shutil.copytree(case.base, "Llama-1B")
    asked = command("plan", "./adapter")
    assert "`adapter-merge plan ./adapter --base ./Llama-1B`" in asked.talk
    assert case.run(base="./Llama-1B").status == "merged"
    asked = command("check", "./out", "--adapter", "./adapter", "--json")
    (found,) = commands(asked.report["error"]["hint"])
    assert found[:3] == ["adapter-merge", "check", "./out"]
    assert command(*found[1:]).code == 0


def test_auto_takes_the_one_that_fits(case: Case) -> None:
    writes(case, ID)
    other_width(Path("Llama-1B"))
    shutil.copytree(case.base, ID)
    report = case.run(base="auto")
    assert report.status == "merged", report.error
    assert report.base is not None
    assert report.base.source == f"./{ID}"
    assert case.receipt().base.source == f"./{ID}"
    assert case.run(base=f"./{ID}").status == "unchanged"


@pytest.mark.parametrize("name", ["./base", "./old/../Llama-1B", "models/Llama-1B"])
def test_auto_takes_a_written_path_too(case: Case, name: str) -> None:
    writes(case, name)
    Path("old").mkdir()
    shutil.copytree(case.base, name)
    found = sources(base="auto").base.pinned
    assert found.root.resolve() == Path(name).resolve()
    assert found.source.startswith("./")


def test_a_written_id_comes_before_the_end_of_a_path(case: Case) -> None:
    writes(case, "/data/me/Llama-1B-tuned")
    assert commands(error().hint)[0][2] == "me/Llama-1B-tuned"
    assert error().hint.startswith("If `me/Llama-1B-tuned` on the Hub is it: ")
    card(case.adapter, ID)
    assert commands(error().hint)[0][2] == ID


def test_a_neighbour_of_a_written_path_is_found(case: Case) -> None:
    writes(case, str(case.base.parent / "Llama-1B-4bit"))
    case.base.rename(case.base.parent / "Llama-1B")
    (found,) = commands(error().hint)
    assert found[-1] == str(case.base.parent / "Llama-1B")


@pytest.mark.parametrize(
    "name", [f"./{'x' * 300}", "~nobody-of-this-name/x", "./a\0b", "a\0b", "./[31mx"], ids=ascii
)
def test_no_text_is_a_bug(case: Case, name: str) -> None:
    writes(case, name)
    assert commands(error().hint)
    assert commands(error(base="auto").hint)


def test_auto_asks_where_several_fit(case: Case) -> None:
    writes(case, ID)
    for folder in ("Llama-1B", ID):
        shutil.copytree(case.base, folder)
    found = error(base="auto")
    assert type(found) is RequestError
    assert "found 2 models that fit: `./org/Llama-1B`, `./Llama-1B`" in found.message
    assert [c[-1] for c in commands(found.hint)] == [f"./{ID}", "./Llama-1B"]


@pytest.mark.parametrize(("name", "last"), [(ID, "./Llama-1B"), (None, "./folder")])
def test_auto_finds_nothing(case: Case, name: str | None, last: str) -> None:
    writes(case, name)
    found = error(base="auto")
    assert type(found) is NotFound
    assert commands(found.hint)[-1] == ["adapter-merge", "run", "./adapter", "--base", last]


def snapshot(cache: Path, repo: str, base: Path, revision: str, *, ref: str | None = None) -> Path:
    """A snapshot as the Hub's client leaves it: links into `blobs`."""
    home = cache / f"models--{repo.replace('/', '--')}"
    folder = home / "snapshots" / revision
    folder.mkdir(parents=True)
    (home / "blobs").mkdir(exist_ok=True)
    for number, file in enumerate(sorted(base.iterdir())):
        blob = home / "blobs" / f"{revision}{number}"
        shutil.copyfile(file, blob)
        (folder / file.name).symlink_to(blob)
    if ref is not None:
        (home / "refs").mkdir(exist_ok=True)
        (home / "refs" / ref).write_text(revision)
    return folder


def test_the_cache_of_the_hub(case: Case, tmp_path: Path) -> None:
    writes(case, "unsloth/Llama-1B-bnb-4bit")
    cache = tmp_path / "hub"
    snapshot(cache, "other/Llama-1B", case.base, "a1")
    assert commands(error(cache=cache).hint)[0][0] == "hf"
    wanted = snapshot(cache, "unsloth/Llama-1B", case.base, "b1")
    snapshot(cache, "unsloth/Llama-1B", case.base, "b2")
    assert len(commands(error(cache=cache).hint)) == 2
    snapshot(cache, "unsloth/Llama-1B", case.base, "b3", ref="main")
    (found,) = commands(error(cache=cache).hint)
    assert found[-1] == str(wanted.with_name("b3"))
    assert sources(cache=cache, base="auto").base.pinned.root == wanted.with_name("b3")


def test_a_lone_name_may_have_any_owner_in_the_cache(case: Case, tmp_path: Path) -> None:
    writes(case, "./models/Llama-1B")
    folder = snapshot(tmp_path / "hub", "some/Llama-1B", case.base, "a1")
    assert commands(error(cache=tmp_path / "hub").hint)[0][-1] == str(folder)


@pytest.mark.parametrize(
    ("variable", "below"),
    [("HF_HUB_CACHE", ""), ("HF_HOME", "hub"), ("XDG_CACHE_HOME", "huggingface/hub")],
)
def test_the_entry_says_where_the_cache_is(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command, variable: str, below: str
) -> None:  # fmt: skip
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "cache"))
    writes(case, ID)
    folder = snapshot(tmp_path / "cache" / below, ID, case.base, "a1", ref="main")
    planned = command("plan", "./adapter", "--base", "auto", "--json")
    assert planned.report["base"] == str(folder)


@pytest.mark.corpus
def test_every_real_config_ends_in_a_command(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcomes: dict[str, set[str]] = {}
    for number, path in enumerate(sorted((corpus / "adapter_configs").glob("*.json"))):
        adapter = write_adapter(Path(str(number)))
        shutil.copyfile(path, adapter / "adapter_config.json")
        found = error(f"./{number}")
        listed = commands(found.hint)
        if not listed:
            outcomes.setdefault(type(found).__name__, set()).add(found.message)
            continue
        assert listed[-1][:4] == ["adapter-merge", "run", f"./{number}", "--base"]
        what = listed[0][2] if len(listed) == 2 else listed[0][-1]
        outcomes.setdefault("download" if len(listed) == 2 else "name", set()).add(what)
    assert outcomes["Corrupt"] == {"`adapter_config.json` is a Git LFS pointer"}
    assert outcomes["name"] == {
        "./Llama-3-8B-instruct", "./Meta-Llama-3-8B-Instruct", "./chatglm2-6b", "./folder",
        "./gemma3-270m-it", "./internlm-chat-7b", "./llama-3.2-3b-base", "./paligemma-3b-mix-448",
        "./phi-3-mini",
    }  # fmt: skip
    ownerless = {"bert-base-uncased", "distilbert-base-uncased", "gpt2", "t5-small"}
    assert {repo for repo in outcomes["download"] if "/" not in repo} == ownerless
    assert {"unsloth/llama-3.2-3b-instruct", "unsloth/Qwen2.5-7B-Instruct"} < outcomes["download"]
    assert not any(b.quantised for repo in outcomes["download"] if (b := read_written(repo)))
    assert len(outcomes["download"]) == 30
