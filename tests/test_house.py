"""The house holds together: layers, pages, targets and links say the same as the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from adapter_merge.cli.main import build

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "adapter_merge"
PAGES = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"]


def _layers() -> set[str]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = config["tool"]["importlinter"]["contracts"]
    assert contract["exhaustive"]
    return {name.strip("() ") for line in contract["layers"] for name in line.split("|")}


def test_every_module_has_its_layer() -> None:
    found = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    found |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert found <= _layers()


def test_a_layer_without_parentheses_is_built() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = config["tool"]["importlinter"]["contracts"]
    names = [name.strip() for line in contract["layers"] for name in line.split("|")]
    for name in names:
        built = (PACKAGE / f"{name}.py").exists() or (PACKAGE / name).is_dir()
        assert built or name.startswith("(")


@pytest.mark.parametrize("page", PAGES)
def test_the_make_targets_of_a_page_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = re.findall(r"(?:^|`)make ([a-z -]+)", (ROOT / page).read_text(), re.MULTILINE)
    named = {word for line in lines for word in line.split()}
    assert named <= targets


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md", "SECURITY.md"])
def test_the_commands_of_a_page_exist(page: str) -> None:
    verbs = {name for name in build() if not name.startswith("-")}
    named = set(
        re.findall(r"(?:^|`)adapter-merge ([a-z]+)", (ROOT / page).read_text(), re.MULTILINE)
    )
    assert named <= verbs


@pytest.mark.parametrize("page", PAGES)
def test_the_paths_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    paths = re.findall(r"`((?:src|tests|docs|\.github|\.ci|benchmarks)/[\w./-]+)`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_generated_pages_are_fresh_and_links_lead_somewhere() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "docs are up to date\n")


def test_a_pin_is_a_release_of_the_index() -> None:
    pins = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[\w.-]+==[\d.a-z]+", pin) for pin in pins)


def test_actions_are_pinned_by_commit() -> None:
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        for action in re.findall(r"^ *(?:- )?uses: *(\S+)", workflow.read_text(), re.MULTILINE):
            own = action.startswith("./") and "@" not in action
            assert own or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)


def test_a_version_s_notes_are_its_part_of_the_changelog(tmp_path: Path) -> None:
    log = tmp_path / "log.md"
    log.write_text(
        "## [Unreleased]\n\n- c\n\n## [0.2.0] - 2027-01-02\n\n- b\n\n## [0.20.0]\n\n- a\n"
    )

    def notes(version: str) -> tuple[int, str]:
        command = [str(ROOT / ".ci" / "notes"), version]
        env = {**os.environ, "CHANGELOG": str(log)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.strip()

    assert notes("0.2.0") == (0, "- b")
    assert notes("0.3.0") == (1, "")


def test_what_is_skipped_for_want_of_a_package_runs_beside_colpali_engine() -> None:
    """A test that skips in both environments proves nothing."""
    listed = re.search(r"^COLPALI_TESTS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert listed is not None
    places = [ROOT / place for place in listed[1].split()]
    asking = re.compile(r"(importorskip|find_spec)\(\"(torchvision|colpali_engine)|mark\.colpali\b")
    tests = [p for p in (ROOT / "tests").rglob("test_*.py") if asking.search(p.read_text())]
    assert len(tests) > 4
    assert not [p for p in tests if not any(p.is_relative_to(place) for place in places)]
