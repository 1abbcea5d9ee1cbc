"""An adapter as a notebook pushes it at every save reaches, by the bot alone, a repository that vLLM loads.

`tests/hub/test_notebook` has the same without a bot.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from adapter_merge.localhub import LocalHub
from tests.bot.town import TOKEN, WRITER, Town, until
from tests.build import make_case
from tests.hub.notebook import (
    ADAPTER,
    BASE,
    ORIGINAL,
    QUANTISED,
    STOP,
    TEMPLATE,
    push,
    write_adapter,
    write_older_base,
    write_quantised,
)
from tests.reconcile.conftest import TOKEN as OWNER
from tests.reconcile.conftest import Shelf

pytestmark = pytest.mark.bot

MERGED = f"{ADAPTER}-merged"
# All that its owner writes, once and for all adapters.
MERGES = """\
defaults: {settle: 0, base: auto}
watch:
  - {owner: org, to: "{owner}/{name}-merged"}
"""


@pytest.fixture
def org(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """A Hub with the base in all its forms, and an organisation without an adapter."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with LocalHub(tmp_path / "hub") as hub:
        for token in (OWNER, TOKEN, WRITER):
            hub.add_user("bot", token)
        for owner in ("org", "unsloth", "meta"):
            hub.add_organisation(owner, {"bot": "write"})
        api = HfApi(endpoint=hub.url, token=OWNER)
        base = write_older_base(tmp_path / "base")
        push(api, ORIGINAL, base)
        push(api, BASE, base)
        push(api, QUANTISED, write_quantised(tmp_path / "quantised"))
        shelf = Shelf(hub=hub, root=tmp_path, case=make_case(tmp_path / "case"))
        yield Town(shelf=shelf, merges=MERGES)


def test_a_notebook_s_pushes_end_in_a_model_that_vllm_loads(org: Town) -> None:
    saves = [write_adapter(org.root / f"s{n}", org.root / "base", seed=n) for n in (1, 2, 3)]
    titles = [f"Training in progress, step {n}00" for n in (1, 2)]
    with org.bot() as bot:
        org.install()
        for folder, title in zip(saves, [*titles, "Trained with Unsloth"], strict=True):
            push(org.shelf.api, ADAPTER, folder, title)
        until(lambda: bot.state(MERGED) == "merged", bot.told, seconds=120)
        until(bot.is_idle, bot.told)
        assert bot.decided(MERGED).count("running") == 1
    assert org.made_of(MERGED) == org.shelf.hub.head(ADAPTER)
    assert len(org.shelf.titles(MERGED)) == 1
    assert org.shelf.receipt(MERGED)["base"]["source"] == BASE

    read = org.shelf.hub.read
    assert f"trained on {QUANTISED}, which is quantised" in read(
        MERGED, "README.md"
    ).decode().replace("`", "")
    assert STOP in json.loads(read(MERGED, "generation_config.json"))["eos_token_id"]
    assert read(MERGED, "chat_template.jinja").decode() == TEMPLATE
    checked = json.loads(org.ran("check", MERGED, "--for", "vllm", "--json"))
    assert [f for f in checked["findings"] if f["outcome"] == "fail"] == []
