"""What the bot's guides have others run: a unit of systemd, and an image of a Space."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adapter_merge.cli.main import build
from tests.docs.test_guides import blocks

BIN = Path(sys.executable).parent
PROGRAM = "/opt/adapter-merge/bin/adapter-merge"
(UNIT,) = (b.text for b in blocks("docs/guides/bot-vm.md") if b.language == "ini")
(IMAGE,) = (b.text for b in blocks("docs/guides/bot-space.md") if b.language == "dockerfile")


def started(unit: str) -> list[str]:
    """The words that a unit starts, without the program."""
    (line,) = (text for text in unit.splitlines() if text.startswith("ExecStart="))
    program, *words = shlex.split(line.partition("=")[2])
    assert program == PROGRAM
    return words


def begun(image: str) -> list[str]:
    """The words that an image gives to its entry point."""
    (line,) = (text for text in image.splitlines() if text.startswith("CMD "))
    words: list[str] = json.loads(line.removeprefix("CMD "))
    return words


def verified(unit: str, folder: Path) -> str:
    """What systemd says of a unit, whose program is here; empty where it is content."""
    file = folder / "adapter-merge.service"
    file.write_text(unit.replace(PROGRAM, sys.executable))
    command = ["systemd-analyze", "verify", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("words", [started(UNIT), begun(IMAGE)], ids=["unit", "image"])
def test_what_is_started_exists(words: list[str]) -> None:
    command, bound, rest = build().parse_args(words, exit_on_error=False, print_error=False)[:3]
    assert command.__name__ == "serve"
    assert bound.arguments["state"]
    assert not rest


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_the_unit_is_one_of_systemd(tmp_path: Path) -> None:
    assert verified(UNIT, tmp_path) == ""
    assert "Unknown key" in verified(UNIT.replace("User=", "Usr="), tmp_path)


def test_the_image_is_clean(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(IMAGE.replace("OWNER", "owner").replace("X.Y.Z", "1.2.3"))
    command = [str(BIN / "hadolint"), str(tmp_path / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert len(IMAGE.splitlines()) == 4
