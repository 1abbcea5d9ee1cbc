"""Offline mode: what the cache has is enough, and what it lacks is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_merge.errors import Corrupt, NotFound
from adapter_merge.hub.edge import HubEdge
from adapter_merge.ports import Surroundings
from adapter_merge.repository import checkpoint_of
from adapter_merge.request import Request
from adapter_merge.stages.resolve import resolve
from tests.build import write_adapter, write_base
from tests.hub.stock import WEIGHTS, Stocked, weights

FILES = {"config.json": b"{}", WEIGHTS: weights(1, 2, 3), "sub/x.json": b"[]"}


@pytest.fixture
def pulled(both: Stocked) -> Stocked:
    """A Hub whose repository lies in the cache, all but one file of it."""
    both.add("org/base", FILES)
    found = both.open("org/base")
    found.have([p for p in found.files if p != "sub/x.json"])
    both.open("org/base@main/sub").have(["x.json"])
    return both


def test_what_was_pulled_is_the_same_repository_without_a_request(pulled: Stocked) -> None:
    online = pulled.open("org/base")
    before = len(pulled.asked())
    for ref in ("org/base", "org/base@main", f"org/base@{online.pinned.commit}"):
        found = pulled.open(ref, offline=True)
        assert found.files == online.files
        assert {p: found.digest(p) for p in found.files} == {
            p: online.digest(p) for p in online.files
        }
        assert found.pinned.commit == online.pinned.commit
        assert found.pinned.access is None
        told: list[int] = []
        found.have(list(found.files), told.append)
        assert sum(told) == sum(found.files.values())
        assert found.header(WEIGHTS) == online.header(WEIGHTS)
        assert found.span(WEIGHTS, found.files[WEIGHTS] - 1, 1) == b"\x03"
    assert pulled.open("org/base/sub", offline=True).files == {"x.json": 2}
    assert len(pulled.asked()) == before


@pytest.mark.parametrize("ref", ["org/none", "org/base@v1", "org/base@" + "0" * 40])
def test_what_was_not_pulled_is_told_with_both_ways_out(ref: str, pulled: Stocked) -> None:
    with pytest.raises(
        NotFound, match=r"offline mode is on, and `org/.*isn't in the Hub's cache"
    ) as e:
        pulled.open(ref, offline=True)
    assert "HF_HUB_OFFLINE" in e.value.hint
    assert "hf download org/" in e.value.hint


def test_a_file_that_was_not_pulled_is_not_there(both: Stocked) -> None:
    both.add("org/base", FILES)
    both.open("org/base").have(["config.json"])
    found = both.open("org/base", offline=True)
    assert found.files == {"config.json": 2}
    missing = (
        r"offline mode is on, and `model.safetensors` of `org/base` at .* isn't in the Hub's cache"
    )
    with pytest.raises(NotFound, match=missing) as caught:
        found.header(WEIGHTS)
    assert "HF_HUB_OFFLINE" in caught.value.hint
    # A plan online leaves the small files alone in the cache.
    with pytest.raises(
        NotFound, match=r"offline mode is on, and the weights of `org/base`"
    ) as told:
        checkpoint_of(found)
    assert f"`hf download org/base --revision {found.pinned.commit}`" in told.value.hint
    assert "Name the folder" not in told.value.hint


@pytest.mark.parametrize(
    ("repo", "lacks", "what"),
    [
        ("org/base", "config.json", "`config.json` of the base `org/base`"),
        ("org/adapter", "adapter_config.json", "`adapter_config.json` of `org/adapter`"),
        (
            "org/adapter",
            "adapter_model.safetensors",
            "`adapter_model.safetensors` of `org/adapter`",
        ),
    ],
)
def test_a_run_offline_says_what_the_cache_lacks(
    plain: Stocked, tmp_path: Path, repo: str, lacks: str, what: str
) -> None:
    write_adapter(tmp_path / "org/adapter", base_model_name_or_path="org/base")
    write_base(tmp_path / "org/base")
    for name in ("org/base", "org/adapter"):
        plain.add(name, {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
        found = plain.open(name)
        found.have([p for p in found.files if (name, p) != (repo, lacks)])
    request = Request.model_validate({"adapters": ("org/adapter",), "to": str(tmp_path / "out")})
    around = Surroundings(cache=plain.cache, hub=lambda: HubEdge(plain.client(offline=True)))
    with pytest.raises(NotFound) as caught:
        resolve(request, around=around)
    assert caught.value.message.startswith(f"offline mode is on, and {what}")
    assert caught.value.message.endswith("isn't in the Hub's cache on this machine")
    assert "Unset `HF_HUB_OFFLINE`, or `hf download org/" in caught.value.hint


def test_a_damaged_file_is_told_and_left(pulled: Stocked) -> None:
    found = pulled.open("org/base", offline=True)
    kept = (found.pinned.root / WEIGHTS).resolve()
    kept.write_bytes(FILES[WEIGHTS][:-1] + b"!")
    with pytest.raises(Corrupt, match="has other bytes"):
        found.have([WEIGHTS])
    assert kept.exists()


def test_a_branch_that_moved_is_followed_in_the_cache(pulled: Stocked) -> None:
    commit = pulled.add_large("org/base", "more.safetensors", weights(9))
    assert pulled.open("org/base", offline=True).pinned.commit != commit
    pulled.open("org/base").have(["more.safetensors"])
    assert pulled.open("org/base", offline=True).pinned.commit == commit


def test_without_links_a_file_is_known_by_its_content(pulled: Stocked) -> None:
    found = pulled.open("org/base")
    large = found.pinned.root / WEIGHTS
    content = large.read_bytes()
    large.unlink()
    large.write_bytes(content)
    assert pulled.open("org/base", offline=True).digest(WEIGHTS) == found.digest(WEIGHTS)
