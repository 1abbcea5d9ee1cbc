"""The pages as they are served: everything is there, nobody is believed, and a browser may do next to nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.client import HTTPConnection
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest

from adapter_merge.bot.web.app import Beside
from adapter_merge.bot.web.pages.view import address
from tests.bot.web.pages.kept import (
    ALL,
    DEAD,
    FOLDER,
    HOSTILE,
    MERGED,
    NOW,
    RUNNING,
    WAITING,
    Told,
    as_json,
    known,
    well,
)
from tests.bot.web.standin import Still, served
from tests.pages.test_page import MERGED as REPORT
from tests.pages.test_page import Reader

PEOPLE = {"Accept": "text/html,*/*;q=0.8"}


class Site:
    """A running server and what it shows."""

    def __init__(self, url: str, told: Told) -> None:
        self.told = told
        self._place = urlsplit(url).netloc

    def get(
        self, path: str, *, method: str = "GET", accept: str = PEOPLE["Accept"]
    ) -> tuple[int, Mapping[str, str], str]:
        """Status, headers and text."""
        connection = HTTPConnection(self._place, timeout=10)
        try:
            connection.request(method, path, headers={"Accept": accept})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()

    def text(self, path: str) -> str:
        """What people read of a page."""
        status, _, text = self.get(path)
        assert status == 200
        return Reader(text).text


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    told = known()
    with served(Still(), Beside(shown=told, clock=lambda: NOW)) as url:
        yield Site(url, told)


@pytest.fixture
def site(running: Site) -> Site:
    """The server, with what it shows as it was in the beginning."""
    running.told.__dict__ |= vars(known())
    return running


def test_all_merges_are_there(site: Site) -> None:
    text = site.text("/")
    for part in (
        "✓ merges follow their adapters",
        "It looks every 5 minutes, and whenever the Hub tells of a push; last 2 minutes ago",
        "▶ running",
        "acme/qwen3-support-lora@c0ffee0 onto Qwen/Qwen3-8B@10fedcb",
        "merge: 37 %, 6.1 GB of 16.4 GB",
        "for 3 minutes",
        "✕ given up",
        "acme/old-a and acme/old-b=0.5 onto the base that they name",
        "adapter-merge bot retry acme/old-merged",
        "Next look in 11 minutes .",
        "✓ unchanged",
    ):
        assert part in text


def test_one_merge_in_full(site: Site) -> None:
    text = site.text(address(MERGED.target))
    for part in (
        "✓ merged 2 hours ago",
        "acme/mail-lora is at c0ffee0, and was at 7654321",
        "https://huggingface.co/acme/mail-merged",
        f"commit {MERGED.commit}",
        "follow-base: true",
        "4 of 9 tensors edited",
        "rounding takes 6 %",
        "Relative change",
        "✕ failed",
        "2026-11-23 12:00:00 UTC",
        "the Hub said no",
    ):
        assert part in text


def test_a_run_shows_how_far_it_is_and_its_log(site: Site) -> None:
    _, _, text = site.get(address(RUNNING.target))
    assert '<progress aria-label="merge" value="0.372">' in text
    assert "model-00016-of-00017.safetensors" in text
    assert "<details open>" in text
    assert "What the run before did" not in text


def test_beside_a_run_there_is_only_a_way_to_the_report_before(site: Site) -> None:
    site.told.reports = {RUNNING.target: as_json(REPORT)}
    text = site.text(address(RUNNING.target))
    assert "What the run before did" in text
    assert "tensors edited" not in text


def test_of_a_long_log_a_page_has_the_end(site: Site) -> None:
    site.told.logs = {RUNNING.target: "".join(f"line {n}\n" for n in range(1000))}
    text = site.text(address(RUNNING.target))
    assert "line 799" not in text
    assert "line 800 line 801" in text
    assert site.get(f"{address(RUNNING.target)}/log")[2].startswith("line 0\nline 1\n")


def test_a_log_is_plain_text_that_steers_nothing(site: Site) -> None:
    status, headers, text = site.get(f"{address(HOSTILE.target)}/log")
    assert status == 200
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert text.isprintable() or text.replace("\n", "").isprintable()
    assert text.endswith("\\x1b[31m\nnext    column\n")


def test_a_log_that_isnt_there_is_empty(site: Site) -> None:
    assert site.get(f"{address(DEAD.target)}/log")[::2] == (200, "")


def test_a_report_is_the_page_that_a_command_writes(site: Site) -> None:
    from adapter_merge.pages import page

    status, headers, text = site.get(f"{address(MERGED.target)}/report")
    assert (status, text) == (200, page(REPORT))
    assert "script-src" not in headers["content-security-policy"]
    allowed = re.findall(r"'sha256-[^']+'", headers["content-security-policy"])
    (meta,) = (d["content"] for t, d in Reader(text).tags if d.get("http-equiv"))
    assert sorted(allowed) == sorted(re.findall(r"'sha256-[^']+'", meta or ""))


@pytest.mark.parametrize(
    "kept",
    [
        {"schema": 2, "status": "merged"},
        {"status": "nonsense"},
        {"schema": 1, "status": "merged", "counts": {"tensors_edited": 1}},
        {"schema": 1, "status": "merged", "seconds": {"merge": 1.0}},
        {},
    ],
)
def test_a_report_that_cant_be_read_is_left_out(site: Site, kept: Mapping[str, Any]) -> None:
    site.told.reports = {MERGED.target: kept}
    text = site.get(address(MERGED.target))[2]
    assert "tensors edited" not in text
    assert "/report" not in text
    assert site.get(f"{address(MERGED.target)}/report")[0] == 404


def test_a_target_that_is_a_folder_has_its_pages(site: Site) -> None:
    assert "./out/here" in site.text(address(FOLDER.target))
    assert site.get(f"{address(FOLDER.target)}/log")[0] == 200


@pytest.mark.parametrize("path", ALL)
def test_a_browser_may_do_next_to_nothing(site: Site, path: str) -> None:
    _, headers, _ = site.get(path)
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["img-src"] == policy["connect-src"] == "'self'"
    assert {policy[n] for n in ("frame-ancestors", "base-uri", "form-action")} == {"'none'"}
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ALL)
def test_strangers_names_are_shown_and_never_taken_for_ours(site: Site, path: str) -> None:
    _, _, text = site.get(path)
    page = Reader(text)
    names = [name for name, _ in page.tags]
    assert names.count("script") == (path != "/nowhere")
    assert "img" not in names
    for name, attributes in page.tags:
        assert not any(a.startswith("on") for a in attributes)
        assert "style" not in attributes
        for key in ("href", "src"):
            value = attributes.get(key) or "/"
            assert value.startswith(("/", "#content", "https://huggingface.co/")), (name, value)
    assert all(c.isprintable() or c == "\n" for c in text)
    if path in {"/", address(HOSTILE.target)}:
        assert "<script>alert('1')</script>" in page.text
        assert "\\u202egpj.exe" in page.text


@pytest.mark.parametrize("path", ALL)
def test_every_page_has_what_a_reader_goes_by(site: Site, path: str) -> None:
    _, _, text = site.get(path)
    tags = Reader(text).tags
    names = [name for name, _ in tags]
    assert names.count("main") == names.count("h1") == 1
    assert names.index("title") < names.index("body")
    assert {"header", "nav", "footer"} <= set(names)
    assert dict(tags)["html"] == {"lang": "en"}
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert next(a for name, a in tags if name == "a") == {
        "class": "to-content",
        "href": "#content",
    }
    assert "content" in ids
    levels = [int(name[1]) for name in names if re.fullmatch(r"h\d", name)]
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_without_script_a_page_is_asked_again_only_while_something_runs(site: Site) -> None:
    for path, runs in {
        "/": True,
        address(RUNNING.target): True,
        address(WAITING.target): False,
    }.items():
        asks = '<noscript><meta http-equiv="refresh" content="10"></noscript>' in site.get(path)[2]
        assert asks == runs


def test_where_there_is_nothing_it_says_what_to_do(site: Site) -> None:
    site.told.known = ()
    text = site.text("/")
    assert "- adapter: org/my-adapter" in text
    assert "adapter-merge sync merges.yaml --dry-run" in text
    site.told.stands = replace(well(), looked=None)
    assert "Nothing is known yet" in site.text("/")


def test_a_state_that_none_is_in_says_so(site: Site) -> None:
    assert "None is queued now" in site.text("/?state=queued")


@pytest.mark.parametrize("query", ["state=nonsense", "page=x", "page=-1", f"page={'9' * 5000}"])
def test_what_nobody_could_have_chosen_counts_as_not_asked_for(site: Site, query: str) -> None:
    assert site.get(f"/?{query}")[2] == site.get("/")[2]


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/merges/acme/nobody",
        "/merges/acme/nobody/report",
        "/merges/acme/nobody/log",
        "/merges/..%2f..%2fetc/passwd/log",
        "/merges/~/m0123456789abcdef",
        "/static/routes.py",
        "/static/..%2froutes.py",
        f"{address(RUNNING.target)}/report",
    ],
)
def test_what_isnt_there_is_a_page_for_people_and_json_for_programs(site: Site, path: str) -> None:
    status, headers, text = site.get(path)
    assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no such page" in Reader(text).text
    status, headers, text = site.get(path, accept="*/*")
    assert (status, json.loads(text)) == (404, {"detail": "Not Found"})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/", address(MERGED.target)])
def test_nothing_can_be_changed(site: Site, method: str, path: str) -> None:
    assert site.get(path, method=method)[0] == 405


@pytest.mark.parametrize("path", ["/", address(MERGED.target), "/static/live.js"])
def test_head_is_get_without_a_body(site: Site, path: str) -> None:
    status, headers, text = site.get(path, method="HEAD")
    assert (status, text) == (200, "")
    assert headers["content-length"] == site.get(path)[1]["content-length"]


def test_files_are_kept_by_browsers_under_addresses_that_change_with_them(site: Site) -> None:
    _, _, text = site.get("/")
    found = re.findall(r'(?:href|src)="(/static/(\S+?)\?v=[0-9a-f]{12})"', text)
    kinds = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    assert {name for _, name in found} == {"page.css", "bot.css", "live.js", "mark.svg"}
    for path, name in found:
        status, headers, _ = site.get(path)
        assert status == 200
        assert headers["cache-control"] == "public, max-age=31536000, immutable"
        assert headers["content-type"].startswith(kinds[name.rpartition(".")[2]])
