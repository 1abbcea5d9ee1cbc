"""Publishing with the Hub's real client against a Hub on loopback: one commit, whatever gets lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd

from adapter_merge.errors import (
    Conflict,
    Corrupt,
    HubUnavailable,
    LicenceConflict,
    Refused,
    RequestError,
    TargetNotOurs,
)
from adapter_merge.localhub import Cut, Fault, Lost, Status
from adapter_merge.localhub.faults import Effect
from adapter_merge.remote import Access, Commit
from adapter_merge.sending import Result, trailers_in
from tests.published import (
    ADAPTER,
    BASE,
    OPEN,
    TARGET,
    Stand,
    digest,
    files,
    finding,
    new_card,
    sealed,
    source,
    standing,
    weights,
)

COMMIT = r"POST /api/models/org/merged/commit/"
TITLE = "Merge org/adapter into org/base"


@pytest.fixture(params=[True, False], ids=["xet", "lfs"])
def stand(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stand]:
    with standing(tmp_path, xet=request.param, monkeypatch=monkeypatch) as found:
        yield found


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """Where the way of large files doesn't matter."""
    with standing(tmp_path, xet=False, monkeypatch=monkeypatch) as found:
        yield found


def head(stand: Stand, revision: str = "main") -> Commit:
    return next(stand.edge.history(TARGET, revision))


# -- What is sent -----------------------------------------------------------------------------------


def test_a_first_result_makes_the_repository_and_one_commit(stand: Stand, tmp_path: Path) -> None:
    done: list[int] = []
    result = sealed(tmp_path / "one", files(1, 2))
    published = stand.publish(result, advance=done.append)
    assert stand.files() == set(result.pieces)
    assert {path: stand.read(path) for path in result.pieces} == {
        path: (tmp_path / "one" / path).read_bytes() for path in result.pieces
    }
    assert stand.commits() == [TITLE, "initial commit"]
    assert trailers_in(head(stand).message) == (
        ("Adapter-Merge-Recipe", digest("one")),
        ("Adapter-Merge-Adapter", f"{ADAPTER}@{source(ADAPTER).commit}"),
        ("Adapter-Merge-Base", f"{BASE}@{source(BASE).commit}"),
    )
    assert published.commit == head(stand).id == stand.hub.head(TARGET)
    assert published.url == f"{stand.hub.url}/org/merged/commit/{published.commit}"
    assert published.tag == f"merge-{source(ADAPTER).commit}"[:13]
    assert stand.target().tags == {published.tag: published.commit}
    assert (published.visibility, published.found, published.since_tag) == ("public", False, None)
    assert (published.moved, published.kept) == (sum(done), 0)
    assert published.moved == sum(piece.size for piece in result.pieces.values())


def test_a_result_of_fewer_shards_leaves_none_of_the_old_ones(stand: Stand, tmp_path: Path) -> None:
    first = stand.publish(sealed(tmp_path / "one", files(1, 2, 3)))
    result = sealed(tmp_path / "two", files(1, 4), recipe="two")
    published = stand.publish(result)
    assert stand.files() == set(result.pieces)
    assert len(stand.commits()) == 3
    assert stand.target().tags == {
        first.tag: first.commit,
        f"{first.tag}-{digest('two')[:7]}": published.commit,
    }
    assert published.since_tag == first.tag
    config, card = (result.pieces[p].size for p in ("config.json", "README.md"))
    assert published.kept == config + card


def test_equal_files_are_sent_to_nobody(plain: Stand, tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1))
    first = plain.publish(result)
    again = plain.publish(result)
    assert (again.commit, again.tag, again.found) == (first.commit, first.tag, True)
    assert again.moved == 0
    assert plain.asked("/commit/") == 1


def test_a_card_goes_alone(plain: Stand, tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1))
    first = plain.publish(result)
    published = plain.publish(new_card(tmp_path / "card", result, "# New\n"))
    assert plain.read("README.md") == b"# New\n"
    assert plain.files() == set(result.pieces)
    assert plain.commits()[0] == "Refresh the model card: org/adapter in org/base"
    assert (published.tag, published.moved) == (None, 6)
    assert plain.target().tags == {first.tag: first.commit}
    # And another one: the trailers of the first card don't stand for it.
    plain.publish(new_card(tmp_path / "card", result, "# Newer\n"))
    assert plain.read("README.md") == b"# Newer\n"


def test_a_card_that_the_hub_does_not_take_is_refused(plain: Stand, tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1), card="---\nlicense: {a: 1}\n---\n")
    with pytest.raises(Refused, match=r"the model card: .*license"):
        plain.publish(result)
    assert plain.commits() == ["initial commit"]


def test_a_new_branch_has_none_of_the_files_of_main(plain: Stand, tmp_path: Path) -> None:
    plain.publish(sealed(tmp_path / "one", files(1, 2)))
    result = sealed(tmp_path / "two", files(3), recipe="two")
    published = plain.publish(result, branch="next")
    assert plain.files("next") == set(result.pieces)
    assert published.branch == "next"
    assert plain.commits() == [TITLE, "initial commit"]
    assert plain.publish(sealed(tmp_path / "three", files(4), recipe="x"), branch="next").tag
    assert len(plain.commits("next")) == 3


def test_a_new_repository_can_begin_with_a_branch(plain: Stand, tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1))
    plain.publish(result, branch="next")
    assert plain.files("next") == set(result.pieces)
    assert plain.files() == set()


def test_a_file_of_somebody_else_stops_it(plain: Stand, tmp_path: Path) -> None:
    plain.publish(sealed(tmp_path / "one", files(1)))
    plain.write({"notes.txt": b"mine"})
    result = sealed(tmp_path / "two", files(2), recipe="two")
    with pytest.raises(TargetNotOurs, match=r"`notes.txt`"):
        plain.publish(result)
    assert plain.read("notes.txt") == b"mine"
    plain.publish(result, overwrite=True)
    assert plain.files() == set(result.pieces)


def test_a_repository_of_somebody_else_stops_it(plain: Stand, tmp_path: Path) -> None:
    plain.hub.add_repo(TARGET, {"README.md": b"# Mine"})
    with pytest.raises(TargetNotOurs, match=r"`README.md`"):
        plain.publish(sealed(tmp_path / "one", files(1)))
    assert plain.read("README.md") == b"# Mine"


def test_a_source_is_no_target(plain: Stand, tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1), adapters=("Org/Merged",))
    with pytest.raises(RequestError, match="is a source of this merge"):
        plain.publish(result)
    assert plain.target().access is None


# -- Untouched files of a base ----------------------------------------------------------------------

LARGE = weights(7, 1 << 21)


def with_base(stand: Stand, tmp_path: Path) -> dict[str, bytes]:
    """A result with a shard that the base on the Hub has, too; its commit is the one in the receipt."""
    stand.api.create_repo(BASE)
    made = stand.api.create_commit(
        BASE, [CommitOperationAdd("model.safetensors", LARGE)], commit_message="base"
    )
    (tmp_path / "commit").write_text(made.oid)
    return {**files(1), "untouched.safetensors": LARGE}


def of_that_base(tmp_path: Path, contents: dict[str, bytes]) -> Result:
    result = sealed(tmp_path / "one", contents)
    base, *others = result.parties
    from dataclasses import replace

    known = replace(base, commit=(tmp_path / "commit").read_text())
    return replace(result, parties=(known, *others))


@pytest.mark.parametrize("refused", [False, True])
def test_the_hub_copies_what_it_has(stand: Stand, tmp_path: Path, refused: bool) -> None:
    result = of_that_base(tmp_path, with_base(stand, tmp_path))
    copies = stand.edge.files(BASE, (tmp_path / "commit").read_text())["model.safetensors"].xet
    if refused:
        stand.hub.fail(Fault(on="lfs-files/duplicate", does=Status(status=403), times=9))
    done: list[int] = []
    published = stand.publish(result, advance=done.append)
    assert stand.read("untouched.safetensors") == LARGE
    assert stand.asked("lfs-files/duplicate") == copies
    copied = copies and not refused
    assert sum(done) == sum(piece.size for piece in result.pieces.values())
    assert (published.moved < len(LARGE)) == copied
    assert (published.kept >= len(LARGE)) == copied
    assert stand.commits() == [TITLE, "initial commit"]


# -- Who may read it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("access", "wish", "visibility", "why"),
    [
        (Access.OPEN, {}, "public", ""),
        (Access.OPEN, {"private": True}, "private", "asked for"),
        (Access.OPEN, {"gated": True}, "gated", ""),
        (Access.PRIVATE, {}, "private", "`org/base` is private; `--public` opens it"),
        (Access.PRIVATE, {"public": True}, "public", "asked for"),
        (Access.GATED, {}, "private", "`org/base` is gated; `--gated` lets people ask for it"),
        (Access.GATED, {"gated": True}, "gated", ""),
        (Access.GATED, {"public": True, "gated": True}, "gated", "asked for"),
    ],
)
def test_a_new_target_is_as_closed_as_its_sources(
    plain: Stand, tmp_path: Path, access: Access, wish: dict[str, Any], visibility: str, why: str
) -> None:
    result = sealed(tmp_path / "one", files(1), access={**OPEN, BASE: access})
    published = plain.publish(result, **wish)
    assert (published.visibility, published.why) == (visibility, why)
    assert plain.target().access == {"public": 0, "gated": 1, "private": 2}[visibility]


def test_the_owner_s_default_counts(plain: Stand, tmp_path: Path) -> None:
    plain.hub.add_organisation("org", {"bot": "write"}, visibility="private")
    assert plain.publish(sealed(tmp_path / "one", files(1))).visibility == "private"


def test_doors_are_set_before_anything_is_inside(plain: Stand, tmp_path: Path) -> None:
    plain.hub.fail(Fault(on="PUT .*/settings", does=Status(status=403)))
    with pytest.raises(Refused):
        plain.publish(sealed(tmp_path / "one", files(1)), gated=True)
    assert plain.commits() == ["initial commit"]


def test_a_hub_that_sets_no_door_gets_nothing(plain: Stand, tmp_path: Path) -> None:
    plain.hub.fail(Fault(on="PUT .*/settings", does=Status(status=200, body=b"{}")))
    with pytest.raises(Refused, match="has made `org/merged`, but not gated"):
        plain.publish(sealed(tmp_path / "one", files(1)), gated=True)
    assert plain.commits() == ["initial commit"]


def test_a_target_that_others_can_read_gets_nothing_private(plain: Stand, tmp_path: Path) -> None:
    plain.publish(sealed(tmp_path / "one", files(1)))
    result = sealed(
        tmp_path / "two", files(2), recipe="two", access={**OPEN, ADAPTER: Access.PRIVATE}
    )
    with pytest.raises(Refused, match="`org/adapter` is private") as caught:
        plain.publish(result)
    assert "hf repos settings org/merged --private" in caught.value.hint
    plain.api.update_repo_settings(TARGET, private=True)
    assert plain.publish(result).visibility == "private"


def test_a_licence_is_asked_before_anything_is_made(plain: Stand, tmp_path: Path) -> None:
    found = finding("L002", public=False, private=True)
    result = sealed(tmp_path / "one", files(1), findings=(found,))
    with pytest.raises(LicenceConflict, match="L002"):
        plain.publish(result)
    assert plain.target().access is None
    assert plain.publish(result, private=True).visibility == "private"


# -- Somebody else at the same time -----------------------------------------------------------------


def meanwhile(act: Callable[[], object]) -> Callable[[int], None]:
    """Something that happens once, after the bytes were handed over and before the commit."""
    left = [act]

    def advance(_done: int) -> None:
        while left:
            left.pop()()

    return advance


def test_a_commit_that_came_meanwhile_is_a_conflict(stand: Stand, tmp_path: Path) -> None:
    stand.publish(sealed(tmp_path / "one", files(1)))
    act = meanwhile(lambda: stand.write({"config.json": b"{}"}))
    with pytest.raises(Conflict, match="somebody else") as caught:
        stand.publish(sealed(tmp_path / "two", files(2), recipe="two"), advance=act)
    assert "Run the same command again" in caught.value.hint
    assert stand.commits()[0] == "by hand"
    assert stand.read("config.json") == b"{}"
    assert any(r.status == 412 for r in stand.hub.requests)


def test_the_same_result_that_came_meanwhile_is_found(stand: Stand, tmp_path: Path) -> None:
    stand.publish(sealed(tmp_path / "one", files(1)))
    result = sealed(tmp_path / "two", files(2), recipe="two")
    act = meanwhile(lambda: stand.publish(result))
    published = stand.publish(result, advance=act)
    assert published.found
    assert published.commit == stand.hub.head(TARGET)
    assert len(stand.commits()) == 3


def test_a_target_that_moved_since_it_was_seen_costs_no_bytes(plain: Stand, tmp_path: Path) -> None:
    plain.publish(sealed(tmp_path / "one", files(1)))
    seen = plain.target()
    result = sealed(tmp_path / "two", files(2), recipe="two")
    first = plain.publish(result)
    before = plain.asked("preupload")
    again = plain.publish(result, at=seen)
    assert (again.found, again.commit, again.tag) == (True, first.commit, first.tag)
    with pytest.raises(Conflict):
        plain.publish(sealed(tmp_path / "three", files(3), recipe="three"), at=seen)
    assert plain.asked("preupload") == before


def test_the_same_result_may_have_been_told_in_other_words(plain: Stand, tmp_path: Path) -> None:
    plain.publish(sealed(tmp_path / "one", files(1)))
    seen = plain.target()
    first = plain.publish(sealed(tmp_path / "two", files(2), recipe="two", card="# Two\n"))
    again = plain.publish(sealed(tmp_path / "b", files(2), recipe="two", card="# B\n"), at=seen)
    assert (again.commit, again.found) == (first.commit, True)
    assert plain.read("README.md") == b"# Two\n"


def test_words_alone_make_no_commit_ours(plain: Stand, tmp_path: Path) -> None:
    """Anybody can write trailers."""
    plain.publish(sealed(tmp_path / "one", files(1)))
    seen = plain.target()
    claim = f"Adapter-Merge-Recipe: {digest('two')}"
    plain.write({"config.json": b"evil"}, TITLE, commit_description=claim)
    with pytest.raises(Conflict):
        plain.publish(sealed(tmp_path / "two", files(2), recipe="two"), at=seen)


def test_the_same_beside_a_file_that_is_another_now_is_not_ours(
    plain: Stand, tmp_path: Path
) -> None:
    plain.publish(sealed(tmp_path / "one", files(1)))
    seen = plain.target()
    result = sealed(tmp_path / "two", files(2), recipe="two")
    plain.write({"config.json": b"{}"})  # which the result shares with what stood there
    new = {path: (tmp_path / "two" / path).read_bytes() for path in result.pieces}
    claim = f"Adapter-Merge-Recipe: {digest('two')}"
    plain.write(
        {path: content for path, content in new.items() if path != "config.json"},
        TITLE,
        commit_description=claim,
    )
    with pytest.raises(Conflict):
        plain.publish(result, at=seen)


def test_a_repository_that_came_meanwhile_is_a_conflict(plain: Stand, tmp_path: Path) -> None:
    seen = plain.target()
    plain.hub.add_repo(TARGET)
    with pytest.raises(Conflict):
        plain.publish(sealed(tmp_path / "one", files(1)), at=seen)
    assert plain.commits() == ["initial commit"]


def test_what_came_meanwhile_is_not_taken_for_ours(plain: Stand, tmp_path: Path) -> None:
    seen = plain.target()
    plain.hub.add_repo(TARGET, {"config.json": b"mine"})
    plain.hub.fail(Fault(on="POST /api/repos/create", does=Cut()))
    with pytest.raises(Conflict, match="was made by somebody else meanwhile"):
        plain.publish(sealed(tmp_path / "one", files(1)), at=seen)
    assert plain.read("config.json") == b"mine"


def test_a_repository_that_the_token_can_not_see_is_refused(plain: Stand, tmp_path: Path) -> None:
    plain.hub.fail(Fault(on="POST /api/repos/create", does=Status(status=409)))
    with pytest.raises(Refused, match="stands already, and this token may not see it"):
        plain.publish(sealed(tmp_path / "one", files(1)))


# -- Answers that get lost --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [Lost(), Cut(), Status(status=500), Status(status=503), Status(status=429)]
)
def test_one_commit_whatever_gets_lost(stand: Stand, tmp_path: Path, fault: Effect) -> None:
    stand.hub.fail(Fault(on=COMMIT, does=fault))
    result = sealed(tmp_path / "one", files(1))
    published = stand.publish(result)
    assert stand.commits() == [TITLE, "initial commit"]
    assert published.commit == stand.hub.head(TARGET)
    assert not published.found
    assert stand.asked("/commit/main") == (1 if isinstance(fault, Lost) else 2)


def test_a_commit_is_found_below_what_came_after_it(plain: Stand, tmp_path: Path) -> None:
    seen_before = plain.publish(sealed(tmp_path / "one", files(1)))
    seen = plain.target()
    result = sealed(tmp_path / "two", files(2), recipe="two")
    made = plain.publish(result)
    plain.write({"README.md": b"# Ours, edited"})
    again = plain.publish(result, at=seen)
    assert (again.commit, again.found) == (made.commit, True)
    assert seen_before.commit != again.commit


def test_a_hub_that_stays_silent_is_given_up(plain: Stand, tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1))
    plain.hub.fail(Fault(on=COMMIT, does=Cut(), times=9))
    with pytest.raises(HubUnavailable) as caught:
        plain.publish(result)
    assert "`org/merged` was made for it, and may be empty" in caught.value.hint
    assert plain.commits() == ["initial commit"]
    assert plain.asked("/commit/main") == 3
    plain.hub.heal()
    assert plain.publish(result).commit == plain.hub.head(TARGET)


def test_a_target_that_went_away_meanwhile_is_refused(plain: Stand, tmp_path: Path) -> None:
    plain.publish(sealed(tmp_path / "one", files(1)))
    act = meanwhile(lambda: plain.api.delete_repo(TARGET))
    with pytest.raises(Refused, match="there is no `org/merged`"):
        plain.publish(sealed(tmp_path / "two", files(2), recipe="two"), advance=act)


def test_a_hub_that_dies_in_the_middle_is_told_of(plain: Stand, tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1))
    plain.publish(sealed(tmp_path / "zero", files(0), recipe="zero"))
    plain.hub.fail(Fault(on=COMMIT, does=Lost()))
    plain.hub.fail(Fault(on="GET .*/refs", does=Cut(), times=99, skip=2))
    with pytest.raises(HubUnavailable, match="whether `org/merged` has the commit isn't known"):
        plain.publish(result)
    plain.hub.heal()
    assert plain.publish(result).found
    assert len(plain.commits()) == 3


def test_a_repository_whose_making_got_lost_is_found(plain: Stand, tmp_path: Path) -> None:
    plain.hub.fail(Fault(on="POST /api/repos/create", does=Lost()))
    plain.publish(sealed(tmp_path / "one", files(1)), private=True)
    assert plain.commits() == [TITLE, "initial commit"]


@pytest.mark.parametrize("fault", [Lost(), Cut()])
def test_a_tag_is_set_whatever_gets_lost(plain: Stand, tmp_path: Path, fault: Effect) -> None:
    plain.hub.fail(Fault(on="POST .*/tag/", does=fault))
    published = plain.publish(sealed(tmp_path / "one", files(1)))
    assert plain.target().tags == {published.tag: published.commit}


# -- Pull requests ----------------------------------------------------------------------------------


def test_a_result_can_be_proposed_once(stand: Stand, tmp_path: Path) -> None:
    first = stand.publish(sealed(tmp_path / "one", files(1)))
    result = sealed(tmp_path / "two", files(2), recipe="two")
    published = stand.publish(result, publish="pr")
    number = published.pull_request
    assert published.url == f"{stand.hub.url}/org/merged/discussions/{number}"
    assert published.tag is None
    assert stand.hub.head(TARGET) == first.commit
    assert stand.files(f"refs/pr/{number}") == set(result.pieces)
    again = stand.publish(result, publish="pr")
    assert (again.pull_request, again.commit, again.found) == (number, published.commit, True)
    assert stand.requests() == [number]


def test_a_request_whose_answer_got_lost_is_found(plain: Stand, tmp_path: Path) -> None:
    plain.publish(sealed(tmp_path / "one", files(1)))
    plain.hub.fail(Fault(on=COMMIT, does=Lost()))
    published = plain.publish(sealed(tmp_path / "two", files(2), recipe="two"), publish="pr")
    assert [published.pull_request] == plain.requests()
    assert not published.found


@pytest.mark.parametrize("fault", [Cut(), Status(status=500)])
def test_a_request_that_may_have_been_made_is_not_made_again(
    plain: Stand, tmp_path: Path, fault: Effect
) -> None:
    plain.publish(sealed(tmp_path / "one", files(1)))
    result = sealed(tmp_path / "two", files(2), recipe="two")
    plain.hub.fail(Fault(on=COMMIT, does=fault))
    with pytest.raises(HubUnavailable, match="pull request isn't known"):
        plain.publish(result, publish="pr")
    assert plain.requests() == []
    assert plain.waits == [1.0, 2.0]
    assert [plain.publish(result, publish="pr").pull_request] == plain.requests()


def test_a_stranger_s_request_with_our_words_is_not_ours(plain: Stand, tmp_path: Path) -> None:
    plain.publish(sealed(tmp_path / "one", files(1)))
    claim = f"Adapter-Merge-Recipe: {digest('two')}"
    plain.write({"config.json": b"evil"}, TITLE, commit_description=claim, create_pr=True)
    published = plain.publish(sealed(tmp_path / "two", files(2), recipe="two"), publish="pr")
    assert not published.found
    assert len(plain.requests()) == 2


# -- Tags -------------------------------------------------------------------------------------------


def test_a_tag_never_moves(plain: Stand, tmp_path: Path) -> None:
    first = plain.publish(sealed(tmp_path / "one", files(1)), tag="v1")
    with pytest.raises(Conflict, match="`v1` stands at another commit"):
        plain.publish(sealed(tmp_path / "two", files(2), recipe="two"), tag="v1")
    assert plain.hub.head(TARGET) == first.commit
    assert plain.publish(sealed(tmp_path / "one", files(1)), tag="v1").tag == "v1"
    assert plain.target().tags == {"v1": first.commit}


def test_a_tag_that_came_meanwhile_stays(plain: Stand, tmp_path: Path) -> None:
    first = plain.publish(sealed(tmp_path / "one", files(1)), no_tag=True)
    assert first.tag is None
    act = meanwhile(lambda: plain.api.create_tag(TARGET, tag="v2", revision=first.commit))
    result = sealed(tmp_path / "two", files(2), recipe="two")
    with pytest.raises(Conflict, match="tags never move") as caught:
        plain.publish(result, tag="v2", advance=act)
    assert "the result itself is published" in caught.value.hint
    assert plain.target().tags == {"v2": first.commit}


def test_weights_that_stayed_are_told_apart_from_new_ones(plain: Stand, tmp_path: Path) -> None:
    first = plain.publish(sealed(tmp_path / "one", files(1)), tag="merge-a")
    plain.publish(sealed(tmp_path / "two", files(2), recipe="two"), tag="merge-b")
    other = {**files(2), "config.json": b"{}"}
    published = plain.publish(sealed(tmp_path / "three", other, recipe="three"))
    assert published.since_tag == first.tag == "merge-a"


# -- What stands there is what was sent -------------------------------------------------------------


def test_a_file_that_arrives_as_another_one_is_named(plain: Stand, tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1))
    # Small files go with the commit: what they hold by then is what the Hub gets.
    act = meanwhile(lambda: (tmp_path / "one/config.json").write_text('{"model_type": "lllll"}'))
    with pytest.raises(Refused, match=r"`config.json` in `org/merged` at .* isn't what was sent"):
        plain.publish(result, advance=act)


def test_a_large_file_that_the_hub_has_as_another_one_is_named(
    plain: Stand, tmp_path: Path
) -> None:
    result = sealed(tmp_path / "one", files(1))
    there = [
        {
            "type": "file",
            "path": path,
            "size": piece.size,
            "oid": piece.oid,
            **({"lfs": {"oid": digest("x"), "size": piece.size}} if "model-" in path else {}),
        }
        for path, piece in result.pieces.items()
    ]
    # The first list is asked for when the repository is made, the second once it has the commit.
    wrong = Status(status=200, body=json.dumps(there).encode())
    plain.hub.fail(Fault(on="GET .*/tree/", does=wrong, skip=1))
    with pytest.raises(Refused, match=r"`model-00001-of-00001.safetensors` in .* isn't what was"):
        plain.publish(result)


def test_a_large_file_that_changed_is_not_published(stand: Stand, tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1))
    shard = tmp_path / "one/model-00001-of-00001.safetensors"
    shard.write_bytes(weights(9))
    with pytest.raises(Corrupt, match="has changed since it was sealed"):
        stand.publish(result)
    assert stand.commits() == ["initial commit"]


def test_what_the_hub_would_leave_out_is_refused(plain: Stand, tmp_path: Path) -> None:
    contents = {**files(1), ".gitignore": b"*.json"}
    with pytest.raises(Refused, match=r"makes the Hub leave out `config.json`"):
        plain.publish(sealed(tmp_path / "one", contents))
    assert plain.commits() == ["initial commit"]


@pytest.mark.parametrize("proposed", [False, True])
def test_nothing_is_sent_where_more_people_may_read_it_than_when_it_was_allowed(
    plain: Stand, tmp_path: Path, *, proposed: bool
) -> None:
    closed = {BASE: Access.PRIVATE, ADAPTER: Access.PRIVATE}
    plain.publish(sealed(tmp_path / "one", files(1), access=closed))
    seen = plain.target()
    plain.api.update_repo_settings(TARGET, private=False)
    mode = "pr" if proposed else "commit"
    with pytest.raises(Refused, match="more people may read `org/merged` now"):
        plain.publish(sealed(tmp_path / "two", files(2), access=closed), at=seen, publish=mode)
    assert plain.hub.head(TARGET) == seen.head
    assert plain.requests() == []
