"""What an event `adapter-pushed` may say."""

from __future__ import annotations

from typing import Any

import pytest

from adapter_merge.errors import RequestError
from adapter_merge.github.dispatch import AdapterPushed, read_pushed

COMMIT = "a" * 40


def test_says_which_adapter() -> None:
    pushed = read_pushed({"adapter": "org/adapter", "revision": COMMIT, "more": 1})
    assert pushed == AdapterPushed(adapter="org/adapter", revision=COMMIT)
    assert pushed.ref == "refs/heads/main"


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (None, "`adapter`"),
        ({}, "`adapter`"),
        ({"adapter": 7}, "`adapter`"),
        ({"adapter": "./folder"}, "`adapter`"),
        ({"adapter": "/etc/passwd"}, "`adapter`"),
        ({"adapter": "org/a/../../b"}, "`adapter`"),
        ({"adapter": "org/a@main"}, "`adapter`"),
        ({"adapter": "org/a\n::error::"}, "`adapter`"),
        ({"adapter": "$(id)/x"}, "`adapter`"),
        ({"adapter": "org/a", "revision": "main"}, "`revision`"),
        ({"adapter": "org/a", "ref": "refs/pr/1"}, "`ref`"),
        ({"adapter": "org/a", **{f"n{n}": n for n in range(10)}}, "more than GitHub sends"),
        ({"adapter": "org/a", "text": "x" * 64_000}, "more than GitHub sends"),
    ],
)
def test_refuses_what_is_none(payload: dict[str, Any] | None, says: str) -> None:
    with pytest.raises(RequestError, match=says) as refused:
        read_pushed(payload)
    assert "adapter-pushed" in refused.value.hint
