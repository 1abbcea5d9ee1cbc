"""`HF_ENDPOINT` with a path and with a password: both are used, and the password is never shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapter_merge.errors import RequestError
from adapter_merge.hub.client import connect
from tests.hub.mirror import BELOW, PASSWORD, mirror
from tests.hub.whole import NEW, TOKEN
from tests.publisher import TARGET, Publisher


def ended(
    line: str, endpoint: str, folder: Path, **environ: str
) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, which reads its environment once."""
    known = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    named = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "adapter_merge", *line.split()],
        env={**known, **named, "COLUMNS": "200", **environ},
        capture_output=True,
        check=False,
        text=True,
        cwd=folder,
    )
    assert PASSWORD not in done.stdout + done.stderr
    return done


def test_a_run_through_a_mirror_with_path_and_password(
    publisher: Publisher, tmp_path: Path
) -> None:
    with mirror(publisher.runs.hub.url, TOKEN) as address:
        run = f"run {NEW} --to {TARGET} --probe off --json --report ./report"
        # A token is asked for before a merge; the password is sent in its place.
        done = ended(run, address, tmp_path, HF_TOKEN="hf_nobodys")
        assert done.returncode == 0, done.stderr
        url = json.loads(done.stdout)["published"]["url"]
        again = ended(run, address, tmp_path, HF_TOKEN="hf_nobodys")
        assert json.loads(again.stdout)["status"] == "unchanged", again.stderr
    assert url.endswith(f"{BELOW}/{TARGET}/commit/{publisher.runs.hub.head(TARGET)}")
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert [p for p in files if PASSWORD.encode() in p.read_bytes()] == []
    commit = next(iter(publisher.runs.api.list_repo_commits(TARGET)))
    assert PASSWORD not in f"{commit.title}{commit.message}"


def test_a_password_that_is_not_taken(publisher: Publisher, tmp_path: Path) -> None:
    with mirror(publisher.runs.hub.url, TOKEN) as address:
        other = address.replace(PASSWORD, f"x{PASSWORD}")
        done = ended(f"plan {NEW} --to ./out", other, tmp_path)
    assert done.returncode == 3
    assert "doesn't take the credentials in `HF_ENDPOINT` for `bot/adapter`" in done.stderr


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("mirror.test", "neither `https://` nor"),
        (f"ftp://me:{PASSWORD}@mirror.test", "neither `https://` nor"),
        ("file:///etc", "neither `https://` nor"),
        (f"me:{PASSWORD}@mirror.test", "neither `https://` nor"),
        (f"https://me:{PASSWORD}@", "names no host"),
        (f"https://me:1/{PASSWORD}@mirror.test", "has an `@` behind the host"),
        (f"https://me:s/{PASSWORD}@mirror.test", "can't be read"),
        (f"https://mirror.test:{PASSWORD}", "can't be read"),
        (f"https://mirror.test?token={PASSWORD}", "goes on after the path"),
        (f"https://mirror.test/#{PASSWORD}", "goes on after the path"),
        (f"https://[{PASSWORD}", "can't be read"),
    ],
)
def test_an_address_that_is_none_is_told_and_not_shown(address: str, why: str) -> None:
    with pytest.raises(RequestError, match=why) as caught:
        connect(endpoint=address)
    assert PASSWORD not in f"{caught.value}{caught.value.hint}"


def test_a_password_is_in_no_value_s_text() -> None:
    client = connect(endpoint=f"https://me:{PASSWORD}@mirror.test{BELOW}")
    asked = client.asked("org/base")
    assert PASSWORD not in f"{client!r}{asked!r}{asked.page}{asked.host}{asked.thing}"
    assert asked.page == f"https://mirror.test{BELOW}/org/base"
