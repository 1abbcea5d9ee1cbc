"""An adapter and its base side by side in the current folder."""

from pathlib import Path

import pytest

from tests.bases.online import online
from tests.build import Case, make_case
from tests.cli.conftest import command

__all__ = ["case", "command", "online"]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Folders as refs can name them: `./adapter`; the base stands apart until a test moves it."""
    made = make_case(tmp_path / "away")
    here = tmp_path / "here"
    here.mkdir()
    made.adapter.rename(here / "adapter")
    monkeypatch.chdir(here)
    return Case(base=made.base, adapter=here / "adapter", to=here / "out")
