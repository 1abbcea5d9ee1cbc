"""Going back: an earlier state comes again as a new commit, from what the Hub has already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_merge.errors import Conflict, Refused, RevisionMissing, TargetNotOurs
from adapter_merge.localhub import Fault, Lost, Status
from adapter_merge.report import Published
from adapter_merge.sending import trailers_in
from adapter_merge.stages.revert import revert
from tests.published import TARGET, Stand, digest, files, new_card, sealed, standing


@pytest.fixture(params=[True, False], ids=["xet", "lfs"])
def stand(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stand]:
    with standing(tmp_path, xet=request.param, monkeypatch=monkeypatch) as found:
        yield found


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with standing(tmp_path, xet=False, monkeypatch=monkeypatch) as found:
        yield found


def two_states(stand: Stand, tmp_path: Path) -> tuple[Published, Published]:
    """Three shards, then one; with other cards and configs."""
    contents = {**files(1, 2, 3), "config.json": b"{}", "old.json": b"{}"}
    one = stand.publish(sealed(tmp_path / "one", contents, card="# One\n"))
    two = stand.publish(sealed(tmp_path / "two", files(4), recipe="two", card="# Two\n"))
    return one, two


def tree(stand: Stand, commit: str) -> dict[str, str]:
    return {path: file.digest for path, file in stand.edge.files(TARGET, commit).items()}


def test_the_state_before_comes_again(stand: Stand, tmp_path: Path) -> None:
    one, two = two_states(stand, tmp_path)
    sent = sum(r.received for r in stand.hub.requests)
    published = revert(stand.target(), hub=stand.edge)
    assert tree(stand, published.commit) == tree(stand, one.commit)
    assert stand.read("README.md") == b"# One\n"
    assert published.commit == stand.hub.head(TARGET)
    last = next(stand.edge.history(TARGET, "main"))
    assert last.title == f"Revert to {one.tag}" == published.title
    assert trailers_in(last.message)[0] == ("Adapter-Merge-Recipe", digest("one"))
    assert trailers_in(last.message)[-1] == ("Adapter-Merge-Reverts", two.commit)
    assert (published.moved, published.tag, published.visibility) == (0, None, "public")
    assert sum(r.received for r in stand.hub.requests) - sent < 10_000  # no weights among them


def test_what_the_hub_restores_as_another_file_is_named(plain: Stand, tmp_path: Path) -> None:
    one, two = two_states(plain, tmp_path)
    there = [
        {"type": "file", "path": path, "size": file.size, "oid": file.oid}
        | ({"lfs": {"oid": file.sha256, "size": file.size}} if file.sha256 else {})
        for path, file in plain.edge.files(TARGET, one.commit).items()
    ]
    wrong = [{**f, "oid": "0" * 40} if f["path"] == "old.json" else f for f in there]
    made = f"GET .*/tree/(?!{one.commit}|{two.commit})"
    plain.hub.fail(Fault(on=made, does=Status(status=200, body=json.dumps(wrong).encode())))
    with pytest.raises(Refused, match=r"`old.json` in .* isn't what was sent"):
        revert(plain.target(), hub=plain.edge)


def test_going_back_twice_takes_the_first_back(plain: Stand, tmp_path: Path) -> None:
    _, two = two_states(plain, tmp_path)
    revert(plain.target(), hub=plain.edge)
    published = revert(plain.target(), hub=plain.edge)
    assert tree(plain, published.commit) == tree(plain, two.commit)
    assert len(plain.commits()) == 5


def test_a_card_alone_is_no_earlier_state(plain: Stand, tmp_path: Path) -> None:
    one = plain.publish(sealed(tmp_path / "one", files(1), card="# One\n"))
    result = sealed(tmp_path / "two", files(2), recipe="two", card="# Two\n")
    plain.publish(result)
    plain.publish(new_card(tmp_path / "card", result, "# Two, again\n"))
    published = revert(plain.target(), hub=plain.edge)
    assert tree(plain, published.commit) == tree(plain, one.commit)


def test_the_same_files_by_another_recipe_are_no_earlier_state(
    plain: Stand, tmp_path: Path
) -> None:
    plain.publish(sealed(tmp_path / "one", files(1)))
    plain.publish(sealed(tmp_path / "two", files(1), recipe="two"))
    with pytest.raises(RevisionMissing, match="has no earlier result"):
        revert(plain.target(), hub=plain.edge)


@pytest.mark.parametrize("named", ["tag", "commit", "short"])
def test_a_state_can_be_named(plain: Stand, tmp_path: Path, named: str) -> None:
    one, _ = two_states(plain, tmp_path)
    plain.publish(sealed(tmp_path / "three", files(5, 6), recipe="three"))
    to = {"tag": one.tag, "commit": one.commit, "short": one.commit[:7]}[named]
    published = revert(plain.target(), hub=plain.edge, to=to)
    assert tree(plain, published.commit) == tree(plain, one.commit)
    again = revert(plain.target(), hub=plain.edge, to=to)
    assert (again.commit, again.found) == (published.commit, True)


def test_where_there_is_no_earlier_state_nothing_is_done(plain: Stand, tmp_path: Path) -> None:
    plain.publish(sealed(tmp_path / "one", files(1)))
    with pytest.raises(RevisionMissing, match="has no earlier result"):
        revert(plain.target(), hub=plain.edge)
    for to in ("merge-nothing", "0000000"):
        with pytest.raises(RevisionMissing, match=to):
            revert(plain.target(), hub=plain.edge, to=to)
    assert len(plain.commits()) == 2


def test_a_target_of_somebody_else_is_left_alone(plain: Stand) -> None:
    plain.hub.add_repo(TARGET, {"config.json": b"{}"})
    with pytest.raises(TargetNotOurs, match="has no receipt"):
        revert(plain.target(), hub=plain.edge)


def test_files_of_others_stay(plain: Stand, tmp_path: Path) -> None:
    two_states(plain, tmp_path)
    plain.write({"model.gguf": b"mine"})
    revert(plain.target(), hub=plain.edge)
    assert plain.read("model.gguf") == b"mine"
    revert(plain.target(), hub=plain.edge)
    plain.write({"old.json": b"mine"})
    with pytest.raises(TargetNotOurs, match=r"`old.json`"):
        revert(plain.target(), hub=plain.edge)
    assert plain.read("old.json") == b"mine"


def test_it_is_done_once_though_the_answer_gets_lost(plain: Stand, tmp_path: Path) -> None:
    one, _ = two_states(plain, tmp_path)
    plain.hub.fail(Fault(on="POST .*/commit/", does=Lost()))
    published = revert(plain.target(), hub=plain.edge)
    assert tree(plain, published.commit) == tree(plain, one.commit)
    assert len(plain.commits()) == 4


def test_a_target_that_moves_meanwhile_is_a_conflict(plain: Stand, tmp_path: Path) -> None:
    two_states(plain, tmp_path)
    seen = plain.target()
    plain.write({"README.md": b"# By hand"})
    with pytest.raises(Conflict):
        revert(seen, hub=plain.edge)
    assert plain.read("README.md") == b"# By hand"


def test_it_can_be_proposed(plain: Stand, tmp_path: Path) -> None:
    one, two = two_states(plain, tmp_path)
    published = revert(plain.target(), hub=plain.edge, pull_request=True)
    assert plain.requests() == [published.pull_request]
    assert plain.hub.head(TARGET) == two.commit
    assert tree(plain, published.commit) == tree(plain, one.commit)
