"""A value that is a command in each input in turn: text to the log, the outputs and the summary, whatever reads it."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
import yaml

from adapter_merge.action.__main__ import main
from adapter_merge.markup import active
from tests.action.workflow import ROOT
from tests.build import Case, make_case
from tests.github.test_commands import obeyed

EVIL = (
    "'\"`touch pwned`$(touch pwned);touch pwned\r\n::set-output name=status::merged\n"
    "::add-mask::merged\n::error::pwned\n${{ github.token }} %0A::warning::x\n<img src=x onerror=y>\x1b[2J"
)
_OUTPUT = re.compile(r"^([\w-]+)<<(end-\w{32})\n(.*?)\n\2$", re.DOTALL | re.MULTILINE)
# The command that looks at an input, where it isn't `plan`.
_COMMANDS = {
    **dict.fromkeys(("merges", "only", "dry-run", "matrix"), "sync"),
    **dict.fromkeys(("folder", "for"), "check"),
    "release": "run",
}
_OURS = {"error", "warning", "notice", "group", "endgroup"}
# What installs is read by action/prepare.py, before this program is there.
_EARLIER = {"torch", "torch-index-url", "python-version"}
INPUTS = sorted({*yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]} - _EARLIER)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path / "case")


@pytest.mark.parametrize("name", INPUTS)
def test_a_value_of_an_input_is_never_obeyed(
    name: str, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = _COMMANDS.get(name, "plan")
    paths = {"adapter": str(case.adapter), "base": str(case.base), "to": str(case.to)}
    inputs = {"command": command, **({} if command in {"sync", "check"} else paths), name: EVIL}
    given = {f"INPUT_{n.replace('-', '_').upper()}": v for n, v in inputs.items()}
    files = {"GITHUB_OUTPUT": "outputs", "GITHUB_STEP_SUMMARY": "summary"}
    log = io.StringIO()

    code = main({"PATH": os.environ["PATH"], "RUNNER_TEMP": ".", **files, **given}, log)

    assert not [*tmp_path.rglob("pwned")]
    shown = [line for line in obeyed(log.getvalue()) if not line.startswith("::add-mask::")]
    assert {line.split(" ")[0].split("::")[1] for line in shown} <= _OURS
    assert {"::error::pwned", "::warning::x"}.isdisjoint(shown)
    assert "\x1b" not in "".join(shown)
    outputs = [(n, v) for n, _, v in _OUTPUT.findall(Path("outputs").read_text())]
    assert dict(outputs)["status"] == ("failed" if code else "planned")
    assert len(outputs) == len(dict(outputs))
    assert not set(active(Path("summary").read_text()))
    if name.endswith("token"):
        assert "pwned" not in Path("summary").read_text()
