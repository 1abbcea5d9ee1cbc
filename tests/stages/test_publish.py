"""Publishing with the Hub's real client against a Hub on loopback: one commit, whatever gets lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.published import Stand, files, sealed, standing


@pytest.fixture(params=[True, False], ids=["xet", "lfs"])
def stand(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stand]:
    with standing(tmp_path, xet=request.param, monkeypatch=monkeypatch) as found:
        yield found


def test_a_first_result_makes_the_repository(stand: Stand, tmp_path: Path) -> None:
    result = sealed(tmp_path / "one", files(1, 2))
    published = stand.publish(result)
    assert stand.files() == set(result.pieces)
    assert stand.read("config.json") == (tmp_path / "one/config.json").read_bytes()
    print(published)
    assert published.visibility == "public"
