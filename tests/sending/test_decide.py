"""One commit, decided without a network: which files go where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter_merge.errors import Conflict, LicenceConflict, RequestError, TargetNotOurs
from adapter_merge.publishing import Publishing
from adapter_merge.remote import Access, Origin, Publication, RemoteTarget
from adapter_merge.sending import Result, publication
from tests.published import (
    ADAPTER,
    BASE,
    OPEN,
    digest,
    files,
    finding,
    new_card,
    on_a_hub,
    receipt,
    sealed,
    target,
    weights,
)

HEAD = "1" * 40


def standing(result: Result, contents: dict[str, bytes], **values: Any) -> RemoteTarget:
    """A target that holds this result, its card and receipt, and the Hub's own file."""
    own = {
        path: piece.local.read_bytes()
        for path, piece in result.pieces.items()
        if path not in contents and piece.local is not None
    }
    there = on_a_hub({".gitattributes": b"*", **contents, **own})
    known = {"head": HEAD, "access": Access.OPEN, "files": there, "receipt": result.receipt}
    return target(**{**known, **values})


def decided(result: Result, there: RemoteTarget, **wish: Any) -> Publication:
    overwrite = wish.pop("overwrite", False)
    return publication(result, there, Publishing.model_validate(wish), overwrite=overwrite)


def test_an_absent_target_gets_everything(tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1, 2))
    found = decided(result, target())
    assert found.pieces == result.pieces
    assert (found.create, found.parent, found.deletions) == (True, None, ())
    assert (found.private, found.gated, found.pull_request) == (None, False, False)
    assert found.title == "Merge org/adapter into org/base"


def test_only_what_differs_goes(tmp_path: Path) -> None:
    old, new = files(1, 2, 3), files(1, 4)
    there = standing(sealed(tmp_path / "old", old), old)
    found = decided(sealed(tmp_path / "new", new, recipe="two"), there)
    assert found.pieces.keys() == {
        "merge_receipt.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    }
    assert set(found.deletions) == {p for p in old if p.endswith("-of-00003.safetensors")}
    assert (found.create, found.parent) == (False, HEAD)


def test_the_same_again_is_nothing(tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1))
    assert decided(result, standing(result, files(1))).is_empty


def test_a_result_s_own_attributes_are_left_to_the_hub(tmp_path: Path) -> None:
    contents = {**files(1), ".gitattributes": b"mine"}
    result = sealed(tmp_path / "one", contents)
    assert ".gitattributes" not in decided(result, target()).pieces
    assert decided(result, standing(result, files(1))).is_empty


@pytest.mark.parametrize("ours", [True, False])
def test_files_of_others_are_kept_or_replaced_all(tmp_path: Path, ours: bool) -> None:
    contents = files(1)
    result = sealed(tmp_path / "one", contents)
    there = standing(result, {**contents, "notes.txt": b"x"}, **({} if ours else {"receipt": None}))
    with pytest.raises(TargetNotOurs, match="`org/merged` holds `") as caught:
        decided(result, there)
    assert "`--overwrite`" in caught.value.hint
    assert decided(result, there, overwrite=True).deletions == ("notes.txt",)


@pytest.mark.parametrize("name", ["org/merged", "ORG/Merged"])
@pytest.mark.parametrize("which", ["base", "adapters"])
def test_no_source_is_overwritten(tmp_path: Path, name: str, which: str) -> None:
    told: dict[str, Any] = {which: name if which == "base" else (ADAPTER, name)}
    result = sealed(tmp_path / "one", files(1), **told)
    with pytest.raises(RequestError, match="is a source"):
        decided(result, target(), overwrite=True)


def test_what_a_source_has_is_copied_where_that_is_worth_it(tmp_path: Path) -> None:
    large = weights(7, 1 << 21)
    contents = {**files(1), "large.safetensors": large}
    result = sealed(tmp_path / "one", contents)
    origins = {
        piece.sha256: Origin(repo=BASE, commit=HEAD, path=f"its/{path}")
        for path, piece in result.pieces.items()
        if piece.sha256 is not None
    }
    found = publication(result, target(), Publishing(), origins=origins)
    copied = {path: piece.origin for path, piece in found.pieces.items() if piece.origin}
    assert copied == {
        "large.safetensors": Origin(repo=BASE, commit=HEAD, path="its/large.safetensors")
    }
    assert found.pieces["large.safetensors"].local is not None


def test_a_card_goes_with_its_own_trailer(tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1))
    card = new_card(tmp_path / "card", result, "# New\n")
    found = decided(card, standing(result, files(1)))
    assert (set(found.pieces), found.deletions) == ({"README.md"}, ())
    assert found.trailers[-1] == ("Adapter-Merge-Card", digest("# New\n"))
    assert decided(new_card(tmp_path / "same", result, "# Merged\n"), standing(result, {})).is_empty


@pytest.mark.parametrize("there", [{"receipt": None}, {"receipt": None, "files": {}}])
def test_a_card_needs_a_result(tmp_path: Path, there: dict[str, Any]) -> None:
    result = sealed(tmp_path / "one", files(1))
    with pytest.raises(TargetNotOurs):
        decided(new_card(tmp_path / "card", result, "# New"), standing(result, files(1), **there))


def test_a_licence_that_forbids_it_stops_it(tmp_path: Path) -> None:
    found = finding("L002", public=False, private=False)
    with pytest.raises(LicenceConflict, match="L002"):
        decided(sealed(tmp_path / "one", files(1), findings=(found,)), target(), private=True)


def test_a_tag_that_is_taken_stops_it_before_anything_is_sent(tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1))
    there = standing(result, files(1), tags={"v1": HEAD})
    assert decided(result, there, tag="v1").is_empty
    with pytest.raises(Conflict, match="`v1`"):
        decided(sealed(tmp_path / "two", files(2), recipe="two"), there, tag="v1")


def test_a_proposal_goes_the_same_way(tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1), access={**OPEN, ADAPTER: Access.PRIVATE})
    found = decided(result, target(), publish="pr")
    assert (found.pull_request, found.private) == (True, True)
    assert receipt(files(1)).recipe == dict(found.trailers)["Adapter-Merge-Recipe"]
