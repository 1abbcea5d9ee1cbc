from __future__ import annotations

from pathlib import Path

import pytest

from adapter_merge.bot.secret import Secret, secret_of
from adapter_merge.errors import RequestError

TEXT = "0123456789abcdef"
NAME = b"x-webhook-secret"


@pytest.mark.parametrize(
    ("headers", "fits"),
    [
        ([(NAME, TEXT.encode())], True),
        ([(b"host", b"x"), (NAME, TEXT.encode())], True),
        ([], False),
        ([(NAME, b"")], False),
        ([(NAME, TEXT[:-1].encode())], False),
        ([(NAME, f"{TEXT}0".encode())], False),
        ([(NAME, TEXT.upper().encode())], False),
        ([(NAME, b"\xff\x00")], False),
        ([(b"authorization", TEXT.encode())], False),
        ([(NAME, TEXT.encode()), (NAME, TEXT.encode())], False),
        ([(NAME, TEXT.encode()), (NAME, b"x")], False),
        ([(NAME, b"x"), (NAME, TEXT.encode())], False),
    ],
)
def test_one_header_and_all_of_the_secret(headers: list[tuple[bytes, bytes]], fits: bool) -> None:
    assert Secret(TEXT).fits(headers) is fits


def test_it_is_not_shown() -> None:
    assert TEXT not in repr(Secret(TEXT))


def test_it_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{TEXT}f\n")
    name = "ADAPTER_MERGE_WEBHOOK_SECRET"
    assert secret_of({name: TEXT}) == TEXT
    assert secret_of({f"{name}_FILE": str(file)}) == f"{TEXT}f"
    assert secret_of({name: TEXT, f"{name}_FILE": str(file)}) == TEXT


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has no secret"),
        ("short", "less than 16"),
        (f" {TEXT}", "blanks"),
        (f"{TEXT}\n", "blanks"),
        (f"{TEXT}\u00e9", "header"),
        (f"{TEXT[:8]}\x00{TEXT[8:]}", "header"),
    ],
)
def test_nothing_starts_without_a_good_one(text: str, why: str) -> None:
    with pytest.raises(RequestError, match=why) as raised:
        secret_of({"ADAPTER_MERGE_WEBHOOK_SECRET": text})
    assert "openssl rand -hex 32" in raised.value.hint
    assert text == "" or text not in str(raised.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="can't be read"):
        secret_of({"ADAPTER_MERGE_WEBHOOK_SECRET_FILE": str(tmp_path / "none")})
