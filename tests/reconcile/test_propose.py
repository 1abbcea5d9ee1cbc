"""Embeddings that stand are answered with a pull request, as somebody may have indexed them."""

from __future__ import annotations

from typing import Any

import pytest

from adapter_merge.readme import Readme
from adapter_merge.reconcile.decide import Decision, decided
from adapter_merge.reconcile.look import Standing
from adapter_merge.reconcile.propose import embeds, proposes
from adapter_merge.remote import Access, RemoteTarget
from adapter_merge.request import RepoRef
from tests.reconcile.conftest import Shelf
from tests.reconcile.test_decide import NEW, OLD, TAGS, base, found, receipt, wanted

SIMILAR = "---\npipeline_tag: sentence-similarity\n---\n"


def remote(card: str | None = SIMILAR, **values: Any) -> RemoteTarget:
    plain: dict[str, Any] = {
        "repo": "org/merged",
        "branch": None,
        "head": OLD,
        "access": Access.OPEN,
        "files": {},
        "receipt": receipt(),
        "readme": None if card is None else Readme.parse(card),
        "tags": TAGS,
        "page": "https://hub/org/merged",
    }
    return RemoteTarget(**{**plain, **values})


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (SIMILAR, True),
        ("---\npipeline_tag: feature-extraction\n---\n", True),
        ("---\npipeline_tag: visual-document-retrieval\nlibrary_name: colpali\n---\n", True),
        ("---\nlibrary_name: sentence-transformers\n---\n", True),
        ("---\nlibrary_name: sentence-transformers\npipeline_tag: text-ranking\n---\n", False),
        ("---\npipeline_tag: text-generation\nlibrary_name: transformers\n---\n", False),
        ("# No keys\n", False),
    ],
)
def test_a_card_tells_whether_outputs_are_kept(card: str, expected: bool) -> None:
    assert embeds(Readme.parse(card)) is expected


@pytest.mark.parametrize(
    ("keys", "target", "expected"),
    [
        ({}, remote(), True),
        ({}, None, False),
        ({}, remote(receipt=None), False),
        ({}, remote(card=None), False),
        ({"publish": "commit"}, remote(), False),
        ({"publish": "none"}, remote(), False),
        ({"branch": "next"}, remote(), False),
        ({"tag": "v1"}, remote(), False),
        ({"dtype": "bf16"}, remote(), True),
    ],
)
def test_only_what_an_entry_leaves_open_is_proposed(
    keys: dict[str, str], target: RemoteTarget | None, expected: bool
) -> None:
    assert proposes(wanted(**keys).request, target) is expected


def decision(seen: Any, **keys: str) -> Decision:
    stands = Standing(receipt=receipt(), whole=True, remote=remote(), tags=TAGS)
    return decided(wanted(**keys), (seen,), base(), stands)


def test_other_weights_are_proposed_with_the_reason() -> None:
    made = decision(found(NEW, digest="sha256:2"))
    assert (made.what, made.request.publish) == ("due", "pr")
    assert made.wanted.request.publish == "commit"
    assert "may be in somebody's index" in made.notes[0]
    assert "`publish: commit`" in made.notes[0]


@pytest.mark.parametrize(
    ("seen", "keys"),
    [
        (found(), {}),
        # New words in the adapter's card move no vector.
        (found(NEW), {}),
        (found(NEW, digest="sha256:2"), {"publish": "commit"}),
    ],
)
def test_what_moves_no_vector_or_is_asked_for_is_committed(seen: Any, keys: dict[str, str]) -> None:
    made = decision(seen, **keys)
    assert (made.request.publish, made.notes) == ("commit", ())


def test_a_target_that_has_no_result_yet_gets_one() -> None:
    made = decided(wanted(), (found(),), base(), Standing(remote=remote(receipt=None)))
    assert (made.what, made.request.publish) == ("due", "commit")


def test_a_folder_is_never_proposed_to() -> None:
    ref = RepoRef.model_validate("./here")
    assert not proposes(wanted(to=ref.text).request, None)


def test_a_push_is_proposed_and_tagged_once_it_is_merged(shelf: Shelf) -> None:
    entry = "- {adapter: bot/one, to: bot/vectors}\n"
    shelf.write("bot/one", "README.md", SIMILAR.encode())
    first = shelf.sync(entry)["bot/vectors"]
    assert first.published is not None
    assert (first.status, first.published.pull_request) == ("merged", None)
    shelf.adapter("bot/one", lora_alpha=4)
    second = shelf.sync(entry)["bot/vectors"]
    assert second.published is not None
    assert (second.status, second.published.pull_request) == ("merged", 1)
    assert "may be in somebody's index" in second.notes[0]
    again = shelf.sync(entry)["bot/vectors"]
    assert (again.status, again.reason) == ("unchanged", "pull request 1 proposes it")
    shelf.api.merge_pull_request("bot/vectors", 1)
    shelf.sync(entry)
    assert shelf.sync(entry)["bot/vectors"].status == "unchanged"
    tags = [tag.name for tag in shelf.api.list_repo_refs("bot/vectors").tags]
    assert len(tags) == 2
    assert len(list(shelf.api.get_repo_discussions("bot/vectors"))) == 1
