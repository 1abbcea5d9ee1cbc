"""Which of the Hub's tokens whoever merges elsewhere gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_ASKS = "import json, os; from adapter_merge.bot.tokens import of_the_hub; print(json.dumps(of_the_hub(os.environ)))"


@pytest.mark.parametrize(
    ("given", "login", "found"),
    [
        ({}, "", {}),
        ({}, "hf_login", {"HF_TOKEN": "hf_login"}),
        ({"HF_TOKEN": "hf_own"}, "hf_login", {"HF_TOKEN": "hf_own"}),
        (
            {"HF_WRITE_TOKEN": "hf_write"},
            "hf_login",
            {"HF_TOKEN": "hf_login", "HF_WRITE_TOKEN": "hf_write"},
        ),
    ],
)
def test_the_environments_and_a_logins(
    tmp_path: Path, given: dict[str, str], login: str, found: dict[str, str]
) -> None:
    if login:
        (tmp_path / "token").write_text(login)
    known = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    done = subprocess.run(
        [sys.executable, "-c", _ASKS],
        env={**known, "HF_HOME": str(tmp_path), **given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == found
