"""The demo's Hub: new each time, for the demo's user, and for nobody else's token."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_merge.cli.loopback import USER, loopback
from adapter_merge.errors import HubUnavailable


def test_the_real_client_speaks_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever Hub and token this machine has otherwise."""
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "left").write_text("from an earlier demo")
    (tmp_path / "card.md").write_text("words")
    with loopback(tmp_path, owner="house") as hub:
        assert USER in hub.hf("auth", "whoami")
        hub.hf("upload", "house/base", str(tmp_path / "card.md"), "README.md")
        hub.hf("download", "house/base", "README.md", "--local-dir", str(tmp_path / "back"))
        with pytest.raises(HubUnavailable, match="hf download house/none"):
            hub.hf("download", "house/none")
    assert (tmp_path / "back" / "README.md").read_text() == "words"
    assert not (tmp_path / "hub" / "left").exists()
