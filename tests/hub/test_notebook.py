"""An adapter as a notebook left it on a Hub reaches a merged repository there that vLLM loads, untouched by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from adapter_merge import assemble
from adapter_merge.hub.client import connect
from adapter_merge.hub.edge import HubEdge
from adapter_merge.hub.retry import Patience
from adapter_merge.localhub import LocalHub
from tests.cli.conftest import Command, command
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

__all__ = ["command"]
TOKEN = "hf_bot"
MERGED = "org/merged"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A Hub with the base in all its forms, and an adapter that was pushed at every save."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with LocalHub(tmp_path / "hub", xet=False) as hub:
        hub.add_user("bot", TOKEN)
        for owner in ("org", "unsloth", "meta"):
            hub.add_organisation(owner, {"bot": "write"})
        api = HfApi(endpoint=hub.url, token=TOKEN)
        base = write_older_base(tmp_path / "base")
        push(api, ORIGINAL, base)
        push(api, BASE, base)
        push(api, QUANTISED, write_quantised(tmp_path / "quantised"))
        for step in (1, 2):
            made = write_adapter(tmp_path / f"step-{step}", base, seed=step)
            push(api, ADAPTER, made, f"Training in progress, step {step}00")
        client = connect(
            endpoint=hub.url,
            cache=tmp_path / "home" / "hub",
            token=TOKEN,
            patience=Patience(tries=2, sleep=lambda _: None),
        )
        edge = HubEdge(client)
        monkeypatch.setattr(assemble, "_hub", lambda: edge)
        yield hub


def test_a_notebook_s_adapter_reaches_a_result_that_vllm_loads(
    hub: LocalHub, command: Command
) -> None:
    ended = command("run", ADAPTER, "--base", "auto", "--to", MERGED, "--json")
    report = ended.report
    assert (ended.code, report["status"]) == (0, "merged"), ended.err
    assert (report["base"]["source"], report["probe"]["needs"]) == (BASE, None)
    (warned,) = [f for f in report["findings"] if f["code"] == "T012"]
    assert warned["outcome"] == "warn"
    assert f"trained on `{QUANTISED}`, which is quantised" in warned["message"]
    card = hub.read(MERGED, "README.md").decode()
    assert warned["message"].replace("`", "") in card.replace("`", "")
    assert "# My first fine-tune" in card
    stops = json.loads(hub.read(MERGED, "generation_config.json"))
    assert STOP in stops["eos_token_id"]
    assert hub.read(MERGED, "chat_template.jinja").decode() == TEMPLATE

    checked = command("check", MERGED, "--for", "vllm", "--json")
    assert checked.code == 0, checked.err
    assert [f for f in checked.report["findings"] if f["outcome"] == "fail"] == []
