"""What the people of an adapter hear of merges that fail, with the real client."""

from __future__ import annotations

import pytest

from adapter_merge.errors import AdapterMergeError
from adapter_merge.receipt import SourceRecord
from adapter_merge.reconcile import Voice, adapters_of, discuss
from adapter_merge.reconcile.thread import TITLE, revised
from adapter_merge.report import ErrorRecord, Report
from tests.reconcile.conftest import Shelf

VOICE = Voice(signature="*Written by adapter-merge, for a test.*", secrets=("hf_secret",))
ONE = "- {adapter: bot/one, to: bot/one-merged}\n"
OTHER = "- {adapter: bot/one, to: bot/other, dtype: fp32}\n"


def tell(shelf: Shelf, entries: str = ONE) -> None:
    reports = shelf.sync(entries).values()
    hub = shelf.machine().around.connected()
    for adapter, own in adapters_of(reports).items():
        discuss(adapter, own, hub=hub, voice=VOICE)


def threads(shelf: Shelf, repo: str = "bot/one") -> list[tuple[str, str]]:
    """Status and text of each discussion that has our title."""
    found = shelf.api.get_repo_discussions(repo, discussion_type="discussion")
    ours = sorted((d for d in found if d.title == TITLE), key=lambda d: d.num)
    details = [shelf.api.get_discussion_details(repo, d.num) for d in ours]
    return [(d.status, getattr(d.events[0], "content", "")) for d in details]


def failed(**values: object) -> Report:
    error = ErrorRecord(type="ShapeMismatch", code=5, message="it has rank 3", hint="Look.")
    source = SourceRecord(source="org/a", commit="b" * 40, digests={})
    own = {"status": "failed", "adapters": (source,), "to": "org/m", "error": error}
    return Report(**own | values)  # type: ignore[arg-type]


def test_one_thread_is_opened_kept_and_closed(shelf: Shelf) -> None:
    tell(shelf)
    assert threads(shelf) == []
    commit = shelf.adapter("bot/one", r=3)
    for _ in range(2):
        tell(shelf, ONE + OTHER)
    ((status, text),) = threads(shelf)
    assert (status, text.count("**ShapeMismatch**")) == ("open", 2)
    assert f"`{commit[:7]}`" in text
    assert VOICE.signature in text
    # One of two is well again: the other's paragraph stays.
    shelf.adapter("bot/one", r=4)
    tell(shelf)
    ((status, text),) = threads(shelf)
    assert (status, text.count("**ShapeMismatch**")) == ("open", 1)
    tell(shelf, OTHER)
    ((status, text),) = threads(shelf)
    assert (status, "**ShapeMismatch**" in text) == ("closed", False)
    # The same failure later is news.
    shelf.adapter("bot/one", r=3)
    tell(shelf)
    assert [status for status, _ in threads(shelf)] == ["closed", "open"]


def test_people_who_close_it_are_left_in_peace(shelf: Shelf) -> None:
    shelf.adapter("bot/one", r=3)
    tell(shelf)
    shelf.api.change_discussion_status("bot/one", 1, "closed")
    tell(shelf)
    assert [status for status, _ in threads(shelf)] == ["closed"]


def test_names_that_readers_may_not_know_are_not_told(shelf: Shelf) -> None:
    shelf.api.create_repo("bot/hidden-target", private=True)
    shelf.add("bot/hidden-base", shelf.case.base)
    shelf.api.update_repo_settings("bot/hidden-base", private=True)
    shelf.adapter("bot/one", r=3)
    entry = "- {adapter: bot/one, to: bot/hidden-target, base: bot/hidden-base}\n"
    tell(shelf, entry)
    ((_, text),) = threads(shelf)
    assert "**ShapeMismatch**" in text
    assert "hidden" not in text
    # Where the adapter is a private one of the same owner, they may.
    shelf.api.update_repo_settings("bot/one", private=True)
    tell(shelf, entry)
    ((_, text),) = threads(shelf)
    assert "Into `bot/hidden-target`" in text


def test_an_adapter_that_is_not_there_is_an_error_of_ours(shelf: Shelf) -> None:
    hub = shelf.machine().around.connected()
    with pytest.raises(AdapterMergeError, match="bot/none"):
        discuss("bot/none", (failed(),), hub=hub, voice=VOICE)


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (3, "Corrupt", True),
        (3, "Gated", False),
        (4, "AdapterKind", True),
        (5, "MissingTarget", True),
        (7, "CheckFailed", True),
        (2, "RequestError", False),
        (6, "DiskFull", False),
        (8, "Refused", False),
        (9, "HubUnavailable", False),
        (130, "Interrupted", False),
        (1, "ValueError", False),
    ],
)
def test_only_what_is_the_adapters_own_is_told(code: int, kind: str, told: bool) -> None:
    error = ErrorRecord(type=kind, code=code, message="no", hint="Look.")
    assert bool(adapters_of([failed(error=error)])) is told


def test_what_was_not_tried_says_nothing_and_a_folder_has_no_discussions() -> None:
    folder = SourceRecord(source="./a", digests={})
    assert adapters_of([failed(status="skipped", error=None)]) == {}
    assert adapters_of(
        [failed(adapters=(folder,)), failed(status="merged", error=None)]
    ).keys() == {"org/a"}


def test_a_paragraph_can_t_end_itself_and_no_secret_is_in_it() -> None:
    found = {"0" * 16: "one", "1" * 16: "two"}
    first = revised(None, found=found, signature="us")
    assert first is not None
    assert first.is_open
    again = revised(first.text, found={"0" * 16: None}, signature="us")
    assert again is not None
    assert ("one" in again.text, "two" in again.text) == (False, True)
    last = revised(again.text, found={"1" * 16: None}, signature="us")
    assert last is not None
    assert (last.is_open, "two" in last.text) == (False, False)
    assert revised(None, found={"0" * 16: None}, signature="us") is None


def test_strangers_words_are_text(shelf: Shelf) -> None:
    message = "`<!-- end -->` @org/team hf_secret <b>x</b> ![i](https://x.y)"
    error = ErrorRecord(type="Corrupt", code=3, message=message, hint="Look.")
    source = SourceRecord(source="bot/one", digests={})
    report = failed(adapters=(source,), to="bot/one-merged", error=error)
    hub = shelf.machine().around.connected()
    for _ in range(2):
        discuss("bot/one", (report,), hub=hub, voice=VOICE)
    ((_, text),) = threads(shelf)
    assert text.count("<!-- end -->") == 1
    for words in ("@org", "hf_secret", "<b>", "![i]"):
        assert words not in text
