"""The real PyGithub against GitHub's API on loopback: everything once, whatever goes wrong on the way."""

from __future__ import annotations

import subprocess
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_merge.errors import GithubUnavailable, Refused, RequestError
from adapter_merge.github.checks import mark_of, set_check, set_status
from adapter_merge.github.comments import comment
from adapter_merge.github.edge import connect
from adapter_merge.github.releases import END, release, wanted
from adapter_merge.localhub.faults import Cut, Effect, Fault, Lost, Status
from tests.github.shapes import user_shape
from tests.github.steps import RUN, SHA, edge_of, report, steps, wish
from tests.github.stub import REPO, TOKEN, Stub, github_stub

WRITES = {
    "status": "POST .*/statuses/",
    "check": "POST .*/check-runs",
    "comment": "POST .*/comments",
    "release": "POST .*/releases$",
    "event": "POST .*/dispatches",
}
FAULTS: dict[str, Effect] = {
    "answer lost": Lost(),
    "cut": Cut(),
    "502": Status(status=502, body=b"<html>bad gateway</html>"),
    "limited": Status(
        status=403,
        headers={"Retry-After": "7", "Content-Type": "application/json"},
        body=b'{"message": "You have exceeded a secondary rate limit."}',
    ),
}


@pytest.fixture
def github() -> Iterator[Stub]:
    with github_stub() as stub:
        yield stub


def made(stub: Stub) -> dict[str, int]:
    """How many of each thing stand there."""
    state = stub.state
    return {
        "status": len(state.statuses.get(SHA, [])),
        "check": len(state.checks),
        "comment": len(state.comments.get(3, [])),
        "release": len(state.releases),
    }


def test_tells_everything_once_and_a_second_time_writes_nothing(
    github: Stub, tmp_path: Path
) -> None:
    told = steps(edge_of(github.url), tmp_path / "kept")
    for _ in range(2):
        for name in WRITES:
            told[name]()
    assert made(github) == {"status": 1, "check": 1, "comment": 1, "release": 1}
    assert github.asked("POST .*/assets") == 3
    assert github.asked("PATCH") == 1  # the release was shown when it was whole
    assert [e["event_type"] for e in github.state.events] == ["adapter-pushed"] * 2


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_goes_wrong_is_made_once(
    github: Stub, tmp_path: Path, name: str, fault: str
) -> None:
    waits: list[float] = []
    github.faults.add(Fault(on=WRITES[name], does=FAULTS[fault]))
    steps(edge_of(github.url, waits=waits), tmp_path / "kept")[name]()
    assert made(github).get(name, 1) == 1
    assert waits == [7.0 if fault == "limited" else 1.0]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "on", ["GET .*/releases", "GET .*/assets", "POST .*/assets", "PATCH .*/releases"]
)
def test_a_release_is_whole_whatever_failed_once(
    github: Stub, tmp_path: Path, on: str, fault: str
) -> None:
    github.faults.add(Fault(on=on, does=FAULTS[fault]))
    release(edge_of(github.url), wish(tmp_path / "kept"))
    (standing,) = github.state.releases
    assert [a["name"] for a in standing["assets"]] == [
        "SHA256SUMS",
        "merge_receipt.json",
        "report.json",
    ]
    assert not standing["draft"]


def test_new_files_take_the_place_of_those_with_their_names(github: Stub, tmp_path: Path) -> None:
    edge = edge_of(github.url)
    release(edge, wish(tmp_path / "kept", "one"))
    release(edge, wish(tmp_path / "kept", "two"))
    (standing,) = github.state.releases
    kept = [github.state.uploads[a["id"]] for a in standing["assets"]]
    assert sorted(kept) == [
        b"SHA256SUMS two\n",
        b"merge_receipt.json two\n",
        b"report.json two\n",
    ]


def test_a_release_that_lost_its_page_gets_one_and_an_unchanged_result_no_new_one(
    github: Stub, tmp_path: Path
) -> None:
    edge, page = edge_of(github.url), tmp_path / "report.html"
    for text, status in (("one", "unchanged"), ("two", "unchanged"), ("three", "merged")):
        page.write_text(text)
        wish = wanted(report(status=status), [page], commit=SHA, show="publish")
        release(edge, wish)
    assert [text for _, text in sorted(github.state.uploads.items())] == [b"one", b"three"]


@pytest.mark.parametrize("to", ["./a..b", "/x/../y", "org/a.b", "./..", "hf://org/é"])
def test_a_tag_is_one_that_git_takes(to: str) -> None:
    found = wanted(report(to=to), [], commit=SHA, show="draft").tag
    words = ["git", "check-ref-format", f"refs/tags/{found}"]
    assert subprocess.run(words, check=False).returncode == 0, found


def test_a_half_uploaded_file_is_replaced(github: Stub, tmp_path: Path) -> None:
    edge = edge_of(github.url)
    release(edge, wish(tmp_path / "kept"))
    github.state.releases[0]["assets"][0]["state"] = "starter"
    release(edge, wish(tmp_path / "kept"))
    assert {a["state"] for a in github.state.releases[0]["assets"]} == {"uploaded"}
    assert len(github.state.releases[0]["assets"]) == 3


def test_notes_say_what_was_merged_and_keep_what_people_wrote(github: Stub, tmp_path: Path) -> None:
    edge = edge_of(github.url)
    release(edge, wish(tmp_path / "kept", draft=True))
    (standing,) = github.state.releases
    assert standing["draft"]
    standing["body"] = "Thanks to all.\r\n\r\n" + standing["body"].replace("\n", "\r\n")
    release(edge, wish(tmp_path / "kept"))
    body = standing["body"]
    assert body.startswith("Thanks to all.\n\n<!-- adapter-merge:begin -->")
    assert body.count(END) == 1
    assert "b" * 40 in body
    assert "d" * 64 in body
    assert "L001" in body
    assert not standing["draft"]
    release(edge, wish(tmp_path / "kept", draft=True))
    assert not standing["draft"]


def test_a_release_of_somebody_else_is_left_alone(github: Stub, tmp_path: Path) -> None:
    edge, wanted = edge_of(github.url), wish(tmp_path / "kept")
    release(edge, wanted)
    github.state.releases[0]["body"] = "by hand"
    with pytest.raises(Refused, match="this program didn't make it"):
        release(edge, wanted)
    assert github.state.releases[0]["body"] == "by hand"


def test_a_release_is_found_behind_a_hundred_others(github: Stub, tmp_path: Path) -> None:
    edge = edge_of(github.url)
    release(edge, wish(tmp_path / "kept"))
    others = [{**github.state.releases[0], "tag_name": f"v{n}"} for n in range(120)]
    github.state.releases[:0] = others
    release(edge, wish(tmp_path / "kept"))
    assert len(github.state.releases) == 121


def test_a_comment_is_updated_and_one_of_a_stranger_is_not(github: Stub) -> None:
    edge = edge_of(github.url)
    comment(edge, 3, "plan", ("first",))
    mark = github.state.comments[3][0]["body"].splitlines()[0]
    stranger = user_shape(github.url, "mallory")
    github.state.comments[3].insert(0, github.state.said(3, f"{mark}\nmine", stranger))
    github.state.comments[3].pop()
    comment(edge, 3, "plan", ("second",))
    assert [c["body"] for c in github.state.comments[3]] == [f"{mark}\nmine", f"{mark}\nsecond"]


def test_a_persons_token_updates_that_persons_comment(github: Stub) -> None:
    github.state.login = "ada"
    edge = edge_of(github.url)
    for word in ("first", "second"):
        comment(edge, 3, "plan", (word,))
    (said,) = github.state.comments[3]
    assert said["body"].endswith("second")


def test_a_long_comment_is_cut(github: Stub) -> None:
    comment(edge_of(github.url), 3, "plan", tuple("x" * 9_000 for _ in range(20)))
    (said,) = github.state.comments[3]
    assert len(said["body"]) < 65_536
    assert "More was left out" in said["body"]


def test_a_new_conclusion_updates_the_check_and_adds_a_status(github: Stub) -> None:
    edge = edge_of(github.url)
    good = mark_of(report(), summary="good", url=RUN)
    bad = mark_of(report(status="failed", reason="it broke"), summary="bad", url=RUN)
    for mark in (good, bad):
        set_status(edge, SHA, mark)
        set_check(edge, SHA, mark)
    assert [s["state"] for s in github.state.statuses[SHA]] == ["failure", "success"]
    (check,) = github.state.checks
    assert (check["conclusion"], check["output"]["summary"]) == ("failure", "bad")


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("status", "statuses: write"),
        ("check", "checks: write"),
        ("comment", "pull-requests: write"),
        ("release", "contents: write"),
        ("event", "contents: write"),
    ],
)
def test_a_refusal_names_the_right_that_is_missing(
    github: Stub, tmp_path: Path, name: str, right: str
) -> None:
    github.state.denied |= {"statuses", "check-runs", "comments", "releases", "dispatches"}
    with pytest.raises(Refused, match="Resource not accessible") as refused:
        steps(edge_of(github.url), tmp_path / "kept")[name]()
    assert right in refused.value.hint


def test_silence_is_told_after_some_tries(github: Stub, tmp_path: Path) -> None:
    waits: list[float] = []
    github.faults.add(Fault(on="POST .*/releases$", does=Cut(), times=99))
    with pytest.raises(GithubUnavailable) as silent:
        release(edge_of(github.url, waits=waits), wish(tmp_path / "kept"))
    assert silent.value.exit_code == 9
    assert waits == [1.0, 2.0, 4.0]


def test_a_lost_answer_to_the_last_try_is_looked_for(github: Stub, tmp_path: Path) -> None:
    github.faults.add(Fault(on="POST .*/releases$", does=Lost()))
    release(edge_of(github.url, tries=1), wish(tmp_path / "kept"))
    assert made(github)["release"] == 1


def test_a_long_pause_is_not_waited_for(github: Stub) -> None:
    slow = Status(status=429, headers={"Retry-After": "900"}, body=b"{}")
    github.faults.add(Fault(on="GET .*/comments", does=slow, times=99))
    waits: list[float] = []
    with pytest.raises(GithubUnavailable, match="too many requests"):
        comment(edge_of(github.url, waits=waits), 3, "plan", ("text",))
    assert waits == []


@pytest.mark.parametrize("field", ["url", "upload_url"])
@pytest.mark.parametrize("host", ["https://evil.example", "http://127.0.0.1:9", "http://localhost"])
def test_an_address_of_another_host_is_never_asked(
    github: Stub, tmp_path: Path, field: str, host: str
) -> None:
    edge, wanted = edge_of(github.url), wish(tmp_path / "kept", draft=True)
    release(edge, wanted)
    standing = github.state.releases[0]
    standing[field] = standing[field].replace(github.url, host)
    with pytest.raises(Refused, match="address of another host"):
        release(edge, wish(tmp_path / "kept", "two"))


@pytest.mark.parametrize(
    ("api", "uploads"),
    [
        ("https://api.github.com", "https://uploads.github.com/repos"),
        ("https://ghe.example.com/api/v3", "https://ghe.example.com/api/uploads"),
        ("https://api.octo.ghe.com", "https://uploads.octo.ghe.com/repos"),
    ],
)
def test_knows_where_each_github_takes_uploads(api: str, uploads: str) -> None:
    edge = connect(REPO, api=api, token=TOKEN)
    assert edge.own(uploads) == uploads
    for bad in (uploads.replace("https", "http"), "https://uploads.evil.com/repos"):
        with pytest.raises(Refused):
            edge.own(bad)


@pytest.mark.parametrize("api", ["http://github.example", "ftp://127.0.0.1", "nonsense", ""])
def test_sends_a_token_to_no_address_that_is_not_safe(api: str) -> None:
    with pytest.raises(RequestError, match="GITHUB_API_URL"):
        connect(REPO, api=api, token=TOKEN)


@pytest.mark.parametrize("page", [b"<html>sign in</html>", b"[1, 2]", b'{"id": "x"}', b"\xff\xfe"])
@pytest.mark.parametrize("name", ["status", "check", "comment", "release"])
def test_what_is_no_github_is_refused(github: Stub, tmp_path: Path, name: str, page: bytes) -> None:
    github.faults.add(Fault(on=" ", does=Status(status=200, body=page), times=99))
    with pytest.raises((Refused, GithubUnavailable)):
        steps(edge_of(github.url), tmp_path / "kept")[name]()


def test_a_token_is_never_shown(github: Stub, tmp_path: Path) -> None:
    echo = Status(status=400, body=b'{"message": "bad token %s"}' % TOKEN.encode())
    github.faults.add(Fault(on="POST", does=echo, times=99))
    edge = edge_of(github.url)
    assert TOKEN not in repr(edge)
    with pytest.raises(Refused) as refused:
        release(edge, wish(tmp_path / "kept"))
    assert TOKEN not in refused.value.message
    assert TOKEN not in "".join(traceback.format_exception(refused.value, chain=False))
