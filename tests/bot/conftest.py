"""The town that the whole bot is tried in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from adapter_merge.localhub import LocalHub
from tests.bot.town import TOKEN, WRITER, Town
from tests.build import make_case
from tests.reconcile.conftest import TOKEN as OWNER
from tests.reconcile.conftest import Shelf

MERGES = """\
defaults: {settle: 0, probe: off, workers: 1}
watch:
  - {owner: bot, to: "{owner}/{name}-merged"}
"""


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """`bot/base`, and a bot that watches all that its owner pushes; there is no adapter yet."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with LocalHub(tmp_path / "hub") as hub:
        hub.add_user("bot", OWNER)
        hub.add_user("bot", TOKEN, role="read")
        hub.add_user("bot", WRITER)
        shelf = Shelf(hub=hub, root=tmp_path, case=make_case(tmp_path / "case"))
        (shelf.case.base / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
        shelf.add("bot/base", shelf.case.base)
        yield Town(shelf=shelf, merges=MERGES)
