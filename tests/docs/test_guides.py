"""A new user's first hour: every command of README and guides, in its order, with the real program."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cyclopts import App

from adapter_merge.cli.main import build
from tests.docs.folders import make_folders
from tests.docs.shelves import TOKEN, served

ROOT = Path(__file__).parent.parent.parent
PAGES = ("README.md", *sorted(f"docs/guides/{p.name}" for p in ROOT.glob("docs/guides/*.md")))
# They prepare or use a development checkout, which is not what a guide's reader has.
NOT_RUN = frozenset(
    {
        "make demo",
        "make test",
        "make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu",
        "pip install .",
    }
)
# Here merges are proved by running them, as readers' are; elsewhere that would take minutes.
PROVED = "docs/guides/merge-a-folder.md"
_UNPROVED = 'case "$*" in *--probe*) ;; run\\ *|check\\ *) set -- "$@" --probe off ;; esac\n'
# The Hub's own program, which asks a person for the token.
_LOGIN = f'test "$*" = "auth login" && set -- auth login --token {TOKEN}\n'
_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"# exits with (?P<code>\d+)")
_LANGUAGES = {"sh", "console", "python", "json", "text", "yaml", "ini", "dockerfile"}
_FINDINGS = {"fail", "warn", "skip"}
_MOST_SECONDS = 180  # a command of a page that waits for something which never comes


@dataclass(frozen=True, kw_only=True)
class Block:
    language: str
    text: str


def blocks(page: str) -> Iterator[Block]:
    for found in _BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")):
        yield Block(language=found["language"], text=found["text"])


def commands(block: Block) -> Iterator[tuple[str, int]]:
    """The commands of a shell block, each with the exit code that it should have."""
    for line in block.text.splitlines():
        command = line.partition(" #")[0].strip()
        ending = _EXIT.search(line)
        if command and command not in NOT_RUN:
            yield command, int(ending["code"]) if ending else 0


def shape(output: str) -> list[str]:
    """The first word of each line that begins at the edge; of a finding its code too."""
    lines = [line.split() for line in output.splitlines() if line.strip() and line[0] not in " …"]
    return [" ".join(words[: 2 if words[0] in _FINDINGS else 1]) for words in lines]


def is_part(quoted: list[str], whole: list[str]) -> bool:
    """Whether all that is quoted was said, in this order."""
    rest = iter(whole)
    return all(word in rest for word in quoted)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Somebody with a shell in a folder of models, and the program on the path."""

    home: Path
    environment: dict[str, str]

    def types(self, command: str, code: int) -> str:
        if command.startswith("export "):
            words = (word.partition("=") for word in shlex.split(command)[1:])
            self.environment.update({name: value for name, _, value in words})
            return ""
        return self._does(["/bin/sh", "-c", command], code)

    def saves(self, text: str) -> None:
        """Keep a list of merges under its name."""
        if {"merges", "watch"} & yaml.safe_load(text).keys():
            unproved = text.replace("defaults:\n", "defaults:\n  probe: off\n")
            (self.home / "merges.yaml").write_text(unproved)

    def leaves(self) -> None:
        """End what was started and goes on."""
        for known in self.home.glob("*.pid"):
            with suppress(ProcessLookupError):
                os.kill(int(known.read_text()), signal.SIGTERM)

    def writes(self, program: str) -> str:
        """Run a program of Python."""
        return self._does([sys.executable, "-c", program], 0)

    def _does(self, command: list[str], code: int) -> str:
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_MOST_SECONDS,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, f"`{command[-1]}` ended with {done.returncode}:\n{said}"
        return said


@pytest.fixture
def reader(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    first = "" if f"[{PROVED}]" in request.node.nodeid else _UNPROVED
    _put(
        tmp_path / "bin" / "adapter-merge", f'{first}exec "{sys.executable}" -m adapter_merge "$@"'
    )
    _put(tmp_path / "bin" / "hf", f'{_LOGIN}exec "{Path(sys.executable).parent}/hf" "$@"')
    home = tmp_path / "home"
    make_folders(home)
    path = os.pathsep.join(
        (str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"])
    )
    with served(tmp_path / "hub", home) as hub:
        ours = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf-home"), "COLUMNS": "200"}
        somebody = Reader(home=home, environment={**os.environ, **ours, "PATH": path})
        yield somebody
        somebody.leaves()


def _put(program: Path, text: str) -> None:
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_it_says(page: str, reader: Reader) -> None:
    said = ""
    for block in blocks(page):
        match block.language:
            case "sh":
                said = "".join(reader.types(*line) for line in commands(block))
            case "console":
                assert is_part(shape(block.text), shape(said)), f"{block.text}\nis not in\n{said}"
            case "python":
                reader.writes(block.text)
            case "yaml":
                reader.saves(block.text)


def options_of(command: App) -> set[str]:
    """The options of a command, and of those below it."""
    if command.default_command is not None:
        return {name for a in command.assemble_argument_collection() for name in a.names}
    below = [name for name in command if not name.startswith("-")]
    return {option for name in below for option in options_of(command[name])}


@pytest.mark.parametrize("page", PAGES)
def test_verbs_and_options_in_sentences_exist(page: str) -> None:
    app = build()
    verbs = {name for name in app if not name.startswith("-")}
    options = {name for verb in verbs for name in options_of(app[verb])}
    text = _BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for code in re.findall(r"`([^`]+)`", text):
        assert set(re.findall(r"^adapter-merge (\w+)", code)) <= verbs, code
        assert set(re.findall(r"(?<!\S)--[a-z][a-z-]+", code)) <= options, code


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page: str) -> None:
    assert {block.language for block in blocks(page)} <= _LANGUAGES


@pytest.mark.parametrize("page", PAGES)
def test_what_is_not_run_still_stands_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert page != "README.md" or all(line in text for line in NOT_RUN)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("adapter-merge merge ./my-adapter --base ./my-base", 0),
        ("adapter-merge plan ./my-adapter --base-model ./my-base", 0),
        ("adapter-merge check ./their-merge", 0),
        ("adapter-merge codes", 7),
    ],
)
def test_a_wrong_command_breaks_a_page(reader: Reader, command: str, code: int) -> None:
    with pytest.raises(AssertionError, match="ended with"):
        reader.types(command, code)


@pytest.mark.parametrize(
    ("quoted", "fits"),
    [
        ("merged  ./x\ntook  1 s\n", True),
        ("merged  ./other\n…\ntook  9 s\n", True),
        ("took  1 s\nmerged  ./x\n", False),
        ("done  ./x\n", False),
        ("warn  T010  x: other words\n", True),
        ("warn  T008  x: rounding\n", False),
    ],
)
def test_a_quoted_output_has_the_real_one_s_shape(quoted: str, fits: bool) -> None:
    real = "warn  T010  x: rounding\n      goes on\nmerged  ./x\nfiles  3\ntook  2 s\n"
    assert is_part(shape(quoted), shape(real)) is fits
