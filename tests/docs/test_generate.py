"""`docs/generate.py --check` sees a page that is out of date and a link that leads nowhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    "reference/action.md",
    "reference/adapters.md",
    "reference/bot.md",
    "reference/codes.md",
    "reference/converters.md",
    "reference/merges.md",
    "reference/options.md",
    "guides/when-a-check-fails.md",
]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the generator with pages of its own making."""
    (tmp_path / "docs").mkdir()
    for name in (
        "generate.py",
        "pages.py",
        "bot_options.py",
        "expert_conventions.py",
        "converters.json",
    ):
        shutil.copy(ROOT / "docs" / name, tmp_path / "docs")
    shutil.copy(ROOT / "action.yml", tmp_path)
    (tmp_path / "docs" / "guides").mkdir()
    for name in ("bot.md", "read-a-report.md"):
        (tmp_path / "docs" / "guides" / name).touch()
    (tmp_path / "docs" / "reference").mkdir()
    heading = "# Tensors that transformers rebuilds when it loads a file"
    (tmp_path / "docs" / "reference" / "naming.md").write_text(heading)
    (tmp_path / "README.md").write_text("[codes](docs/reference/codes.md#exit-codes)")
    assert _generate(tmp_path) == (0, "")
    return tmp_path


def _generate(house: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(house / "docs" / "generate.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_what_it_wrote_is_up_to_date(house: Path) -> None:
    assert _generate(house, "--check") == (0, "docs are up to date\n")


@pytest.mark.parametrize("page", PAGES)
def test_an_edited_or_missing_page_is_stale(house: Path, page: str) -> None:
    path = house / "docs" / page
    path.write_text(path.read_text() + "more")
    assert _generate(house, "--check") == (
        1,
        f"docs/{page} is not up to date: run `make docs`\n",
    )
    path.unlink()
    assert _generate(house, "--check")[0] == 1


@pytest.mark.parametrize("dead", ["docs/gone.md", "docs/reference/codes.md#gone", "#gone"])
def test_a_dead_link_is_named(house: Path, dead: str) -> None:
    (house / "README.md").write_text(
        f"# Top\n[far](https://example.org), [top](#top), [gone]({dead})"
    )
    assert _generate(house, "--check") == (1, f"dead link in README.md: {dead}\n")
