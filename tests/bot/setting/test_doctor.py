"""Each thing that the bot needs is missed where it is missing, and named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from adapter_merge.bot.setting import hub as asked
from adapter_merge.bot.setting import install, machine
from adapter_merge.bot.setting.exam import Exam
from adapter_merge.forecast import Forecast, Room
from adapter_merge.hub.account import account
from tests.bot.setting.conftest import TOKEN, Office, roster

SECRET = "0123456789abcdef0123456789abcdef"


@contextmanager
def answering(status: int) -> Iterator[tuple[str, list[Mapping[str, str]]]]:
    """A server that answers every delivery so, and keeps what it was sent."""
    got: list[Mapping[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append({k.lower(): v for k, v in self.headers.items()})
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/webhook", got
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "state", "said"),
    [
        (401, "ok", "refuses a wrong secret"),
        (202, "fail", "takes a wrong secret"),
        (302, "fail", "answers a delivery with 302"),
        (502, "fail", "answers a delivery with 502"),
    ],
)
def test_the_address_must_refuse_a_wrong_secret(status: int, state: str, said: str) -> None:
    with answering(status) as (url, got):
        found = machine.answers(url)
    assert (found.state, said in found.said) == (state, True)
    assert got[0]["x-webhook-secret"] != SECRET


def test_an_address_that_nobody_answers_at() -> None:
    found = machine.answers("http://127.0.0.1:9/webhook")
    assert (found.state, "doesn't answer" in found.said) == ("fail", True)


def forecast(needed: int, free: int, cache: Room | None = None) -> Callable[[], Forecast]:
    return lambda: Forecast(
        memory_bytes=0, needed_bytes=needed, free_bytes=free, seconds=0, cache=cache
    )


@pytest.mark.parametrize(
    ("guess", "state"),
    [
        (forecast(5, 10), "ok"),
        (forecast(11, 10), "fail"),
        (forecast(5, 10, Room(needed_bytes=1, free_bytes=2)), "ok"),
        (forecast(5, 10, Room(needed_bytes=3, free_bytes=2)), "fail"),
    ],
)
def test_room(guess: Callable[[], Forecast], state: str) -> None:
    assert machine.disk("acme/one", guess).state == state


def test_tokens_and_what_they_may(office: Office) -> None:
    office.hub.add_user("acme", "hf_fine", scopes={"acme/one": "write"})
    assert "`acme` (write)" in asked.writing(office.client()).said
    fine = asked.writing(office.client("hf_fine"))
    assert (fine.state, "`acme/one`" in fine.said) == ("ok", True)
    assert asked.writing(office.client("hf_read")).state == "fail"
    assert asked.reading(office.client(False)).state == "warn"
    assert account(office.client("hf_read"), write=False).role == "read"


def test_the_webhook(office: Office) -> None:
    client, wanted, url = office.client(), roster("acme/one"), "http://127.0.0.1:9/webhook"

    def look(**more: str) -> Exam:
        return asked.webhook(client, wanted, url=url, secret=more.get("secret", SECRET))

    assert look().state == "warn"
    install.tell(client, wanted, url=url, secret=SECRET)
    assert look().state == "ok"
    assert "another secret" in look(secret=SECRET[::-1]).said
    wanted = roster("acme/one", "acme/two")
    assert "doesn't watch `acme/two`" in look().said
    wanted = roster("acme/one")
    install.switch(client, url=url, on=False)
    assert "switched off" in look().said


def test_the_whole_from_the_command_line(office: Office, tmp_path: Path) -> None:
    office.hub.add_repo("acme/one", {"README.md": b"x"})
    merges = tmp_path / "merges.yaml"
    merges.write_text("merges:\n  - {adapter: acme/one, to: acme/one-merged}\n")
    told = {
        "HF_ENDPOINT": office.hub.url,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(tmp_path / "home"),
        "ADAPTER_MERGE_WEBHOOK_SECRET": SECRET,
        "COLUMNS": "160",
    }

    def bot(*words: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "adapter_merge", "bot", *words]
        environ = {**os.environ, **told, "HF_TOKEN": token}
        return subprocess.run(command, capture_output=True, text=True, env=environ, check=False)

    with answering(401) as (url, _):
        made = bot("install", str(merges), "--url", url)
        assert (made.returncode, made.stdout) == (0, "")
        assert "was made: it watches acme/one" in made.stderr
        well = bot("doctor", str(merges), "--url", url, "--json")
        assert well.returncode == 0, well.stdout
        found = {exam["name"]: exam for exam in json.loads(well.stdout)}
        assert {"merges.yaml", "hub", "read token", "write token", "secret", "address"} < set(found)
        assert found["webhook"]["state"] == found["target"]["state"] == "ok"
        assert "has to stand still" in found["adapter"]["said"]
        ill = bot("doctor", str(merges), "--url", url, token="hf_read")
        assert (ill.returncode, "may only read" in ill.stderr) == (10, True)
        assert SECRET not in well.stdout + ill.stderr
        assert "Which token serves which case" in ill.stderr
        (tmp_path / "other").write_text(SECRET[::-1])
        told |= {"ADAPTER_MERGE_WEBHOOK_SECRET": ""}
        told |= {"ADAPTER_MERGE_WEBHOOK_SECRET_FILE": str(tmp_path / "other")}
        assert "sends another secret" in bot("doctor", str(merges), "--url", url).stderr
    gone = bot("uninstall", "--url", url)
    assert (gone.returncode, gone.stderr.strip()) == (0, "1 webhook taken away.")


def test_a_secret_that_is_made_is_shown_once(office: Office, tmp_path: Path) -> None:
    merges = tmp_path / "merges.yaml"
    merges.write_text("merges:\n  - {adapter: acme/one, to: acme/one-merged}\n")
    command = [sys.executable, "-m", "adapter_merge", "bot", "install", str(merges)]
    environ = {**os.environ, "HF_ENDPOINT": office.hub.url, "HF_TOKEN": TOKEN}
    done = subprocess.run(
        [*command, "--url", "http://127.0.0.1:9/webhook"],
        capture_output=True,
        text=True,
        env=environ,
        check=True,
    )
    secret = done.stdout.strip()
    assert (len(secret), secret in done.stderr) == (64, False)
    (hook,) = HfApi(endpoint=office.hub.url, token=TOKEN).list_webhooks()
    assert hook.secret == secret


@pytest.mark.parametrize("words", [(), ("--url", "https://x.example/webhook", "--job")])
def test_one_of_both_is_asked_for(words: tuple[str, ...], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "adapter_merge", "bot", "install", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, "tells one address, or runs a Job" in done.stderr) == (2, True)
