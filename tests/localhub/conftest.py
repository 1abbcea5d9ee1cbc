"""A Hub on loopback and the real client: `hub` with the user `bot`, `api` with their token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from adapter_merge.localhub import LocalHub
from tests.localhub.steps import TOKEN


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    """A Hub that `bot` may write to with the token `hf_bot`."""
    with LocalHub(tmp_path / "hub") as started:
        started.add_user("bot", TOKEN)
        yield started


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    """The real client of that Hub, as `bot`."""
    return HfApi(endpoint=hub.url, token=TOKEN)
