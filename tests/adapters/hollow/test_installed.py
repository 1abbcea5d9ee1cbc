"""What has to be installed for PEFT's layers."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from adapter_merge.adapters.hollow import installed
from adapter_merge.errors import MergeError, UnsupportedError

ROOT = Path(__file__).parents[3]


def having(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    known = {"peft": "0.20.0", "transformers": "5.23.0", **versions}
    monkeypatch.setattr(installed, "_version", known.get)


def test_the_ranges_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, (first, last) in installed.RANGES.items():
        assert f"{name}>={first},<{last}" in project["dependencies"]


def test_what_is_installed_here_will_do() -> None:
    installed.require("LOHA", label="./a")


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({"peft": None}, "peft isn't installed"),
        ({"transformers": None}, "transformers isn't installed"),
        ({"peft": "0.17.1"}, "peft is installed as 0.17.1"),
        ({"peft": "0.22.0"}, "peft is installed as 0.22.0"),
        ({"transformers": "4.57.1"}, "transformers is installed as 4.57.1"),
        ({"transformers": "6.0.0.dev0"}, "transformers is installed as 6.0.0.dev0"),
    ],
)
def test_a_missing_or_strange_library(
    versions: dict[str, str | None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    having(monkeypatch, **versions)
    with pytest.raises(MergeError, match=said) as caught:
        installed.require("LOHA", label="./a")
    assert caught.value.hint == installed.COMMAND
    assert caught.value.hint.startswith("pip install 'peft>=")


@pytest.mark.parametrize(
    ("version", "method", "command"),
    [
        ("0.18.1", "HIRA", "pip install 'peft>=0.20,<0.22'"),
        ("0.19.0", "BONE", "pip install 'peft>=0.18,<0.19'"),
    ],
)
def test_a_method_that_this_peft_hasn_t(
    version: str, method: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    having(monkeypatch, peft=version)
    with pytest.raises(UnsupportedError, match=method) as caught:
        installed.require(method, label="./a")
    assert caught.value.hint == command
