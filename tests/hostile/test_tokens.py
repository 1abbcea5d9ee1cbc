"""Tokens: no output of a good or a bad run has one, and no process that reads strangers' files gets one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from adapter_merge.children import environment
from adapter_merge.localhub import LocalHub
from adapter_merge.localhub.faults import Fault, Status
from tests.build import change_json, make_case

READ, WRITE = "hf_" + "R3ad" * 8, "hf_" + "Wr1te" * 6
OTHERS = {
    "HUGGING_FACE_HUB_TOKEN": "hf_" + "0lder" * 6,
    "HF_OIDC_REQUEST_TOKEN": "oidc-" + "secret" * 4,
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "ey" + "J0oken" * 5,
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://pipelines.invalid/secreturl",
    "GITHUB_TOKEN": "ghs_" + "G1thub" * 5,
    "GH_TOKEN": "ghp_" + "G2thub" * 5,
    "AWS_SECRET_ACCESS_KEY": "aws" + "S3cret" * 5,
}
SECRETS = (READ, WRITE, *OTHERS.values())


class Desk:
    """The real command line in processes of its own, with every token that there may be."""

    def __init__(self, hub: LocalHub, root: Path) -> None:
        self.hub = hub
        self.root = root
        self.kept = root / "kept"
        self.kept.mkdir()
        self._runs = 0

    def run(self, *line: str, read: str = READ) -> int:
        """Its exit code; all that it said and wrote is kept."""
        self._runs += 1
        known = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        done = subprocess.run(
            [sys.executable, "-m", "adapter_merge", *line],
            cwd=self.root,
            env={
                **known,
                **OTHERS,
                "HF_ENDPOINT": self.hub.url,
                "HF_HOME": str(self.root / "home"),
                "HF_TOKEN": read,
                "HF_WRITE_TOKEN": WRITE,
            },
            capture_output=True,
            check=False,
        )
        (self.kept / f"{self._runs}.out").write_bytes(done.stdout)
        (self.kept / f"{self._runs}.err").write_bytes(done.stderr)
        assert b"Traceback" not in done.stderr
        return done.returncode

    def leaks(self) -> list[str]:
        """Files with a token in them: outputs, reports, the cache, results, here and on the Hub."""
        places = (self.kept, self.root / "home", self.root / "out", self.root / "hub" / "objects")
        files = [p for place in places for p in place.rglob("*") if p.is_file()]
        return sorted(f"{p.name}" for p in files if _has_secret(p.read_bytes()))

    def requests(self) -> list[str]:
        """Addresses that were asked for: a token in one would be in every log."""
        return [r.path for r in self.hub.requests if any(s in r.path for s in SECRETS)]


def _has_secret(content: bytes) -> bool:
    return any(secret.encode() in content for secret in SECRETS)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Base and adapter, private, on a Hub that knows one token for reading and one for writing."""
    with LocalHub(tmp_path / "hub") as hub:
        hub.add_user("bot", READ, role="read")
        hub.add_user("bot", WRITE)
        case = make_case(tmp_path / "case")
        (case.base / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
        change_json(case.adapter / "adapter_config.json", base_model_name_or_path="bot/base")
        api = HfApi(endpoint=hub.url, token=WRITE)
        for name, folder in (("bot/base", case.base), ("bot/adapter", case.adapter)):
            api.create_repo(name, private=True)
            api.upload_folder(repo_id=name, folder_path=folder)
        yield Desk(hub, tmp_path)


@pytest.mark.slow
def test_no_output_has_a_token(desk: Desk) -> None:
    report = ("--report", str(desk.kept / "report"))
    good = ("run", "bot/adapter", "--to", "bot/merged")
    assert desk.run("plan", "bot/adapter", "--to", "bot/merged", "--json") == 0
    assert desk.run(*good, *report) == 0
    assert desk.run(*good, "--json") == 0
    assert desk.run("verify", "bot/merged", "--json") == 0
    assert desk.run("run", "bot/adapter", "--to", "./out", "--json", "--probe", "off") == 0
    assert desk.run("run", "bot/none", "--to", "bot/x", *report) == 3
    assert desk.run(*good, "--json", read="hf_" + "R3ad" * 7) == 3  # a token that nobody knows
    body = json.dumps({"error": f"no: Bearer {READ} {WRITE}"}).encode()
    said = Status(status=403, headers={"X-Error-Message": f"not with {WRITE}"}, body=body)
    desk.hub.fail(Fault(on="/commit/", does=said, times=9))
    assert desk.run("run", "bot/adapter", "--to", "bot/refused", *report) == 8
    desk.hub.fail(Fault(on="/api/models/bot/adapter", does=said, times=99))
    assert desk.run("run", "bot/adapter", "--to", "bot/other", "--json") == 3
    assert desk.leaks() == []
    assert desk.requests() == []
    (desk.root / "home" / "planted").write_text(f"x{WRITE}y")
    (desk.kept / "report" / "report.html").write_text(f"<p>{OTHERS['GITHUB_TOKEN']}</p>")
    assert desk.leaks() == ["planted", "report.html"]


_ASKS = """
import json, os
from huggingface_hub import constants, get_token
print(json.dumps([get_token(), constants.HF_TOKEN_PATH, dict(os.environ)]))
"""


def test_a_child_finds_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in its environment, and not in the file of a login, which the Hub's client would look for."""
    login = tmp_path / "home" / ".cache" / "huggingface"
    login.mkdir(parents=True)
    (login / "token").write_text(READ)
    monkeypatch.delenv("HF_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    known = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    assert _asked(known)[0] == READ  # whoever has that home finds it
    for name, secret in {"HF_TOKEN": READ, "HF_WRITE_TOKEN": WRITE, **OTHERS}.items():
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("HF_TOKEN_PATH", str(login / "token"))
    (tmp_path / "empty").mkdir()
    found, path, given = _asked(environment(tmp_path / "empty"))
    assert found is None
    assert Path(path).parent == tmp_path / "empty"
    assert not _has_secret(json.dumps(given).encode())
    assert not {"HF_TOKEN", "HF_TOKEN_PATH", "HF_WRITE_TOKEN", *OTHERS} & given.keys()


def _asked(environ: dict[str, str]) -> tuple[str | None, str, dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-c", _ASKS], env=environ, capture_output=True, check=True, text=True
    )
    found, path, given = json.loads(done.stdout)
    return found, path, given


def test_every_child_that_reads_strangers_files_gets_that_environment() -> None:
    """A process that is started without `env` has all of ours."""
    root = Path(__file__).parents[2] / "src" / "adapter_merge"
    starts = {
        path.relative_to(root).as_posix(): path.read_text()
        for path in root.rglob("*.py")
        if "subprocess.run(" in path.read_text() or "subprocess.Popen(" in path.read_text()
    }
    # The demo starts this program and pip, the bot this program, which has children of its own, and `nvidia-smi`;
    # jobs of the Hub on loopback are its user's own commands.
    ours = {n for n in starts if not n.startswith(("bot/", "cli/", "localhub/"))}
    # It tries whether namespaces can be had, with an empty environment.
    assert "env={}" in starts["children.py"]
    ours.remove("children.py")
    assert ours == {
        "encoders/child.py",
        "layouts/sandbox.py",
        "patterns.py",
        "pickles/convert.py",
    }
    for name in ours:
        assert "children import environment" in starts[name]
        assert "env=" in starts[name]
