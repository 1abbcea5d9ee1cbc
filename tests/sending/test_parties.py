"""Sources as publishing knows them: pinned, and without the way to a folder."""

from __future__ import annotations

import pytest

from adapter_merge.receipt import SourceRecord
from adapter_merge.remote import Access
from adapter_merge.sending.parties import parties_of
from tests.published import ADAPTER, BASE, OPEN, digest, source

COMMIT = "c" * 40


@pytest.mark.parametrize(
    ("written", "pin"),
    [
        ("org/adapter", f"org/adapter@{COMMIT}"),
        ("org/adapter@main", f"org/adapter@{COMMIT}"),
        ("hf://org/adapter/checkpoint-5", f"org/adapter@{COMMIT}/checkpoint-5"),
        ("gpt2", f"gpt2@{COMMIT}"),
    ],
)
def test_a_repository_is_pinned_by_its_commit(written: str, pin: str) -> None:
    adapter = SourceRecord(source=written, commit=COMMIT, digests={})
    assert parties_of(source(BASE), (adapter,), OPEN)[1].pin == pin


def test_a_folder_is_pinned_by_its_weights_and_named_without_the_way_to_it() -> None:
    base, adapter = parties_of(source("./home/me/base"), (source("./home/me/run-7"),), {})
    assert (base.name, adapter.name) == ("base", "run-7")
    assert adapter.pin == f"sha256:{digest('./home/me/run-7')}"
    assert adapter.mark == digest("./home/me/run-7")
    assert "home" not in base.pin + adapter.pin
    assert adapter.access is None


def test_other_files_of_a_folder_give_another_pin() -> None:
    pins = {
        parties_of(SourceRecord(source="./base", digests={"a": d}), (), {})[0].pin
        for d in ("header:1:2:3", "header:2:2:3")
    }
    assert len(pins) == 2


def test_a_repository_of_which_nothing_is_known_counts_as_private() -> None:
    base, adapter = parties_of(source(BASE), (source(ADAPTER),), {BASE: Access.OPEN})
    assert (base.access, adapter.access) == (Access.OPEN, Access.PRIVATE)
