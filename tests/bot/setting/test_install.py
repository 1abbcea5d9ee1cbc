"""One webhook, however often it is asked for, and nobody else's is touched."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from huggingface_hub import HfApi

from adapter_merge.bot.setting import install
from adapter_merge.bot.setting.install import Runs
from adapter_merge.bot.setting.watched import items
from adapter_merge.errors import RequestError
from adapter_merge.hub.webhooks import Item
from adapter_merge.merges import roster_of
from tests.bot.setting.conftest import TOKEN, Office, roster

URL = "http://127.0.0.1:9/webhook"
SECRET = "0123456789abcdef0123456789abcdef"


def api(office: Office) -> HfApi:
    return HfApi(endpoint=office.hub.url, token=TOKEN)


def test_what_is_watched() -> None:
    wanted = roster("acme/one", "other/two", "lab/three", watch=("acme", "lab"))
    assert items(wanted, user="Acme") == (
        Item(type="model", name="other/two"),
        Item(type="org", name="lab"),
        Item(type="user", name="acme"),
    )


def test_it_is_made_once_and_changed_only_where_it_differs(office: Office) -> None:
    client, first = office.client(), roster("acme/one")
    assert install.tell(client, first, url=URL, secret=SECRET).what == "made"
    assert install.tell(client, first, url=URL, secret=SECRET).what == "unchanged"
    more = install.tell(client, roster("acme/one", "acme/two"), url=URL, secret=SECRET)
    assert more.what == "changed"
    assert install.tell(client, first, url=URL, secret=SECRET[::-1]).what == "changed"
    (hook,) = api(office).list_webhooks()
    assert (hook.url, hook.secret, hook.domains) == (URL, SECRET[::-1], ["repo"])
    assert [w.name for w in hook.watched] == ["acme/one"]


def test_one_that_was_switched_off_is_on_again(office: Office) -> None:
    client, wanted = office.client(), roster("acme/one")
    made = install.tell(client, wanted, url=URL, secret=SECRET).hook
    assert [h.id for h in install.switch(client, url=URL, on=False)] == [made.id]
    assert install.switch(client, url=URL, on=False) == ()
    assert install.tell(client, wanted, url=URL, secret=SECRET).hook.enabled
    assert not api(office).get_webhook(made.id).disabled


def test_a_second_one_of_ours_goes_and_those_of_others_stay(office: Office) -> None:
    for url in (URL, URL, "https://others.example/hook"):
        api(office).create_webhook(url=url, watched=[{"type": "user", "name": "acme"}])
    install.tell(office.client(), roster("acme/one"), url=URL, secret=SECRET)
    assert sorted(str(h.url) for h in api(office).list_webhooks()) == [
        URL,
        "https://others.example/hook",
    ]
    assert len(install.uninstall(office.client(), url=URL)) == 1
    assert [h.url for h in api(office).list_webhooks()] == ["https://others.example/hook"]


@pytest.mark.parametrize(
    "url",
    [
        "http://bot.example/webhook",
        "ftp://127.0.0.1/x",
        "bot.example",
        "https://me:word@bot.example/x",
        "https:///webhook",
    ],
)
def test_the_secret_is_sent_nowhere_in_the_clear(office: Office, url: str) -> None:
    with pytest.raises(RequestError, match="no address for a webhook") as error:
        install.tell(office.client(), roster("acme/one"), url=url, secret=SECRET)
    assert "word" not in str(error.value)
    assert api(office).list_webhooks() == []


def test_nothing_on_a_hub_is_nothing_to_watch(office: Office) -> None:
    with pytest.raises(RequestError, match="no adapter on a Hub"):
        install.tell(office.client(), roster("./folder"), url=URL, secret=SECRET)


def runs(document: str = "merges: []") -> Runs:
    return Runs(
        image="python:3.12",
        document=document,
        secrets={"HF_TOKEN": TOKEN},
        flavor="cpu-basic",
        timeout="5m",
        contact="me@example.org",
    )


def test_a_job_runs_once_and_then_at_every_push(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "import os, json; print(json.dumps({k: os.environ.get(k) for k in ('WEBHOOK_REPO_ID', 'HF_TOKEN', 'ADAPTER_MERGE_MERGES')}))"
    monkeypatch.setattr(install, "COMMAND", (sys.executable, "-c", program))
    api(office).create_repo("acme/one")
    first = install.run(office.client(), roster("acme/one"), runs("one"))
    assert first.what == "made"
    assert install.run(office.client(), roster("acme/one"), runs("two")).what == "changed"
    (hook,) = api(office).list_webhooks()
    assert hook.job is not None
    assert hook.job.secrets == {"HF_TOKEN": None}
    said = (hook.job.environment or {})["ADAPTER_MERGE_SIGNATURE"]
    assert "run by me@example.org" in said
    api(office).upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="acme/one")
    *_, woken = office.hub.wait_for_jobs(3)
    given = json.loads(office.hub.job_log(woken)[-1])
    assert given == {
        "WEBHOOK_REPO_ID": "acme/one",
        "HF_TOKEN": TOKEN,
        "ADAPTER_MERGE_MERGES": "two",
    }
    assert len(install.uninstall(office.client(), url=None)) == 1


def test_a_first_run_that_fails_makes_no_webhook(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "COMMAND", (sys.executable, "-c", "raise SystemExit(3)"))
    with pytest.raises(RequestError, match="failed: Job failed with exit code: 3"):
        install.run(office.client(), roster("acme/one"), runs())
    assert api(office).list_webhooks() == []


@pytest.mark.parametrize(
    ("text", "too_early"),
    [
        ("merges: [{adapter: acme/one, to: acme/two}]", True),
        ("merges: [{adapter: acme/one, to: acme/two, when: push}]", False),
        ("merges: [{adapter: acme/one, to: acme/two, settle: 0}]", False),
        ("merges: [{adapter: acme/one, to: acme/two, when: 'tag:v*'}]", False),
        ("watch: [{owner: acme, to: 'acme/{name}-merged', except: '*-merged'}]", True),
        ("watch: [{owner: acme, to: 'acme/{name}-merged', except: '*-merged', when: push}]", False),
    ],
)
def test_what_waits_for_a_head_to_settle(text: str, *, too_early: bool) -> None:
    assert install.settles(roster_of(text.encode())) is too_early


def test_secrets_are_never_shown() -> None:
    assert TOKEN not in repr(replace(runs(), document="x"))
