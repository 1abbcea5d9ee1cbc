"""Who may publish where, asked before the work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter_merge.errors import HubUnavailable, Refused, RequestError
from adapter_merge.hub.client import connect
from adapter_merge.hub.edge import HubEdge
from adapter_merge.hub.retry import Patience
from adapter_merge.hub.write import _require_owner
from adapter_merge.localhub import Cut, Fault
from adapter_merge.request import RepoRef
from tests.published import READER, TARGET, TOKEN, Stand, standing, target


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with standing(tmp_path, xet=False, monkeypatch=monkeypatch) as found:
        yield found


def edge(stand: Stand, token: str | bool, **options: Any) -> HubEdge:
    patience = Patience(tries=2, sleep=lambda _: None)
    return HubEdge(connect(endpoint=stand.hub.url, token=token, patience=patience, **options))


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("stands", [True, False])
def test_a_member_may(stand: Stand, stands: bool, private: bool) -> None:
    if stands:
        stand.hub.add_repo(TARGET, private=private)
    stand.edge.require_write(stand.target())


@pytest.mark.parametrize("stands", [True, False])
def test_somebody_else_may_not(stand: Stand, stands: bool) -> None:
    if stands:
        stand.hub.add_repo(TARGET)
    with pytest.raises(Refused) as caught:
        edge(stand, READER).require_write(stand.target())
    assert f"`{TARGET}`" in caught.value.message
    assert READER not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("stands", [True, False])
def test_a_token_that_only_reads_may_not(stand: Stand, stands: bool) -> None:
    stand.hub.add_user("bot", "hf_weak", role="read")
    if stands:
        stand.hub.add_repo(TARGET)
    with pytest.raises(Refused):
        edge(stand, "hf_weak").require_write(stand.target())


def test_a_token_for_one_repository_may_write_there(stand: Stand) -> None:
    stand.hub.add_repo(TARGET)
    stand.hub.add_user("bot", "hf_fine", scopes={TARGET: "write"})
    edge(stand, "hf_fine").require_write(stand.target())


@pytest.mark.parametrize("stands", [True, False])
def test_nobody_may_not(stand: Stand, stands: bool) -> None:
    if stands:
        stand.hub.add_repo(TARGET)
    with pytest.raises(Refused, match="no token to publish with") as caught:
        edge(stand, False).require_write(stand.target())
    assert "hf auth login" in caught.value.hint


def test_anybody_with_a_name_may_propose(stand: Stand) -> None:
    stand.hub.add_repo(TARGET)
    edge(stand, READER).require_write(stand.target(), pull_request=True)
    with pytest.raises(Refused, match="no token"):
        edge(stand, False).require_write(stand.target(), pull_request=True)


def test_the_token_for_writing_counts(stand: Stand) -> None:
    stand.hub.add_repo(TARGET, private=True)
    both = edge(stand, READER, write_token=TOKEN)
    found = both.target(RepoRef.model_validate(TARGET), None)
    assert found.head == stand.hub.head(TARGET)
    both.require_write(found)


def test_a_silent_hub_is_told_of(stand: Stand) -> None:
    stand.hub.add_repo(TARGET)
    seen = stand.target()
    stand.hub.fail(Fault(on="auth-check", does=Cut(), times=9))
    with pytest.raises(HubUnavailable):
        stand.edge.require_write(seen)


def test_offline_there_is_nowhere_to_publish(stand: Stand) -> None:
    with pytest.raises(RequestError, match="offline mode"):
        edge(stand, TOKEN, offline=True).require_write(target())


def _who(role: str, scopes: object = None, member: str = "write") -> Mapping[str, Any]:
    fine = {} if scopes is None else {"fineGrained": {"scoped": scopes}}
    return {
        "name": "bot",
        "orgs": [{"name": "Org", "roleInOrg": member}],
        "auth": {"accessToken": {"role": role, **fine}},
    }


def scope(name: str, *permissions: str) -> dict[str, Any]:
    return {"entity": {"type": "org", "name": name}, "permissions": list(permissions)}


# What the Hub says of a token -> whether it may make `org/merged`, as far as that tells.
SAID = [
    (_who("write"), True),
    (_who("read"), False),
    (_who("write", member="read"), False),
    (_who("write", member="contributor"), True),
    (_who("fineGrained"), True),
    (_who("fineGrained", [scope("org", "repo.content.read", "repo.write")]), True),
    (_who("fineGrained", [scope("org", "repo.content.read")]), False),
    (_who("fineGrained", [scope("other", "repo.write")]), False),
    ({"name": "org"}, True),
    ({"name": "bot"}, False),
]


@pytest.mark.parametrize(("who", "may"), SAID)
def test_what_a_token_tells_of_itself(who: Mapping[str, Any], may: bool) -> None:
    if may:
        _require_owner(who, TARGET)
        return
    with pytest.raises(Refused) as caught:
        _require_owner(who, TARGET)
    assert "settings/tokens" in caught.value.hint


def test_a_target_is_asked_for_by_its_owner(stand: Stand) -> None:
    absent = replace(target(), repo="other/merged")
    with pytest.raises(Refused, match="who is no member of `other`"):
        stand.edge.require_write(absent)
