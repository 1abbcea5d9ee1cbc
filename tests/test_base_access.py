"""Whose choice the base is: a private or gated base that only an adapter's config names, over HTTP with two users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from adapter_merge.report import Report
from tests.office import ADAPTER, MEMBER, OPEN, OPERATOR, SECRET, TARGET, Office, office

DEFAULTS = "defaults: {probe: off, workers: 1, when: push}\n"
WATCH = f"{DEFAULTS}watch:\n- {{owner: acme, to: '{{owner}}/{{name}}-merged'%s}}\n"
ENTRY = f"{DEFAULTS}merges:\n- {{adapter: {ADAPTER}, to: {TARGET}%s}}\n"


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    made = office(tmp_path)
    with made.hub:
        made.stock()
        yield made


def refused(report: Report) -> tuple[str, str]:
    """Message and hint of a run that stopped before it read a weight."""
    assert report.status == "failed", report
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("BaseNotNamed", 2), report.error
    assert "pull" not in report.seconds
    assert "merge" not in report.seconds
    return report.error.message, report.error.hint


def test_a_member_gets_no_private_base_by_naming_it(there: Office) -> None:
    assert not there.can_read(MEMBER, SECRET)
    message, hint = refused(there.run())
    assert f"`{SECRET}`" in message
    assert f"--base {SECRET}" in hint
    assert not there.exists(TARGET)


def test_the_operator_names_a_private_base(there: Office) -> None:
    report = there.run(base=SECRET)
    assert report.status == "merged", report.error
    assert report.published is not None
    assert report.published.visibility == "private"


@pytest.mark.parametrize("text", [WATCH % "", ENTRY % ""], ids=["watch", "entry"])
def test_sync_merges_no_private_base_that_an_adapter_names(there: Office, text: str) -> None:
    refused(there.sync(text)[TARGET])
    assert not there.exists(TARGET)


def test_an_open_base_needs_no_name(there: Office) -> None:
    there.add_adapter(ADAPTER, base=OPEN)
    report = there.run()
    assert report.status == "merged", report.error
    assert there.can_read(MEMBER, TARGET)
    assert there.can_read(OPERATOR, TARGET)
