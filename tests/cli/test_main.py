"""The entry: what starts without torch, and what every way to end becomes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import adapter_merge
from adapter_merge.cli.main import build, execute
from tests.cli.conftest import Command, modules_after


@pytest.mark.parametrize("line", ["--help", "run --help", "--version", "run", "schema"])
def test_what_merges_nothing_starts_without_heavy_modules(line: str) -> None:
    loaded = modules_after(line, cwd=Path.cwd())
    assert "cyclopts" in loaded
    assert loaded.isdisjoint({"torch", "numpy", "transformers", "peft"})


def test_the_version_is_the_package_s(command: Command) -> None:
    ended = command("--version")
    assert (ended.code, ended.out.strip()) == (0, adapter_merge.__version__)


def test_help_lists_the_verbs_in_the_order_of_use(command: Command) -> None:
    text = command("--help").out
    verbs = ["run", "plan", "check", "verify", "codes", "schema", "demo"]
    places = [text.index(f"│ {verb} ") for verb in verbs]
    assert places == sorted(places)


def _raises(error: BaseException) -> Callable[..., int]:
    def verb() -> int:
        raise error

    return verb


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (KeyboardInterrupt(), 130, "Interrupted"),
        (adapter_merge.HubUnavailable("no answer", hint="Try again."), 9, "HubUnavailable"),
        (ZeroDivisionError("by zero"), 1, "ZeroDivisionError"),
    ],
)
def test_whatever_a_verb_raises_becomes_an_exit_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, kind: str
) -> None:
    app = build()
    app.command(_raises(error), name="stop")
    assert execute(app, ["stop"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"({kind}, exit code {code})" in " ".join(captured.err.split())
    assert ("Traceback" in captured.err) == (code == 1)


def test_python_m_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "adapter_merge", "run", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout.startswith("{")


def test_a_failure_has_the_report_s_schema(command: Command) -> None:
    schema = command("schema", "report").report
    report = command("run", "--json").report
    Draft202012Validator(schema).validate(report)
    assert set(report) == set(schema["properties"])


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    script = f"{sys.executable} -m adapter_merge schema; echo $? > {tmp_path / 'code'}"
    done = subprocess.run(
        ["/bin/sh", "-c", f"({script}) | true"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert (tmp_path / "code").read_text().strip() == "0"


@pytest.mark.parametrize("name", adapter_merge.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(adapter_merge, name) is not None


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Merge'"):
        _ = adapter_merge.Merge
