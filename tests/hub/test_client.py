"""The client: what the environment says, and that no request is without a time limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapter_merge.errors import RequestError
from adapter_merge.hub.client import certificates, connect
from tests.build import make_case
from tests.cli.conftest import modules_after
from tests.hub.stock import TOKEN, Stocked

_SAYS = """
import json, sys
from adapter_merge.hub.client import connect
c = connect()
print(json.dumps([c.endpoint, str(c.cache), c.offline, c.headers().get("authorization"), c.write_token]))
"""


def _from(environ: dict[str, str]) -> list[object]:
    kept = {k: os.environ[k] for k in ("PATH", "PYTHONPATH") if k in os.environ}
    found = subprocess.run(
        [sys.executable, "-c", _SAYS],
        env={**kept, **environ},
        capture_output=True,
        check=True,
        text=True,
    )
    answer: list[object] = json.loads(found.stdout)
    return answer


def test_what_the_environment_says_counts(tmp_path: Path) -> None:
    """Mirror, cache, offline mode and both tokens; the Hub's client reads them once, when it is imported."""
    assert _from(
        {
            "HF_ENDPOINT": "https://mirror.test/",
            "HF_HOME": str(tmp_path),
            "HF_HUB_OFFLINE": "1",
            "HF_TOKEN": "hf_read",
            "HF_WRITE_TOKEN": "hf_write",
        }
    ) == ["https://mirror.test", str(tmp_path / "hub"), True, "Bearer hf_read", "hf_write"]
    (tmp_path / "token").write_text("hf_login")
    assert _from({"HF_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "c")}) == [
        "https://huggingface.co",
        str(tmp_path / "c"),
        False,
        "Bearer hf_login",
        None,
    ]
    assert _from({"HF_HOME": str(tmp_path / "none")})[3] is None


_OPENS = """
import sys
from adapter_merge.errors import AdapterMergeError
from adapter_merge.hub import connect
from adapter_merge.request import RepoRef
try:
    found = connect().open(RepoRef.model_validate("org/base"))
    found.have(["config.json"])
    print(found.pinned.access.name, (found.pinned.root / "config.json").read_text())
except AdapterMergeError as e:
    print(type(e).__name__, e)
"""


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (None, "NotFound there is no `org/base` on 127.0.0.1, or this account may not see it"),
        (TOKEN, "PRIVATE {}"),
        ("hf_notthistoken", "Gated 127.0.0.1 doesn't know the token that was sent for `org/base`"),
    ],
)
def test_the_hub_and_the_token_of_the_environment_are_used(
    token: str | None, words: str, both: Stocked, tmp_path: Path
) -> None:
    both.add("org/base", {"config.json": b"{}"}, private=True)
    known = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environ = {**known, "HF_ENDPOINT": both.server.url, "HF_HOME": str(tmp_path / "home")}
    found = subprocess.run(
        [sys.executable, "-c", _OPENS],
        env=environ if token is None else {**environ, "HF_TOKEN": token},
        capture_output=True,
        check=True,
        text=True,
    )
    assert found.stdout.strip() == words
    assert found.stderr == ""


def test_tokens_show_nowhere() -> None:
    client = connect(token="hf_secretread", write_token="hf_secretwrite")
    assert "secret" not in repr(client)
    assert client.reader.token == "hf_secretread"
    assert client.writer.token == "hf_secretwrite"
    assert connect(token="hf_secretread").writer.token == "hf_secretread"


def test_certificates_are_those_that_the_environment_names(tmp_path: Path) -> None:
    import certifi

    bundle = certifi.where()
    assert certificates({}) is True
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        assert certificates({name: bundle}) is not True
        with pytest.raises(RequestError, match=f"`{name}` names"):
            certificates({name: str(tmp_path / "none.pem")})
    (tmp_path / "odd.pem").write_text("nothing")
    with pytest.raises(RequestError):
        certificates({"SSL_CERT_FILE": str(tmp_path / "odd.pem")})
    assert certificates({"REQUESTS_CA_BUNDLE": str(tmp_path)}) is not True


def test_every_request_has_a_time_limit() -> None:
    from huggingface_hub import get_session

    connect()
    session = get_session()
    *_, bound = session.event_hooks["request"]
    for method, seconds in (("GET", 30), ("HEAD", 30), ("POST", 300), ("PUT", 300)):
        for given in (None, 7):
            request = session.build_request(method, "http://127.0.0.1/", timeout=given)
            bound(request)
            limits = request.extensions["timeout"]
            assert limits["read"] == (given or seconds)
            assert all(limit and limit > 0 for limit in limits.values())


def test_a_proxy_of_the_environment_is_used(tmp_path: Path) -> None:
    """A Hub whose name nobody knows is reached through the proxy, which answers like one."""
    from adapter_merge.localhub import LocalHub

    with LocalHub(tmp_path / "hub", xet=False) as proxy:
        program = (
            "from adapter_merge.hub.client import connect\n"
            "from adapter_merge.hub.snapshot import pin\n"
            "pin(connect(), 'org/base', None)\n"
        )
        subprocess.run(
            [sys.executable, "-c", program],
            env={
                **{k: v for k, v in os.environ.items() if k != "NO_PROXY"},
                "HF_ENDPOINT": "http://hub.invalid",
                "HTTP_PROXY": proxy.url,
                "HF_HOME": str(tmp_path),
            },
            check=False,
            capture_output=True,
            timeout=60,
        )
        assert any("hub.invalid" in r.path or "org/base" in r.path for r in proxy.requests)


def test_a_run_on_folders_never_imports_the_client(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    run = f"run {case.adapter} --base {case.base} --to {case.to} --probe off"
    for line in (run, run, f"verify {case.to}"):
        found = modules_after(line, cwd=tmp_path)
        assert "adapter_merge.pipeline" in found or "adapter_merge.audit" in found
        assert [m for m in found if m.startswith(("huggingface_hub", "httpx"))] == []
    assert case.receipt().files
