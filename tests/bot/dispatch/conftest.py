"""The Hub that all orders are about; those who merge are processes of their own, which know Xet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from adapter_merge.localhub import LocalHub
from tests.build import make_case
from tests.reconcile.conftest import TOKEN, Shelf


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """`bot/base`, and the adapter `bot/one` that names it."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with LocalHub(tmp_path / "hub") as hub:
        hub.add_user("bot", TOKEN)
        made = Shelf(hub=hub, root=tmp_path, case=make_case(tmp_path / "case"))
        (made.case.base / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
        made.add("bot/base", made.case.base)
        made.adapter("bot/one", base_model_name_or_path="bot/base")
        yield made
