from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from adapter_merge.errors import RequestError
from adapter_merge.layouts import Wishes
from adapter_merge.request import Settings


def test_a_template_is_read_and_pinned_by_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "any.jinja"
    path.write_text("{{ messages }}")
    wishes = Wishes.of(Settings(chat_template=path))
    assert wishes.chat_template == "{{ messages }}"
    digest = hashlib.sha256(b"{{ messages }}").hexdigest()
    assert wishes.recipe == {"chat_template": f"sha256:{digest}"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't be read"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"{% if %}", "no jinja template: line 1"),
    ],
)
def test_what_is_no_template_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "any.jinja"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RequestError, match=message) as raised:
        Wishes.of(Settings(chat_template=path))
    assert "any.jinja" in raised.value.message


def test_a_folder_is_no_template(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="can't be read"):
        Wishes.of(Settings(chat_template=tmp_path))


@pytest.mark.parametrize(
    ("settings", "recipe"),
    [
        (Settings(), {}),
        (Settings(generation_config="base"), {"generation_config": "base"}),
        (Settings(compat=True), {"compat": "true"}),
    ],
)
def test_only_what_differs_from_the_defaults_is_in_the_recipe(
    settings: Settings, recipe: dict[str, str]
) -> None:
    assert Wishes.of(settings).recipe == recipe
