"""Whole jobs are run by `make test-action`: they install the Action's environment from a package index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import CommitOperationAdd, HfApi
from safetensors.torch import save_file

from adapter_merge.localhub import LocalHub
from tests.build import change_json, make_case

TOKEN = "hf_bot_token"
BASE, ADAPTER, BROKEN, HOSTILE = "bot/base", "bot/adapter", "bot/broken", "bot/hostile"
# As a tensor's name: nothing of it may be obeyed.
NAME = "x\n::error::pwned\n::set-output name=status::merged\n##[error]pwned $(touch pwned) ${{ github.token }}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "act" in (config.getoption("-m") or ""):
        return
    for item in items:
        if item.get_closest_marker("act"):
            item.add_marker(pytest.mark.skip(reason="`make test-action` runs it"))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A Hub with a base, an adapter, one that fits nothing, and one whose names are commands."""
    root = tmp_path_factory.mktemp("hub")
    with LocalHub(root / "data") as started:
        started.add_user("bot", TOKEN)
        api = HfApi(endpoint=started.url, token=TOKEN)
        case = make_case(root / "case")
        (case.base / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
        config = case.adapter / "adapter_config.json"
        change_json(config, base_model_name_or_path=BASE)
        _put(api, BASE, case.base)
        _put(api, ADAPTER, case.adapter)
        change_json(config, r=3)
        _put(api, BROKEN, case.adapter)
        tensors = {f"{NAME}.lora_{half}.weight": torch.ones(3, 3) for half in "AB"}
        save_file(tensors, case.adapter / "adapter_model.safetensors")
        _put(api, HOSTILE, case.adapter)
        yield started


def _put(api: HfApi, repo: str, folder: Path) -> None:
    api.create_repo(repo)
    added = [CommitOperationAdd(path.name, path) for path in sorted(folder.iterdir())]
    api.create_commit(repo, added, commit_message="Add")
