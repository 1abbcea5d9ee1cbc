"""Pickles: what is only tensors is converted and merges as its safetensors do; what asks for more is refused."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from adapter_merge import assemble
from adapter_merge.adapters.hollow import taken
from adapter_merge.errors import AdapterMergeError, MergeError, NotSafetensors
from adapter_merge.folder import ADAPTER_PICKLE, ADAPTER_WEIGHTS
from adapter_merge.pickles import Converter, convert, program
from adapter_merge.stages.resolve import resolve
from tests.build import Case, make_case
from tests.cli.conftest import Command, command
from tests.encoders.models import make

__all__ = ["command"]


class Bomb:
    """What runs code where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def pickled(case: Case, **options: Any) -> Path:
    """The case's adapter, its weights as a pickle alone."""
    weights = case.adapter / ADAPTER_WEIGHTS
    torch.save(load_file(weights), case.adapter / ADAPTER_PICKLE, **options)
    weights.unlink()
    return case.adapter / ADAPTER_PICKLE


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A case; what is converted is kept below `tmp_path`."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return make_case(tmp_path)


def kept(case: Case) -> list[str]:
    place = case.base.parent / "home" / "adapter-merge" / "converted"
    return sorted(p.name for p in place.iterdir()) if place.exists() else []


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_pickle_merges_as_its_safetensors_do(case: Case, *, legacy: bool) -> None:
    assert case.run().status == "merged"
    plain, merged = case.receipt(), load_file(case.to / "model.safetensors")
    pickled(case, _use_new_zipfile_serialization=not legacy)
    report = case.run(allow_pickle=True)
    assert (report.status, report.error) == ("merged", None)
    found = load_file(case.to / "model.safetensors")
    assert all(torch.equal(found[n], merged[n]) for n in merged)
    receipt = case.receipt()
    assert receipt.recipe != plain.recipe
    assert set(receipt.adapters[0].digests) == {"adapter_config.json", ADAPTER_PICKLE}
    assert receipt.settings["allow_pickle"] == "true"
    (change,) = (c for c in receipt.changes if "pickle" in c.why)
    assert (change.before, change.after) == ("a pickle", "safetensors")
    card = (case.to / "README.md").read_text()
    assert "converted from a pickle" in card
    assert "--allow-pickle" in card
    assert case.run(allow_pickle=True).status == "unchanged"
    assert len(kept(case)) == 1


def test_without_leave_it_is_refused_with_the_option(case: Case) -> None:
    pickled(case)
    error = case.run().error
    assert error is not None
    assert (error.type, error.code) == ("NotSafetensors", 3)
    assert "--allow-pickle" in error.hint
    assert kept(case) == []


def test_a_bundle_gets_safetensors(case: Case) -> None:
    pickled(case)
    report = case.run(allow_pickle=True, layout="bundled", ignore=("F009",))
    assert report.error is None
    assert (case.to / ADAPTER_WEIGHTS).exists()
    assert not (case.to / ADAPTER_PICKLE).exists()


def test_loaders_are_asked_with_what_was_converted(case: Case, tmp_path: Path) -> None:
    """In the adapter's own folder no safetensors lie, and its pickle is nothing for this process."""
    base, adapter = make("causal", tmp_path / "causal")
    real = Case(base=base, adapter=adapter, to=case.to)
    pickled(real)
    around = assemble.this_machine().around
    sources = resolve(real.request(allow_pickle=True), around=around)
    found = taken(sources.adapters[0], sources.base)
    assert (found.by, found.why) == ("LlamaForCausalLM", "")


@pytest.mark.slow
def test_a_model_is_run_with_what_was_converted(case: Case, tmp_path: Path) -> None:
    base, adapter = make("causal", tmp_path / "causal")
    real = Case(base=base, adapter=adapter, to=case.to)
    pickled(real)
    report = real.run(allow_pickle=True, probe="require")
    assert (report.status, report.error) == ("merged", None)
    assert report.probe is not None
    assert report.probe.ran


def test_plan_and_check_convert_too_and_need_leave(case: Case, command: Command) -> None:
    pickled(case)
    sources = ("--base", str(case.base))
    line = ("plan", str(case.adapter), *sources, "--to", str(case.to))
    assert command(*line).code == 3
    planned = command(*line, "--allow-pickle", "--json")
    assert planned.code == 0
    assert "pickle" in json.dumps(planned.report["changes"])
    assert case.run(allow_pickle=True).status == "merged"
    against = ("check", str(case.to), *sources, "--adapter", str(case.adapter), "--probe", "off")
    assert command(*against, "--allow-pickle").code == 0
    assert command(*against).code == 3


def test_a_base_that_is_a_pickle_stays_refused(case: Case) -> None:
    torch.save(load_file(case.base / "model.safetensors"), case.base / "pytorch_model.bin")
    (case.base / "model.safetensors").unlink()
    error = case.run(allow_pickle=True).error
    assert error is not None
    assert (error.type, error.code) == ("NotSafetensors", 3)


def _bomb(path: Path) -> None:
    torch.save({"x": Bomb(path.with_name("mark"))}, path)


def _bare_bomb(path: Path) -> None:
    path.write_bytes(pickle.dumps(Bomb(path.with_name("mark"))))


def _view(path: Path) -> None:
    """A pickle of a kilobyte whose tensor has 4 TB."""
    torch.save({"x": torch.zeros(1).expand(1_000_000, 1_000_000)}, path)


def _nested(path: Path) -> None:
    torch.save({"state_dict": {"x": torch.zeros(1)}}, path)


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "code": (_bomb, "asks for `posix.mkdir`, which is code"),
    "code alone": (_bare_bomb, "can't read it|asks for `posix.mkdir`"),
    "a table of tables": (_nested, "'state_dict' in it is no plain tensor"),
    "a list": (lambda p: torch.save([torch.zeros(1)], p), "something else than tensors"),
    "nothing": (lambda p: torch.save({}, p), "something else than tensors"),
    "numbers for names": (lambda p: torch.save({1: torch.zeros(1)}, p), "1 in it is no plain"),
    "sparse": (lambda p: torch.save({"x": torch.eye(2).to_sparse()}, p), "'x' in it is no plain"),
    "a view of endless size": (_view, "can't be written|too much memory"),
    "no pickle": (lambda p: p.write_bytes(b"nothing"), "can't read it as weights alone"),
    "an empty file": (lambda p: p.write_bytes(b""), "can't read it as weights alone"),
    "a pointer": (
        lambda p: p.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"),
        "can't",
    ),
}


# What has to be held by limits, or by a process of its own; the others are asked of its code here.
IN_A_CHILD = {"code", "a view of endless size"}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("odd", ODD)
def test_more_than_tensors_is_refused(odd: str, tmp_path: Path) -> None:
    write, words = ODD[odd]
    source = tmp_path / ADAPTER_PICKLE
    write(source)
    if odd in IN_A_CHILD:
        with pytest.raises(NotSafetensors, match=words) as caught:
            Converter(place=tmp_path / "kept")(source, label="org/adapter")
        assert list((tmp_path / "kept").iterdir()) == []
        said = f"{caught.value} {caught.value.hint}"
    else:
        said = program.mistake(source, tmp_path / "made") or ""
        assert re.search(words, said)
    assert "weights_only=False" not in said
    assert said.isprintable()
    assert not (tmp_path / "mark").exists()


def test_a_bomb_is_one(tmp_path: Path) -> None:
    """What the test above holds back would have gone off."""
    _bare_bomb(tmp_path / "x")
    pickle.loads((tmp_path / "x").read_bytes())  # noqa: S301
    assert (tmp_path / "mark").is_dir()


def test_tensors_that_share_their_bytes_come_apart(tmp_path: Path) -> None:
    whole = torch.arange(6.0).reshape(2, 3)
    torch.save({"a": whole, "b": whole[1], "c": whole.T}, tmp_path / "x.bin")
    found = load_file(Converter(place=tmp_path / "kept")(tmp_path / "x.bin", label="a"))
    assert torch.equal(found["b"], whole[1])
    assert torch.equal(found["c"], whole.T)


def test_what_was_converted_is_kept_by_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pickle_, converter = tmp_path / "x.bin", Converter(place=tmp_path / "kept")
    torch.save({"a": torch.zeros(2)}, pickle_)
    first = converter(pickle_, label="a")
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "run", None)  # no child is started
        assert converter(pickle_, label="a") == first
    first.write_bytes(b"half a fil")
    assert load_file(converter(pickle_, label="a")).keys() == {"a"}
    torch.save({"b": torch.zeros(2)}, pickle_)
    assert load_file(converter(pickle_, label="a")).keys() == {"b"}


def test_an_old_torch_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "x.bin")
    for found in ("2.5.1+cpu", "1.13.0"):
        monkeypatch.setattr(convert, "version", lambda _name, found=found: found)
        with pytest.raises(MergeError, match="doesn't read a pickle safely"):
            Converter(place=tmp_path / "kept")(tmp_path / "x.bin", label="a")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.abort()", "ended with -6 and no word"),
        ("import time; time.sleep(60)", "takes more than"),
    ],
)
def test_a_child_that_dies_or_hangs_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    real = subprocess.run
    monkeypatch.setattr(convert, "_SECONDS", 1)
    other = [sys.executable, "-c", code]
    monkeypatch.setattr(subprocess, "run", lambda _line, **told: real(other, **told))
    (tmp_path / "x.bin").write_bytes(b"x")
    with pytest.raises(AdapterMergeError, match=words):
        Converter(place=tmp_path / "kept")(tmp_path / "x.bin", label="a")
    assert list((tmp_path / "kept").iterdir()) == []


def test_the_child_knows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("HF_TOKEN", "HF_WRITE_TOKEN", "GITHUB_TOKEN", "HTTPS_PROXY", "HOME", "HF_HOME")
    for name in secrets:
        monkeypatch.setenv(name, "s3cret")
    seen = "sorted(n for n, v in os.environ.items() if v == 's3cret')"
    code = f"import json, os; open('answer', 'w').write(json.dumps('sees ' + str({seen})))"
    real, other = subprocess.run, [sys.executable, "-c", code]
    (tmp_path / "x.bin").write_bytes(b"x")
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "run", lambda _line, **told: real(other, **told))
        with pytest.raises(NotSafetensors, match=r"sees \[\]"):
            Converter(place=tmp_path / "kept")(tmp_path / "x.bin", label="a")
        # With this process's own environment it would see them.
        patched.setattr(
            subprocess, "run", lambda _line, **told: real(other, **{**told, "env": None})
        )
        with pytest.raises(NotSafetensors, match=r"sees \['GITHUB_TOKEN', "):
            Converter(place=tmp_path / "kept")(tmp_path / "x.bin", label="a")
