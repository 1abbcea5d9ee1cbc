"""What a user can get wrong, by the real command line: class, exit code, a hint, and nothing left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from adapter_merge import errors
from tests.build import (
    DOWN,
    PREFIX,
    UP,
    Case,
    Tensors,
    change,
    change_json,
    debris,
    entry,
    make_case,
    pack,
    shard,
)

Spoil = Callable[[Case], object]
A_OF_UP, B_OF_UP = (f"{PREFIX}{UP}.lora_{part}.weight" for part in "AB")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


def weights(case: Case) -> Path:
    return case.base / "model.safetensors"


def factors(case: Case) -> Path:
    return case.adapter / "adapter_model.safetensors"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def rewrite_header(path: Path, header: object, data: bytes = b"") -> None:
    path.write_bytes(pack(header, data))


def overlap(case: Case) -> None:
    header = {"a": entry("U8", [8], 0, 8), "b": entry("U8", [8], 4, 12)}
    rewrite_header(weights(case), header, bytes(12))


def other_base(case: Case) -> None:
    change(weights(case), lambda t: t.update({n.replace("mlp", "ffn"): t.pop(n) for n in list(t)}))


def half_a_pair(case: Case) -> None:
    change(factors(case), lambda t: t.pop(B_OF_UP))


def homeless(case: Case) -> None:
    change(factors(case), lambda t: t.update({f"{PREFIX}model.gone.weight": t[A_OF_UP]}))


def unknown_name(case: Case) -> None:
    change(factors(case), lambda t: t.update({"unet.lora_A.weight": t[A_OF_UP]}))


def other_width(case: Case) -> None:
    wide = {A_OF_UP: np.ones((4, 9), np.float32)}
    change(factors(case), lambda t: t.update(wide))


def two_homes(case: Case) -> None:
    def split(tensors: Tensors) -> None:
        for name in [n for n in tensors if "mlp" in n]:
            value = tensors.pop(name)
            tensors |= {name.removeprefix("model."): value, f"model.{name}": value}

    change(weights(case), split)


def nan(case: Case) -> None:
    change(factors(case), lambda t: t[A_OF_UP].__setitem__((0, 0), np.nan))


def missing_shard(case: Case) -> None:
    shard(case.base)
    (case.base / "model-00002-of-00002.safetensors").unlink()


def only_pickles(case: Case) -> None:
    weights(case).rename(case.base / "pytorch_model.bin")


def index_and_single(case: Case) -> None:
    content = weights(case).read_bytes()
    shard(case.base)
    weights(case).write_bytes(content)


def chain(case: Case) -> None:
    (case.base / "config.json").rename(case.base / "adapter_config.json")


def below(case: Case) -> None:
    inner = case.adapter / "checkpoint-5"
    inner.mkdir()
    (case.adapter / "adapter_config.json").rename(inner / "adapter_config.json")


def json_of(case: Case, name: str, text: str) -> None:
    folder = case.adapter if name.startswith("adapter") else case.base
    (folder / name).write_text(text)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
FAULTS: dict[str, tuple[Spoil, str, str]] = {
    # 3: an input can't be read
    "no config": (lambda c: (c.base / "config.json").unlink(), "NotFound", "config.json"),
    "no weights": (lambda c: weights(c).unlink(), "NotFound", "model.safetensors"),
    "no adapter config": (lambda c: (c.adapter / "adapter_config.json").unlink(), "NotFound", "no adapter"),
    "no adapter weights": (lambda c: factors(c).unlink(), "NotFound", "adapter_model.safetensors"),
    "missing shard": (missing_shard, "NotFound", "00002"),
    "adapters below": (below, "NotFound", "checkpoint-5"),
    "pickles": (only_pickles, "NotSafetensors", "pytorch_model.bin"),
    "truncated": (lambda c: truncate(weights(c)), "Corrupt", "model.safetensors"),
    "truncated adapter": (lambda c: truncate(factors(c)), "Corrupt", "adapter_model.safetensors"),
    "header of 10 GB": (
        lambda c: weights(c).write_bytes((10**10).to_bytes(8, "little") + b"{}"), "Corrupt", "10000000000"),
    "overlap": (overlap, "Corrupt", "overlaps"),
    "pointer": (lambda c: weights(c).write_text(POINTER), "Corrupt", "LFS"),
    "pointer as config": (lambda c: json_of(c, "adapter_config.json", POINTER), "Corrupt", "LFS"),
    "a list as config": (lambda c: json_of(c, "config.json", "[1]"), "Corrupt", "config.json"),
    "a list as adapter config": (lambda c: json_of(c, "adapter_config.json", "[1]"), "Corrupt", "object"),
    "no JSON": (lambda c: json_of(c, "config.json", "{"), "Corrupt", "config.json"),
    "rank that is none": (lambda c: change_json(c.adapter / "adapter_config.json", r="x"), "Corrupt", "`r`"),
    # 4: the inputs are fine, and not merged
    "other method": (
        lambda c: change_json(c.adapter / "adapter_config.json", peft_type="XLORA"), "AdapterKind", "XLORA"),
    "no method": (
        lambda c: change_json(c.adapter / "adapter_config.json", peft_type=None), "AdapterKind", "peft_type"),
    "aLoRA": (
        lambda c: change_json(c.adapter / "adapter_config.json", alora_invocation_tokens=[1]), "AdapterKind", "aLoRA"),
    "DoRA on a class that can't be built": (
        lambda c: change_json(c.adapter / "adapter_config.json", use_dora=True), "AdapterKind", "PEFT's layers"),
    "option from the future": (
        lambda c: change_json(c.adapter / "adapter_config.json", use_tomorrow=1), "AdapterKind", "use_tomorrow"),
    "remote code": (
        lambda c: change_json(c.base / "config.json", auto_map={"AutoModel": "m.M"}), "RemoteCode", "auto_map"),
    "quantised": (
        lambda c: change_json(c.base / "config.json", quantization_config={"bits": 4}), "QuantisedBase", "quantis"),
    "two weight sets": (index_and_single, "Layout", "index"),
    "a chain": (chain, "Layout", "adapter"),
    # 5: adapter and base don't fit
    "another base": (other_base, "MissingTarget", UP),
    "half a pair": (half_a_pair, "Unclaimed", UP),
    "a tensor with no home": (homeless, "MissingTarget", "model.gone"),
    "a name of nobody": (unknown_name, "Unclaimed", "unet"),
    "another width": (other_width, "ShapeMismatch", UP),
    "another rank": (
        lambda c: change_json(c.adapter / "adapter_config.json", r=3), "ShapeMismatch", "rank 3"),
    "two homes": (two_homes, "Ambiguous", "leaves out `model.`"),
    # 6: computing failed
    "NaN": (nan, "NotFinite", "NaN"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_error(case: Case, fault: str) -> None:
    spoil, kind, part = FAULTS[fault]
    spoil(case)
    report = case.run()
    assert report.status == "failed"
    assert report.error is not None
    assert report.error.type == kind, report.error
    assert report.error.code == getattr(errors, kind).exit_code
    assert part in report.error.message
    assert report.error.hint.endswith(".")
    assert not case.to.exists()
    assert debris(case.to.parent) == []


@pytest.mark.parametrize(
    ("settings", "kind", "part"),
    [
        ({"adapters": ("gpt2",)}, "NotFound", "HF_HUB_OFFLINE"),
        ({"base": "org/name"}, "NotFound", "HF_HUB_OFFLINE"),
        ({"to": "org/name"}, "RequestError", "HF_HUB_OFFLINE"),
        ({"to": "merged"}, "RequestError", "owner"),
        ({"base": None}, "RequestError", "names no base"),
        ({"base": "./nowhere"}, "NotFound", "nowhere"),
        ({"probe": "require"}, "CheckFailed", "it needs a tokenizer"),
        ({"probe": "auto", "probes": "./nowhere.json"}, "RequestError", "nowhere.json"),
        ({"device": "cuda:99"}, "RequestError", "cuda:99"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("offline")
def test_each_wrong_setting_has_its_error(
    case: Case, settings: dict[str, object], kind: str, part: str
) -> None:
    error = case.run(None, **settings).error
    assert error is not None
    assert (error.type, error.code) == (kind, getattr(errors, kind).exit_code)
    assert part in error.message + error.hint
    assert error.hint


@pytest.mark.parametrize("spot", ["base", "base/inside", "adapter", ".", "base/config.json"])
def test_target_and_sources_stay_apart(case: Case, spot: str) -> None:
    error = case.run(to=str(case.base.parent / spot), overwrite=True).error
    assert error is not None
    assert (error.type, error.code) == ("RequestError", 2)
    assert (case.base / "config.json").exists()


def test_a_file_is_no_folder(case: Case) -> None:
    error = case.run(base=str(case.base / "config.json")).error
    assert error is not None
    assert (error.type, error.code) == ("RequestError", 2)


def test_a_folder_that_could_be_an_id(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.base.parent)
    error = case.run(base="base").error
    assert error is not None
    assert error.code == 2
    assert "--base ./base " in error.hint
    assert "--base hf://base " in error.hint


def test_a_foreign_target_is_left_alone(case: Case) -> None:
    case.to.mkdir()
    (case.to / "thesis.tex").write_text("years of work")
    error = case.run().error
    assert error is not None
    assert (error.type, error.code) == ("TargetNotOurs", 8)
    assert [p.name for p in case.to.iterdir()] == ["thesis.tex"]
    assert case.run(overwrite=True).status == "merged"
    assert not (case.to / "thesis.tex").exists()


@pytest.mark.parametrize("extra", ["notes.txt", ".git/HEAD", "folder/file"])
def test_a_file_that_somebody_added_makes_the_target_foreign(case: Case, extra: str) -> None:
    assert case.run().status == "merged"
    (case.to / extra).parent.mkdir(exist_ok=True)
    (case.to / extra).write_text("mine")
    error = case.run().error
    assert error is not None
    assert error.type == "TargetNotOurs"
    assert (case.to / extra).read_text() == "mine"


def test_the_base_of_a_folder_adapter_may_be_a_path(case: Case) -> None:
    change_json(case.adapter / "adapter_config.json", base_model_name_or_path=str(case.base))
    assert case.run(base=None).status == "merged"


def test_adapters_of_two_bases_need_a_decision(case: Case, tmp_path: Path) -> None:
    other = make_case(tmp_path / "other")
    for each in (case, other):
        change_json(each.adapter / "adapter_config.json", base_model_name_or_path=str(each.base))
    error = case.run(base=None, adapters=(str(case.adapter), str(other.adapter))).error
    assert error is not None
    assert error.type == "RequestError"
    assert str(other.base) in error.message


def test_two_adapters_that_save_the_same_module(case: Case, tmp_path: Path) -> None:
    other = make_case(tmp_path / "other")
    head = {f"{PREFIX}lm_head.weight": np.ones((12, 8), np.float32)}
    for each in (case, other):
        change(factors(each), lambda t: t.update(head))
    error = case.run(adapters=(str(case.adapter), str(other.adapter))).error
    assert error is not None
    assert (error.type, error.code) == ("AdapterKind", 4)
    assert "lm_head" in error.message


@pytest.mark.parametrize("fault", ["no config", "other method", "half a pair", "NaN"])
def test_the_command_line_ends_with_the_code(case: Case, fault: str) -> None:
    spoil, kind, _ = FAULTS[fault]
    spoil(case)
    command = [sys.executable, "-m", "adapter_merge", "run", str(case.adapter), "--json"]
    done = subprocess.run(
        [*command, "--base", str(case.base), "--to", str(case.to)], capture_output=True, check=False
    )
    report = json.loads(done.stdout)
    assert done.returncode == report["error"]["code"] == getattr(errors, kind).exit_code
    assert report["error"]["type"] == kind
    assert report["error"]["hint"] in " ".join(done.stderr.decode().split())


def test_a_base_below_a_link_is_still_inside(case: Case, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(case.base)
    error = case.run(to=str(link / "merged")).error
    assert error is not None
    assert error.type == "RequestError"


def test_names_that_the_file_has_twice(case: Case) -> None:
    bare = {f"{PREFIX}{DOWN}.{p}weight": np.ones((8, 24), np.float32) for p in ("", "base_layer.")}
    change(factors(case), lambda t: t.update(bare))
    error = case.run().error
    assert error is not None
    assert error.type == "Unclaimed"


def test_weights_that_change_while_they_are_read(case: Case) -> None:
    import os

    from adapter_merge.stages.draft import draft
    from adapter_merge.stages.merge import merge
    from adapter_merge.stages.resolve import resolve

    request = case.request()
    sources = resolve(request)
    plan = draft(request, sources)
    os.truncate(weights(case), weights(case).stat().st_size - 64)
    case.to.mkdir()
    with pytest.raises(errors.ShortRead, match="changed while the merge ran"):
        merge(plan, sources, case.to, workers=1, device="cpu", advance=lambda _: None)


def test_a_missing_base_names_the_command_to_come(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    change_json(case.adapter / "adapter_config.json", base_model_name_or_path="./not/here")
    error = case.run(base=None).error
    assert error is not None
    assert error.type == "NotFound"
