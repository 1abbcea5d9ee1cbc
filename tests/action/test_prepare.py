from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from tests.action.workflow import ROOT


@pytest.fixture(scope="module")
def prepare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prepare", ROOT / "action/prepare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["prepare"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def _named(text: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=;\[]", text)[0]).lower()


def test_all_that_the_package_needs_is_locked_but_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = (ROOT / "requirements.lock").read_text()
    locked = {_named(line): line for line in lock.splitlines() if re.match(r"\w", line)}
    pinned = {
        _named(line): line.partition("==")[2]
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }

    assert {_named(d) for d in project["dependencies"]} - locked.keys() == {"torch"}
    for name, line in locked.items():
        if name in pinned:
            assert f"=={pinned[name]} " in f"{line} ", name
    assert lock.count("--hash=sha256:") >= len(locked)
    assert "://" not in lock


@pytest.mark.parametrize(
    ("wish", "index"),
    [
        ({"INPUT_TORCH": "cpu"}, "https://download.pytorch.org/whl/cpu"),
        ({"INPUT_TORCH": "cuda"}, ""),
        ({"INPUT_TORCH": "cpu", "INPUT_TORCH_INDEX_URL": "https://mirror/x"}, "https://mirror/x"),
    ],
)
def test_which_torch(
    prepare: ModuleType, wish: dict[str, str], index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare.sys, "platform", "linux")

    torch = prepare.wished(wish, ROOT)

    assert (torch.place, torch.index) == ("", index)
    assert f"\ntorch=={torch.version}\n" in (ROOT / "constraints.txt").read_text()


def test_takes_the_torch_that_is_there_or_none(prepare: ModuleType) -> None:
    there = prepare.wished({}, ROOT)

    assert Path(there.place, "torch").is_dir()
    assert there.index == ""
    assert prepare.wished({"INPUT_TORCH": "skip"}, ROOT) == prepare.Torch()


@pytest.mark.parametrize(
    "wish",
    [
        {"INPUT_TORCH": "gpu"},
        {"INPUT_TORCH_INDEX_URL": "--extra-index-url"},
        {"INPUT_TORCH_INDEX_URL": "https://x/\n::add-mask::merged"},
    ],
)
def test_refuses_what_is_no_torch_and_no_address(prepare: ModuleType, wish: dict[str, str]) -> None:
    with pytest.raises(prepare.Stopped, match="input `torch"):
        prepare.wished(wish, ROOT)


def test_another_state_of_the_action_has_another_environment(
    prepare: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "src").mkdir()
    for name in ("requirements.lock", "constraints.txt", "pyproject.toml", "src/one.py"):
        (tmp_path / name).write_text("")
    none = prepare.Torch()
    before = prepare.key(tmp_path, none)

    assert prepare.key(tmp_path, none) == before
    assert prepare.key(tmp_path, prepare.Torch(version="2.13.0")) != before
    (tmp_path / "src/one.py").write_text("1")
    assert prepare.key(tmp_path, none) != before
