"""One thread builds a class without the Hub, while another one asks the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import OfflineModeIsEnabled

from adapter_merge.hub.client import connect
from adapter_merge.localhub import LocalHub
from adapter_merge.offline import without_hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(tmp_path / "hub") as server:
        server.add_repo("org/model", {"config.json": b"{}"})
        yield server


@pytest.mark.parametrize("connected", [False, True], ids=["the client's own", "ours"])
def test_only_the_thread_that_builds_asks_nothing(
    hub: LocalHub, connected: bool, tmp_path: Path
) -> None:
    if connected:
        connect(endpoint=hub.url, cache=tmp_path / "cache", token=False)
    meet = Barrier(2)

    def ask() -> str | None:
        return HfApi(endpoint=hub.url, token=False).model_info("org/model").sha

    def build() -> None:
        with without_hub():
            meet.wait()
            with pytest.raises(OfflineModeIsEnabled):
                ask()
            meet.wait()

    def other() -> str | None:
        meet.wait()
        found = ask()
        meet.wait()
        return found

    with ThreadPoolExecutor(2) as pool:
        built, asked = pool.submit(build), pool.submit(other)
        built.result()
        assert asked.result() == ask()
