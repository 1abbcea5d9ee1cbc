"""What goes wrong on the way: wrong bytes, lost connections, a slow or busy Hub, a full disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter_merge.errors import Corrupt, DiskFull, HubUnavailable
from adapter_merge.hub import cache
from adapter_merge.hub.retry import Limits
from adapter_merge.hub.snapshot import Snapshot
from adapter_merge.localhub import Cut, Fault, Flipped, Short, Slow, Status
from adapter_merge.weights import encode_header
from tests.hub.stock import WEIGHTS, Stocked, weights

CONTENT = weights(*range(200))
BUSY = Status(status=429, headers={"RateLimit": '"api";r=0;t=7'})


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits of the Hub's own client, which are not waited for."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


def _open(hub: Stocked) -> Snapshot:
    hub.add("org/base", {"config.json": b"{}", WEIGHTS: CONTENT})
    return hub.open("org/base")


def _fetched(hub: Stocked) -> int:
    return sum(r.status == 200 for r in hub.server.requests if r.path.startswith("/_cdn/"))


READS: dict[str, Callable[[Stocked, Snapshot], object]] = {
    "GET /api/models/org/base\\?": lambda hub, _: hub.open("org/base"),
    "GET /api/models/org/base/tree": lambda hub, _: hub.open("org/base"),
    "GET /org/base/resolve": lambda _, found: found.header(WEIGHTS),
    "GET /_cdn/": lambda _, found: found.span(WEIGHTS, 10, 5),
}


@pytest.mark.parametrize("line", READS)
@pytest.mark.parametrize(
    "effect", [Cut(), Status(status=503), Status(status=502, body=b"<html>"), BUSY], ids=repr
)
def test_what_goes_wrong_twice_goes_well_the_third_time(
    line: str, effect: Any, plain: Stocked
) -> None:
    found = _open(plain)
    plain.server.fail(Fault(on=line, does=effect, times=2))
    READS[line](plain, found)
    assert len(plain.waits) == 2
    if effect is BUSY:
        assert plain.waits == pytest.approx([7.1, 7.1])


@pytest.mark.parametrize("line", READS)
@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (Cut(), "127.0.0.1 doesn't answer about|localhost doesn't answer about"),
        (Status(status=500), r"can't answer about .* now \(500\)"),
        (BUSY, "too many requests"),
    ],
    ids=["cut", "broken", "busy"],
)
def test_what_stays_wrong_is_the_error_that_is_safe_to_retry(
    line: str, effect: Any, words: str, plain: Stocked
) -> None:
    found = _open(plain)
    plain.server.fail(Fault(on=line, does=effect, times=99))
    with pytest.raises(HubUnavailable, match=words) as caught:
        READS[line](plain, found)
    assert len(plain.waits) == 2
    if effect is BUSY:
        assert "again in 7 s" in caught.value.hint


@pytest.mark.parametrize("line", READS)
def test_a_hub_that_asks_for_an_hour_is_not_waited_for(line: str, plain: Stocked) -> None:
    found = _open(plain)
    busy = Status(status=429, headers={"RateLimit": '"api";r=0;t=3600'})
    plain.server.fail(Fault(on=line, does=busy, times=99))
    with pytest.raises(HubUnavailable) as caught:
        READS[line](plain, found)
    assert "again in 3600 s" in caught.value.hint
    assert plain.waits == []


def test_a_download_does_not_sleep_for_an_hour_either(plain: Stocked, patient: list[float]) -> None:
    found = _open(plain)
    busy = Status(status=429, headers={"RateLimit": '"api";r=0;t=3600'})
    plain.server.fail(Fault(on="(GET|HEAD) /org/base/resolve", does=busy, times=99))
    with pytest.raises(HubUnavailable) as caught:
        found.have([WEIGHTS])
    assert "again in 3600 s" in caught.value.hint
    assert max(patient, default=0) < 60


@pytest.mark.parametrize("line", READS)
def test_a_hub_that_says_nothing_has_an_end(line: str, plain: Stocked) -> None:
    _open(plain)
    plain.limits = Limits(read=0.1)
    found = plain.open("org/base")
    plain.server.fail(Fault(on=line, does=Slow(seconds=0.6), times=3))
    with pytest.raises(HubUnavailable, match="doesn't answer"):
        READS[line](plain, found)


def test_a_page_that_is_no_answer_of_a_hub_is_told_as_that(plain: Stocked) -> None:
    _open(plain)
    login = Status(status=200, body=b"<html>Sign in</html>")
    for line in list(READS)[:2]:
        plain.server.fail(Fault(on=line, does=login, times=3))
        with pytest.raises(HubUnavailable, match="something that no Hub sends") as caught:
            plain.open("org/base")
        assert "HF_ENDPOINT" in caught.value.hint
        plain.server.heal()


@pytest.mark.parametrize("effect", [Cut(), Short(size=100), Status(status=503)], ids=repr)
def test_a_download_survives_what_happens_once(
    effect: Any, plain: Stocked, patient: list[float]
) -> None:
    found = _open(plain)
    told: list[int] = []
    plain.server.fail(Fault(on="GET /_cdn/", does=effect))
    found.have([WEIGHTS], told.append)
    assert (found.pinned.root / WEIGHTS).read_bytes() == CONTENT
    assert sum(told) == len(CONTENT)
    assert min(told) >= 0


@pytest.mark.parametrize("line", ["HEAD /org/base/resolve", "GET (/_cdn/|.*/xet-read-token)"])
def test_a_download_that_never_works_is_the_hubs_fault_and_leaves_nothing(
    line: str, both: Stocked, patient: list[float]
) -> None:
    found = _open(both)
    both.server.fail(Fault(on=line, does=Cut(), times=999))
    with pytest.raises(HubUnavailable, match=r"doesn't answer about `model.safetensors` of"):
        found.have([WEIGHTS])
    assert not (found.pinned.root / WEIGHTS).exists()
    assert not [p for p in both.cache.rglob("*") if "incomplete" in p.name]


@pytest.mark.parametrize("header", ["ETag", "X-Linked-Etag"])
@pytest.mark.parametrize("tag", ['"../../../../evil"', '"/tmp/evil"', '"a\\b"', '""'])
def test_a_digest_that_leads_elsewhere_writes_nothing(
    header: str, tag: str, plain: Stocked, tmp_path: Path
) -> None:
    found = _open(plain)
    commit = found.pinned.commit or ""
    headers = {"X-Repo-Commit": commit, header: tag}
    answer = Status(status=200, headers=headers, body=b"{}")
    plain.server.fail(Fault(on="HEAD /org/base/resolve", does=answer, times=9))
    with pytest.raises(Corrupt, match="a digest that is none"):
        found.have(["config.json"])
    assert not list(tmp_path.rglob("evil*"))
    assert not plain.cache.exists() or not list(plain.cache.rglob("*config*"))


def test_wrong_bytes_are_fetched_once_more(plain: Stocked) -> None:
    found = _open(plain)
    told: list[int] = []
    plain.server.fail(Fault(on="GET /_cdn/", does=Flipped()))
    found.have([WEIGHTS], told.append)
    assert (found.pinned.root / WEIGHTS).read_bytes() == CONTENT
    assert _fetched(plain) == 2
    assert sum(told) == len(CONTENT)


@pytest.mark.parametrize(
    ("line", "path"), [("GET /_cdn/", WEIGHTS), ("GET /org/base/resolve", "config.json")]
)
def test_bytes_that_stay_wrong_are_corrupt_and_not_kept(
    line: str, path: str, plain: Stocked
) -> None:
    found = _open(plain)
    plain.server.fail(Fault(on=line, does=Flipped(), times=99))
    with pytest.raises(Corrupt, match=f"`{path}` of `org/base` has other bytes"):
        found.have([path])
    assert not [
        p
        for p in plain.cache.rglob("*")
        if p.is_file() and p.suffix != ".lock" and p.name != "CACHEDIR.TAG"
    ]
    plain.server.heal()
    found.have([path])


def test_a_damaged_file_in_the_cache_is_replaced(both: Stocked) -> None:
    found = _open(both)
    found.have([WEIGHTS, "config.json"])
    for path in (WEIGHTS, "config.json"):
        kept = (found.pinned.root / path).resolve()
        good = kept.read_bytes()
        for bad in (good[:-1] + b"!", good[:-1], b""):
            kept.write_bytes(bad)
            both.open("org/base").have([path])
            assert (found.pinned.root / path).read_bytes() == good
            kept = (found.pinned.root / path).resolve()


def test_a_damaged_file_is_found_whatever_its_size(plain: Stocked) -> None:
    """A blob whose bytes changed and whose size did not, as after a failing disk."""
    header, _ = encode_header([("w", "U8", (70_000_000,))], None)
    content = header + bytes(70_000_000)
    plain.add("org/large", {"config.json": b"{}"})
    plain.add_large("org/large", WEIGHTS, content)
    found = plain.open("org/large")
    found.have([WEIGHTS])
    with (found.pinned.root / WEIGHTS).resolve().open("r+b") as kept:
        kept.seek(-1, 2)
        kept.write(b"!")
    with pytest.raises(Corrupt, match="in the cache has other bytes") as caught:
        plain.open("org/large", offline=True).have([WEIGHTS])
    assert "without `HF_HUB_OFFLINE`" in caught.value.hint
    plain.open("org/large").have([WEIGHTS])
    assert (found.pinned.root / WEIGHTS).read_bytes() == content


def test_a_damaged_file_is_not_read_for_its_header(both: Stocked) -> None:
    found = _open(both)
    found.have([WEIGHTS])
    kept = (found.pinned.root / WEIGHTS).resolve()
    kept.write_bytes(CONTENT.replace(b'"w"', b'"v"'))
    assert both.open("org/base").header(WEIGHTS).tensors[0].name == "w"


def test_a_file_that_changes_between_header_and_body_is_corrupt(plain: Stocked) -> None:
    other = CONTENT.replace(b'"w"', b'"v"')
    plain.add("org/base", {"config.json": b"{}"})
    plain.add_large("org/base", WEIGHTS, other, says=CONTENT)
    found = plain.open("org/base")
    assert found.header(WEIGHTS).tensors[0].name == "v"
    plain.stored(CONTENT).write_bytes(CONTENT)
    with pytest.raises(Corrupt, match="isn't the file whose header was read before"):
        found.have([WEIGHTS])


def test_a_file_of_another_size_than_listed_is_corrupt(
    plain: Stocked, patient: list[float]
) -> None:
    found = _open(plain)
    plain.stored(CONTENT).write_bytes(CONTENT + b"more")
    for act in (lambda: found.header(WEIGHTS), lambda: found.span(WEIGHTS, 0, 9)):
        with pytest.raises(Corrupt, match=r"list says \d+ bytes, and it sends \d+"):
            act()
    with pytest.raises(Corrupt, match=r"has other bytes|with another length"):
        found.have([WEIGHTS])


def test_a_hub_without_parts_of_files_gives_only_their_beginnings(plain: Stocked) -> None:
    found = _open(plain)
    whole = Status(status=200, body=CONTENT)
    plain.server.fail(Fault(on="GET /_cdn/", does=whole, times=99))
    assert found.header(WEIGHTS).tensors[0].shape == (200,)
    with pytest.raises(HubUnavailable, match="as a whole, though a part was asked for"):
        found.span(WEIGHTS, 10, 5)


def test_what_the_disk_has_no_room_for_is_not_begun(
    plain: Stocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _open(plain)
    monkeypatch.setattr(cache, "_free", lambda _folder: len(CONTENT) - 1)
    before = len(plain.asked())
    with pytest.raises(DiskFull, match="are to be downloaded to"):
        found.have([WEIGHTS])
    assert len(plain.asked()) == before
    found.have(["config.json"])


def test_what_another_commit_has_needs_no_room_and_no_bytes(
    plain: Stocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    _open(plain).have([WEIGHTS])
    plain.add_large("org/base", "more.safetensors", weights(1))
    monkeypatch.setattr(cache, "_free", lambda _folder: 0)
    found, told = plain.open("org/base"), list[int]()
    found.have([WEIGHTS], told.append)
    assert sum(told) == len(CONTENT)
    assert (found.pinned.root / WEIGHTS).read_bytes() == CONTENT
    assert _fetched(plain) == 1


def test_a_damaged_blob_of_another_commit_is_replaced(plain: Stocked) -> None:
    found = _open(plain)
    found.have([WEIGHTS])
    (found.pinned.root / WEIGHTS).resolve().write_bytes(CONTENT[:-1] + b"!")
    plain.add_large("org/base", "more.safetensors", weights(1))
    found = plain.open("org/base")
    found.have([WEIGHTS])
    assert (found.pinned.root / WEIGHTS).read_bytes() == CONTENT


def test_a_reader_that_gives_up_ends_the_download(both: Stocked) -> None:
    found = _open(both)

    def advance(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        found.have([WEIGHTS, "config.json"], advance)


def test_nothing_is_written_outside_the_cache(both: Stocked, tmp_path: Path) -> None:
    def outside() -> set[Path]:
        return {
            p
            for p in tmp_path.rglob("*")
            if not p.is_relative_to(both.cache) and not p.is_relative_to(tmp_path / "hub")
        }

    found = _open(both)
    before = outside()
    found.have(list(found.files))
    assert outside() == before
