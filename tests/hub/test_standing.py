"""A target as it stands: all of it in a few questions, and nothing of its weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_merge.errors import Gated, HubUnavailable, RequestError
from adapter_merge.hub.standing import _MOST_RECEIPT
from adapter_merge.localhub import Cut, Fault, Status
from adapter_merge.remote import Access
from tests.published import TARGET, TOKEN, Stand, files, sealed, standing


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with standing(tmp_path, xet=False, monkeypatch=monkeypatch) as found:
        yield found


def test_what_is_not_there_is_a_value(stand: Stand) -> None:
    found = stand.target()
    assert (found.repo, found.access, found.head, found.receipt) == (TARGET, None, None, None)
    assert (dict(found.files), dict(found.tags)) == ({}, {})


def test_a_result_is_known_again(stand: Stand, tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1, 2), card="---\nlicense: mit\n---\n# Merged\n")
    published = stand.publish(result)
    found = stand.target()
    assert (found.head, found.access) == (published.commit, Access.OPEN)
    assert found.receipt == result.receipt
    assert found.readme is not None
    assert found.readme.text("license") == "mit"
    assert found.foreign == ()
    assert all(piece.equals(found.files[path]) for path, piece in result.pieces.items())
    read = sum(r.sent for r in stand.hub.requests if ".safetensors" in r.path)
    assert read == 0


def test_a_branch_stands_for_itself(stand: Stand, tmp_path: Path) -> None:
    stand.publish(sealed(tmp_path / "one", files(1)))
    found = stand.target(branch="next")
    assert (found.access, found.head, dict(found.files)) == (Access.OPEN, None, {})


@pytest.mark.parametrize("access", Access)
def test_who_may_read_it(stand: Stand, access: Access) -> None:
    stand.hub.add_repo(TARGET, private=access is Access.PRIVATE)
    if access is Access.GATED:
        stand.hub.gate(TARGET)
    assert stand.target().access is access


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"schema_version": 2}', b"[" * 10_000])
def test_a_receipt_that_can_not_be_read_is_none(stand: Stand, content: bytes) -> None:
    stand.hub.add_repo(TARGET, {"merge_receipt.json": content})
    found = stand.target()
    assert found.receipt is None
    assert found.foreign == ("merge_receipt.json",)


def test_large_texts_of_strangers_are_not_pulled(stand: Stand, tmp_path: Path) -> None:
    texts = {"README.md": b"# " + b"x" * 50_000_000, "merge_receipt.json": b" " * _MOST_RECEIPT}
    stand.hub.add_repo(TARGET, {**texts, "more": b""})
    stand.write({"merge_receipt.json": texts["merge_receipt.json"] + b" "})
    before = sum(r.sent for r in stand.hub.requests)
    found = stand.target()
    assert found.receipt is None
    assert found.readme is not None
    assert len(found.readme.body) == 1 << 20
    assert sum(r.sent for r in stand.hub.requests) - before < 10_000_000


def test_a_renamed_target_is_named(stand: Stand) -> None:
    stand.hub.add_repo("org/new")
    moved = Status(status=307, headers={"Location": "/api/models/org/new"})
    stand.hub.fail(Fault(on="GET /api/models/org/merged\\?", does=moved))
    with pytest.raises(RequestError, match="is `org/new` now") as caught:
        stand.target()
    assert caught.value.hint == "Use `--to org/new`."


def test_a_token_that_nobody_knows_is_no_absent_target(stand: Stand) -> None:
    stand.hub.add_repo(TARGET)
    stand.hub.remove_token(TOKEN)
    with pytest.raises(Gated, match="doesn't know the token"):
        stand.target()


def test_a_hub_that_fails_once_is_asked_again(stand: Stand) -> None:
    stand.hub.add_repo(TARGET)
    for on in ("GET /api/models/org/merged$", "GET .*/refs", "GET .*/tree/"):
        stand.hub.fail(Fault(on=on, does=Cut()))
    assert stand.target().head is not None
    stand.hub.fail(Fault(on="GET .*/refs", does=Cut(), times=9))
    with pytest.raises(HubUnavailable):
        stand.target()


def test_history_is_read_as_far_as_it_is_asked_for(stand: Stand) -> None:
    stand.hub.add_repo(TARGET)
    for number in range(3):
        stand.write({"a": b"%d" % number}, f"Change {number}")
    found = stand.edge.history(TARGET, "main")
    assert [next(found).title for _ in range(2)] == ["Change 2", "Change 1"]
    assert stand.asked("/commits/main") == 1


def test_the_receipt_of_a_commit(stand: Stand, tmp_path: Path) -> None:
    one = sealed(tmp_path / "one", files(1))
    first = stand.publish(one)
    stand.publish(sealed(tmp_path / "two", files(2), recipe="two"))
    assert stand.edge.receipt(TARGET, first.commit) == one.receipt
    oldest = list(stand.edge.history(TARGET, "main"))[-1].id
    assert stand.edge.receipt(TARGET, oldest) is None
