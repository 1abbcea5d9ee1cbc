"""Who may read, get files and write: owners, members, strangers, and tokens that do less than their user."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_merge.localhub import LocalHub
from adapter_merge.localhub.users import Visibility
from tests.localhub.ask import ask, commit

REPOS = ["team/open", "team/private", "team/gated"]
# What each token gets of each of them: to see it, to get a file, to write.
ALL, SEES, NOTHING = (200, 200, 200), (200, 200, 403), (404, 404, 404)
RIGHTS = {
    None: [(200, 200, 401), (401, 401, 401), (200, 401, 401)],
    "hf_nobody": [(401, 401, 401)] * 3,
    "hf_writer": [ALL, ALL, ALL],
    "hf_writer_reads": [SEES, SEES, SEES],
    "hf_reader": [SEES, SEES, SEES],
    "hf_stranger": [SEES, NOTHING, (200, 403, 403)],
    "hf_allowed": [SEES, NOTHING, SEES],
    "hf_fine_read": [SEES, SEES, (200, 403, 403)],
    "hf_fine_write": [SEES, ALL, (200, 403, 403)],
    "hf_fine_team": [ALL, ALL, ALL],
    "hf_fine_elsewhere": [SEES, NOTHING, (200, 403, 403)],
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    with LocalHub(tmp_path_factory.mktemp("access")) as hub:
        hub.add_organisation("team", {"writer": "write", "reader": "read"})
        for user in ("writer", "reader", "stranger", "allowed"):
            hub.add_user(user, f"hf_{user}")
        hub.add_user("writer", "hf_writer_reads", role="read")
        hub.add_user("writer", "hf_fine_read", scopes={"team/private": "read"})
        hub.add_user("writer", "hf_fine_write", scopes={"team/private": "write"})
        hub.add_user("writer", "hf_fine_team", scopes={"team": "write"})
        hub.add_user("writer", "hf_fine_elsewhere", scopes={"team/other": "write"})
        for repo in REPOS:
            hub.add_repo(repo, {"a.txt": b"a"}, private=repo == "team/private")
        hub.gate("team/gated", ["allowed"])
        yield hub


@pytest.mark.parametrize("repo", REPOS)
@pytest.mark.parametrize("token", RIGHTS)
def test_rights(hub: LocalHub, token: str | None, repo: str) -> None:
    sees = ask(hub.url, f"GET /api/models/{repo}", token=token)
    gets = ask(hub.url, f"GET /{repo}/resolve/main/a.txt", token=token)
    writes = ask(
        hub.url, f"POST /api/models/{repo}/commit/main", token=token, body=commit({"b.txt": b"b"})
    )
    found = (sees.status, gets.status, writes.status)
    assert found == RIGHTS[token][REPOS.index(repo)]
    read = ask(hub.url, f"GET /api/models/{repo}/auth-check", token=token)
    write = ask(hub.url, f"GET /api/models/{repo}/auth-check/write", token=token)
    assert (read.status, write.status) == (gets.status, writes.status)


@pytest.mark.parametrize(
    ("token", "repo", "status"),
    [
        (None, "team/open", 401),
        ("hf_stranger", "team/open", 200),
        ("hf_stranger", "team/private", 404),
        ("hf_stranger", "team/gated", 403),
        ("hf_allowed", "team/gated", 200),
        ("hf_reader", "team/private", 200),
        ("hf_writer_reads", "team/open", 403),
        ("hf_fine_read", "team/private", 403),
    ],
)
def test_who_may_open_a_pull_request(
    hub: LocalHub, token: str | None, repo: str, status: int
) -> None:
    line = f"POST /api/models/{repo}/commit/main?create_pr=1"
    assert ask(hub.url, line, token=token, body=commit({"c": b"c"})).status == status
    line = f"GET /api/models/{repo}/xet-write-token/main?create_pr=1"
    assert ask(hub.url, line, token=token).status == status


def test_what_is_private_looks_to_strangers_as_if_it_was_not_there(hub: LocalHub) -> None:
    private = ask(hub.url, "GET /api/models/team/private", token="hf_stranger")
    missing = ask(hub.url, "GET /api/models/team/missing", token="hf_stranger")
    assert (private.status, private.body) == (missing.status, missing.body)
    assert private.headers["x-error-code"] == missing.headers["x-error-code"] == "RepoNotFound"


def test_a_gate_says_so(hub: LocalHub) -> None:
    got = ask(hub.url, "GET /team/gated/resolve/main/a.txt", token="hf_stranger")
    assert got.headers["x-error-code"] == "GatedRepo"


@pytest.mark.parametrize(
    ("token", "owner", "status"),
    [
        ("hf_writer", "team", 200),
        ("hf_reader", "team", 403),
        ("hf_stranger", "team", 403),
        ("hf_writer_reads", "team", 403),
        ("hf_fine_write", "team", 403),
        ("hf_fine_team", "team", 200),
        ("hf_stranger", "stranger", 200),
        (None, "team", 401),
    ],
)
def test_who_may_make_a_repository(
    hub: LocalHub, token: str | None, owner: str, status: int
) -> None:
    name = f"new-{(token or 'nobody')[3:].replace('_', '-')}"
    body = {"name": name, "organization": owner}
    assert ask(hub.url, "POST /api/repos/create", token=token, body=body).status == status


def test_who_sees_what_in_a_list(hub: LocalHub) -> None:
    def seen(token: str | None) -> set[str]:
        found = ask(hub.url, "GET /api/models?author=team", token=token).json
        assert isinstance(found, list)
        return {repo["id"] for repo in found} & set(REPOS)

    assert seen("hf_reader") == set(REPOS)
    assert seen(None) == {"team/open", "team/gated"}


@pytest.mark.parametrize(
    ("default", "wish", "private"),
    [
        ("private", {}, True),
        ("private", {"visibility": "public"}, False),
        ("public", {}, False),
        ("public", {"private": True}, True),
    ],
)
def test_an_organisation_decides_what_nobody_says(
    tmp_path: Path, default: Visibility, wish: dict[str, object], private: bool
) -> None:
    with LocalHub(tmp_path) as hub:
        hub.add_user("bot", "hf_bot")
        hub.add_organisation("team", {"bot": "write"}, visibility=default)
        body = {"name": "a", "organization": "team", **wish}
        assert ask(hub.url, "POST /api/repos/create", token="hf_bot", body=body).status == 200
        info = ask(hub.url, "GET /api/models/team/a", token="hf_bot").json
        assert isinstance(info, dict)
        assert info["private"] is private


def test_a_token_that_is_taken_away_opens_nothing(tmp_path: Path) -> None:
    with LocalHub(tmp_path) as hub:
        hub.add_user("bot", "hf_bot")
        hub.add_user("bot", "hf_second")
        hub.remove_token("hf_bot")
        assert ask(hub.url, "GET /api/whoami-v2", token="hf_bot").status == 401
        assert ask(hub.url, "GET /api/whoami-v2", token="hf_second").status == 200


def test_a_trusted_identity_gets_a_token_for_one_repository(tmp_path: Path) -> None:
    claims = "eyJyZXBvIjogIm1lL2NpIn0"  # {"repo": "me/ci"}
    trade = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": f"e30.{claims}.",
        "resource": "bot/a",
    }
    with LocalHub(tmp_path) as hub:
        for repo in ("bot/a", "bot/b"):
            hub.add_repo(repo, private=True)
        assert ask(hub.url, "POST /oauth/token", body=trade).status == 400
        hub.trust("bot/a", {"repo": "other/ci"})
        assert ask(hub.url, "POST /oauth/token", body=trade).status == 400
        hub.trust("bot/a", {"repo": "me/ci"})
        given = ask(hub.url, "POST /oauth/token", body=trade).json
        assert isinstance(given, dict)
        for repo, status in (("bot/a", 200), ("bot/b", 404)):
            line = f"POST /api/models/{repo}/commit/main"
            token, body = given["access_token"], commit({"x": b"x"})
            assert ask(hub.url, line, token=token, body=body).status == status


def test_a_resource_group_is_reached_by_its_members_alone(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub") as hub:
        hub.add_organisation("team", {"one": "write", "two": "write"})
        for user in ("one", "two"):
            hub.add_user(user, f"hf_{user}")
        hub.add_repo("team/secret", {"a.txt": b"a"}, private=True)
        hub.add_resource_group("core", ["one"], ["team/secret"])
        asked = "GET /api/models/team/secret?expand=private&expand=resourceGroup"
        answers = [ask(hub.url, asked, token=f"hf_{user}") for user in ("one", "two")]
        assert [answer.status for answer in answers] == [200, 404]
        assert json.loads(answers[0].body)["resourceGroup"]["name"] == "core"


def test_members_of_an_organization(hub: LocalHub) -> None:
    answer = ask(hub.url, "GET /api/organizations/team/members", token="hf_reader")
    assert {m["user"]: m["role"] for m in json.loads(answer.body)} == {
        "reader": "read",
        "writer": "write",
    }
    assert ask(hub.url, "GET /api/organizations/nobody/members").status == 404
