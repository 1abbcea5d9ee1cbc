"""Kills of runs that publish: the next run ends with one commit, the right bytes, and nothing left behind."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from adapter_merge.localhub import LocalHub
from tests.build import PREFIX, UP, Case, write_adapter, write_base
from tests.hub.whole import KINDS, NEW, TOKEN, Runs, Target
from tests.machine import forked

KILLS = 15


def _case(root: Path) -> Case:
    """A base of 16 MB, so that a kill can land in every stage."""
    values = np.random.default_rng(0)
    shape = (1024, 2048)
    tensors = {
        f"{UP}.weight": values.standard_normal(shape, dtype=np.float32),
        "model.embed_tokens.weight": values.standard_normal(shape, dtype=np.float32),
    }
    factors = {
        f"{PREFIX}{UP}.lora_A.weight": values.standard_normal((4, 2048), dtype=np.float32),
        f"{PREFIX}{UP}.lora_B.weight": values.standard_normal((1024, 4), dtype=np.float32),
    }
    base = write_base(root / "base", tensors, vocab_size=1024, hidden_size=2048)
    adapter = write_adapter(root / "adapter", factors)
    return Case(base=base, adapter=adapter, to=root / "out")


def _left(work: Path) -> list[str]:
    return sorted(p.name for p in work.iterdir()) if work.exists() else []


@pytest.mark.slow
@pytest.mark.parametrize("xet", [False, True], ids=["lfs", "xet"])
def test_after_a_kill_at_any_moment_the_next_run_publishes_once(
    tmp_path: Path, xet: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", not xet)
    moments = random.Random(7)  # noqa: S311 - moments, not secrets
    work = tmp_path / "work"
    words = ["run", NEW, "--to", "bot/merged", "--work-dir", str(work), "--probe", "off", "--json"]
    waited: list[bool] = []
    with LocalHub(tmp_path / "hub", xet=xet) as hub:
        runs = Runs(hub, tmp_path, _case(tmp_path / "case"))
        target = Target(runs, "bot/merged", KINDS[0])
        named = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "home")}
        with forked(**named, HF_HUB_DISABLE_XET=str(int(not xet))) as forks:
            whole = 0.0
            for number in range(KILLS + 2):
                commit = runs.change(alpha=100 + number)
                if number > 1:  # the first waits for imports, the second says how long a run is
                    forks.run(words, kill_after=moments.uniform(0, 1.2 * whole))
                    target.require_whole()
                    waited.append(bool(_left(work)))
                start = time.monotonic()
                assert forks.run(words) == 0
                whole = whole if number > 1 else time.monotonic() - start
                assert target.adapter() == commit
                assert len(target.merges()) == number + 1
                assert sorted(target.tags()) == sorted(target.merges())
                assert _left(work) == []
    assert any(waited), "the kills missed the merge"
