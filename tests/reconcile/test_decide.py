"""What becomes of an entry: tables over what is wanted, what is there, and what the target holds."""

from __future__ import annotations

from typing import Any

import pytest

from adapter_merge.merges import Wanted, roster_of
from adapter_merge.proposing import Proposed
from adapter_merge.receipt import FileRecord, ProbeRecord, Receipt, SourceRecord
from adapter_merge.reconcile.bases import BaseNow, ChosenBase, chosen_base, expected_base
from adapter_merge.reconcile.decide import Decision, decided, waiting
from adapter_merge.reconcile.found import Found
from adapter_merge.reconcile.look import Standing
from adapter_merge.reconcile.ready import Waits
from adapter_merge.request import RepoRef
from adapter_merge.sources import AdapterConfig

OLD, NEW = "a" * 40, "b" * 40
BASE_OLD, BASE_NEW = "c" * 40, "d" * 40
WEIGHTS = "adapter_model.safetensors"


def wanted(**keys: object) -> Wanted:
    """An entry of one adapter, in the words of the file."""
    lines = "".join(f"  {key.replace('_', '-')}: {value}\n" for key, value in keys.items())
    adapter = "" if "adapter" in keys else "  adapter: org/adapter\n"
    to = "" if "to" in keys else "  to: org/merged\n"
    (found,) = roster_of(f"merges:\n-\n{adapter}{to}{lines}".encode()).entries
    return found


def found(
    commit: str = OLD, *, text: str = "org/adapter", digest: str = "sha256:1", **config: Any
) -> Found:
    ref = RepoRef.model_validate(text).model_copy(update={"revision": commit})
    values = {"base_model_name_or_path": "org/base", **config}
    return Found(ref=ref, config=AdapterConfig(**values), digest=lambda _: digest)


def receipt(**values: Any) -> Receipt:
    """What was made of the old commits."""
    adapter = SourceRecord(
        source="org/adapter", commit=OLD, weight=1.0, digests={WEIGHTS: "sha256:1"}
    )
    base = SourceRecord(source="org/base", commit=BASE_OLD, digests={"model.safetensors": "s"})
    nothing: dict[str, Any] = {
        "schema_version": 1,
        "recipe": "e" * 64,
        "base": base,
        "adapters": (adapter,),
        "settings": {"layout": "merged", "dtype": "keep", "max_shard_size": "keep"},
        "counts": {},
        "changes": (),
        "left_behind": {},
        "findings": (),
        "versions": {},
        "files": {"model.safetensors": FileRecord(size=1, sha256="f" * 64)},
    }
    return Receipt(**{**nothing, **values})


TAGS = {f"merge-{OLD[:7]}": "1" * 40}


def standing(**values: Any) -> Standing:
    return Standing(**{"receipt": receipt(), "whole": True, "tags": TAGS, **values})


def base(commit: str = BASE_OLD) -> ChosenBase:
    ref = RepoRef.model_validate("org/base")
    return ChosenBase(ref=ref.model_copy(update={"revision": commit}))


def decision(entry: Wanted, stands: Standing, seen: Found | None = None, **of: Any) -> Decision:
    return decided(entry, (seen or found(),), of.get("chosen", base()), stands)


def test_what_was_made_of_the_same_is_unchanged() -> None:
    same = decision(wanted(), standing())
    assert (same.what, same.reason) == (
        "unchanged",
        "the result that stands was made from the same",
    )


@pytest.mark.parametrize("as_id", [{}, {"bundle_as": "org/merged"}])
def test_a_bundle_leads_to_its_target_though_nobody_says_so(as_id: dict[str, str]) -> None:
    entry = wanted(layout="bundled", **as_id)
    settings = {**receipt().settings, "layout": "bundled"}
    stands = standing(receipt=receipt(settings={**settings, "bundle_as": "org/merged"}))
    assert decision(entry, stands).what == "unchanged"
    moved = standing(receipt=receipt(settings={**settings, "bundle_as": "org/old"}))
    assert decision(entry, moved).reason == "`bundle-as` is another one"


@pytest.mark.parametrize(
    ("entry", "stands", "reason"),
    [
        (wanted(), Standing(), "the target has no result yet"),
        (wanted(), standing(whole=False), "files of the result are missing in the target"),
        (wanted(), standing(tags={}), "the result has no tag yet"),
        (wanted(tag="v1"), standing(), "the result has no tag yet"),
        (wanted(dtype="bf16"), standing(), "`dtype` is another one"),
        (wanted(native="true"), standing(), "`native` is another one"),
        (wanted(compat="true"), standing(), "`compat` is another one"),
        (wanted(max_shard_size="5GB"), standing(), "`max-shard-size` is another one"),
        (wanted(probe="require"), standing(), "the result was never run"),
        (wanted(adapter="org/adapter=0.5"), standing(), "the weight of `org/adapter`"),
        (
            wanted(),
            standing(receipt=receipt(adapters=receipt().adapters * 2)),
            "the adapters are others",
        ),
        (
            wanted(),
            standing(receipt=receipt(settings={**receipt().settings, "allow_pickle": "true"})),
            "`allow-pickle` is another one",
        ),
        (wanted(rebuild="true"), standing(), "it was asked to be made again"),
    ],
)
def test_a_difference_is_due_and_named(entry: Wanted, stands: Standing, reason: str) -> None:
    due = decision(entry, stands)
    assert due.what == "due"
    assert reason in due.reason


@pytest.mark.parametrize(
    ("entry", "stands"),
    [
        (wanted(no_tag="true"), standing(tags={})),
        (wanted(to="./here"), standing(tags={})),
        (wanted(card_body="none", workers=2, ignore="T010"), standing()),
        # A newer version of this program keeps more in its receipts, and checks otherwise.
        (wanted(), standing(receipt=receipt(settings={**receipt().settings, "new": "1"}))),
        (wanted(), standing(receipt=receipt(versions={"adapter-merge": "99"}))),
        (
            wanted(probe="require"),
            standing(receipt=receipt(probe=ProbeRecord(reference="x", merged="x"))),
        ),
    ],
)
def test_what_changes_no_byte_is_no_reason(entry: Wanted, stands: Standing) -> None:
    assert decision(entry, stands).what == "unchanged"


def test_a_new_commit_is_due_and_pinned() -> None:
    due = decision(wanted(), standing(), found(NEW))
    assert (due.what, due.reason) == (
        "due",
        f"`org/adapter` is at {NEW[:7]}, and was at {OLD[:7]}",
    )
    assert due.request.adapters[0].ref.revision == NEW
    assert due.request.adapters[0].ref.text == "org/adapter"
    assert due.request.base is not None
    assert due.request.base.revision == BASE_OLD


def test_an_adapter_that_waits_is_skipped_with_its_reason() -> None:
    skipped = waiting(wanted(), Waits(reason="it has no weights yet"))
    assert (skipped.what, skipped.reason) == ("skipped", "it has no weights yet")


@pytest.mark.parametrize(
    ("proposed", "seen", "what", "reason"),
    [
        (Proposed(number=3, is_open=True, commit=NEW, receipt=receipt()), found(), "unchanged", "pull request 3 proposes it"),
        (Proposed(number=3, is_open=False, commit=NEW, receipt=receipt()), found(), "skipped", "pull request 3, which proposed it, was closed"),
        # New words in the card are a new commit with the same contents.
        (Proposed(number=3, is_open=True, commit=NEW, receipt=receipt()), found(NEW), "unchanged", "pull request 3 proposes it"),
        (Proposed(number=3, is_open=True, commit=NEW, receipt=receipt()), found(NEW, digest="sha256:2"), "due", "the target has no result yet"),
        (Proposed(number=3, is_open=False, commit=NEW, receipt=receipt()), found(NEW, digest="sha256:2"), "due", "the target has no result yet"),
    ],
)  # fmt: skip
def test_what_a_pull_request_proposes_isn_t_made_again(
    proposed: Proposed, seen: Found, what: str, reason: str
) -> None:
    made = decision(wanted(publish="pr"), Standing(proposals=(proposed,)), seen)
    assert made.what == what
    assert reason in made.reason


def now(commit: str = BASE_NEW, digest: str = "s") -> BaseNow:
    return BaseNow(commit=commit, digest=lambda _: digest)


@pytest.mark.parametrize(
    ("entry", "seen", "before", "revision", "noted"),
    [
        (wanted(), now(), None, BASE_NEW, False),
        (wanted(), now(BASE_OLD), receipt(), BASE_OLD, False),
        # Another commit with the same contents is no change.
        (wanted(), now(), receipt(), BASE_OLD, False),
        (wanted(follow_base="true"), now(), receipt(), BASE_OLD, False),
        (wanted(), now(digest="other"), receipt(), BASE_OLD, True),
        (wanted(follow_base="true"), now(digest="other"), receipt(), BASE_NEW, False),
        (wanted(base="org/base"), now(digest="other"), receipt(), BASE_OLD, True),
        (wanted(base="org/other"), now(digest="other"), receipt(), BASE_NEW, False),
        (wanted(), None, receipt(), None, False),
        # Who lets a base's code through has to name its commit.
        (wanted(allow_remote_code="true"), now(), receipt(), None, False),
    ],
)
def test_a_base_that_moved_is_followed_only_on_request(
    entry: Wanted, seen: BaseNow | None, before: Receipt | None, revision: str | None, noted: bool
) -> None:
    expected = expected_base(entry, (found().config,), before)
    chosen = chosen_base(entry, expected, seen, before)
    assert chosen.ref is not None
    assert chosen.ref.revision == revision
    assert ("`follow-base: true`" in chosen.note) is noted


@pytest.mark.parametrize(
    ("entry", "written", "expected"),
    [
        (wanted(), "org/base", "org/base"),
        (wanted(), "unsloth/base-bnb-4bit", None),
        (wanted(), "/content/base", None),
        (wanted(), None, None),
        (wanted(base="org/given"), "org/base", "org/given"),
        (wanted(base="auto"), "org/base", "auto"),
    ],
)
def test_the_base_is_the_given_one_or_the_written(
    entry: Wanted, written: str | None, expected: str | None
) -> None:
    config = AdapterConfig(base_model_name_or_path=written)
    ref = expected_base(entry, (config,), None)
    assert (None if ref is None else ref.text) == expected


def test_a_revision_that_the_adapter_writes_counts() -> None:
    config = AdapterConfig(base_model_name_or_path="org/base", revision="v1")
    ref = expected_base(wanted(), (config,), None)
    assert ref is not None
    assert ref.text == "org/base@v1"


def test_a_pattern_maps_what_is_written() -> None:
    (entry,) = roster_of(
        b"bases: {'unsloth/*': org/right}\nmerges: [{adapter: o/a, to: o/b}]"
    ).entries
    config = AdapterConfig(base_model_name_or_path="unsloth/x-bnb-4bit")
    ref = expected_base(entry, (config,), None)
    assert ref is not None
    assert ref.text == "org/right"


def test_a_base_that_was_found_stays_until_it_is_to_be_followed() -> None:
    config = AdapterConfig()
    kept = expected_base(wanted(base="auto"), (config,), receipt())
    followed = expected_base(wanted(base="auto", follow_base="true"), (config,), receipt())
    assert kept is not None
    assert followed is not None
    assert (kept.text, followed.text) == ("org/base", "auto")


def test_another_base_is_due() -> None:
    ref = RepoRef.model_validate("org/other").model_copy(update={"revision": BASE_NEW})
    due = decision(wanted(base="org/other"), standing(), chosen=ChosenBase(ref=ref))
    assert (due.what, due.reason) == ("due", "the base is `org/other`, and was `org/base`")
    moved = decision(wanted(follow_base="true"), standing(), chosen=base(BASE_NEW))
    assert moved.reason == f"the base is at {BASE_NEW[:7]}, and was at {BASE_OLD[:7]}"
    unknown = decision(wanted(), standing(), chosen=ChosenBase(ref=None))
    assert unknown.what == "due"
