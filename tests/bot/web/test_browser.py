"""The pages in a real browser: on a phone and a desk, by day and by night, by keyboard, and while merges go on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapter_merge.bot.order import Progress
from adapter_merge.bot.record import Record
from adapter_merge.bot.web.app import Beside
from adapter_merge.bot.web.pages.view import address
from tests.bot.web.pages.kept import (
    ALL,
    DEAD,
    HOSTILE,
    LOG,
    MERGED,
    NOW,
    RUNNING,
    Told,
    as_json,
    known,
)
from tests.bot.web.standin import Still, served
from tests.pages.test_page import MERGED as REPORT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

AUDIT = Path(__file__).with_name("audit.js").read_text(encoding="utf-8")
SIZES = {"phone": (390, 844), "desk": (1280, 800), "small": (320, 568)}
# Told of each document that isn't there, which is what these pages are for.
_NOT_THERE = "the server responded with a status of 404"
_VIOLATIONS = """
  window.violations = [];
  addEventListener("securitypolicyviolation", (e) => violations.push(`${e.violatedDirective} ${e.blockedURI}`));
"""


def executable() -> str:
    """The browser that is driven: one that is installed, as none is downloaded."""
    named = os.environ.get("ADAPTER_MERGE_BROWSER")
    found = named or next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    assert found, "install chromium, or name a browser of its kind in ADAPTER_MERGE_BROWSER"
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    # A browser that root starts has no sandbox.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable(), args=arguments)
        yield chromium
        chromium.close()


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A window on a running bot; whatever the browser complains of is kept."""

    page: Page
    url: str
    told: Told
    complaints: list[str]

    def to(self, path: str) -> Visit:
        """Go there."""
        self.page.goto(f"{self.url}{path}")
        return self

    def now(self, *records: Record, **told: Any) -> None:
        """Let the bot know something else of these merges."""
        others = {record.target: record for record in records}
        self.told.known = tuple(others.get(r.target, r) for r in self.told.known)
        for name, value in told.items():
            setattr(self.told, name, value)


@contextmanager
def visited(browser: Browser, **options: Any) -> Iterator[Visit]:
    """A window of its own; in the end nothing may have been complained of."""
    told = known()
    complaints: list[str] = []
    context = browser.new_context(**options)
    context.add_init_script(_VIOLATIONS)
    page = context.new_page()
    page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
    with served(Still(), Beside(shown=told, clock=lambda: NOW)) as url:
        page.on(
            "request",
            lambda asked: None if asked.url.startswith(url) else complaints.append(asked.url),
        )
        try:
            yield Visit(page=page, url=url, told=told, complaints=complaints)
            if options.get("java_script_enabled", True):
                assert page.evaluate("violations") == []
        finally:
            context.close()
    assert [c for c in complaints if _NOT_THERE not in c] == []


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    with visited(browser) as found:
        yield found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_is_fit_to_read(browser: Browser, size: str, scheme: str) -> None:
    width, height = SIZES[size]
    viewport = {"width": width, "height": height}
    found = {}
    with visited(browser, viewport=viewport, color_scheme=scheme) as visit:
        for path in (*ALL, "/?state=queued", "/?state=merged"):
            found[path] = visit.to(path).page.evaluate(AUDIT)
            visit.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            found[f"{path}, opened"] = visit.page.evaluate(AUDIT)
        visit.told.known = ()
        found["none"] = visit.to("/").page.evaluate(AUDIT)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_what_makes_a_page_unfit_is_found(visit: Visit) -> None:
    page = visit.to("/").page
    page.evaluate(
        """() => document.querySelector("main").insertAdjacentHTML("afterend", `<p>nowhere</p>
          <div class="tag">!</div><button></button><main id="bad"><a href="/">faint</a></main>`)"""
    )
    page.evaluate(
        "Object.assign(bad.style, {color: '#ccc', background: '#fff', width: '3000px', fontSize: '9px'})"
    )
    page.evaluate("bad.firstChild.style.color = 'inherit'")
    assert [wrong.partition(":")[0] for wrong in page.evaluate(AUDIT)] == [
        "outside of every landmark",
        "outside of every landmark",
        "contrast 1.61",
        "text of 9 px",
        "without a name",
        f"{page.evaluate('bad.getBoundingClientRect().right - innerWidth')} px wider than the window",
        "a state without a word",
    ]


def test_what_is_slipped_into_a_page_is_stopped_by_its_policy(visit: Visit) -> None:
    page = visit.to("/").page
    slipped = (
        '<img src="http://127.0.0.1:9/x" onerror="window.hit = true"><p style="color: red">x</p>'
    )
    page.evaluate("text => document.body.insertAdjacentHTML('beforeend', text)", slipped)
    page.wait_for_function("violations.length >= 3")
    stopped = page.evaluate("violations.splice(0).map(v => v.split(' ')[0]).sort()")
    assert stopped == ["img-src", "script-src-attr", "style-src-attr"]
    assert page.evaluate("window.hit") is None
    assert visit.complaints
    visit.complaints.clear()


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_a_table_stays_one_for_those_who_listen(browser: Browser, size: str) -> None:
    width, height = SIZES[size]
    with visited(browser, viewport={"width": width, "height": height}) as visit:
        page = visit.to("/").page
        rows = page.get_by_role("table", name="All merges").get_by_role("row")
        row = rows.filter(has_text=DEAD.target)
        assert row.get_by_role("rowheader").count() == 1
        assert row.get_by_role("cell").count() == 3
        assert "given up" in row.get_by_role("cell").first.inner_text()


def test_a_phone_shows_cards_and_a_desk_rows(browser: Browser) -> None:
    tops = "[...document.querySelectorAll('.merges tbody tr:first-child > *')].map(c => c.getBoundingClientRect().top)"
    different = {}
    for size in ("phone", "desk"):
        width, height = SIZES[size]
        with visited(browser, viewport={"width": width, "height": height}) as visit:
            different[size] = len(set(visit.to("/").page.evaluate(tops)))
    assert different == {"phone": 4, "desk": 1}


def test_the_keyboard_reaches_everything_in_order_and_is_seen(visit: Visit) -> None:
    page = visit.to("/").page
    wanted = page.evaluate(
        "[...document.querySelectorAll('a, button')].filter(e => e.checkVisibility()).map(e => e.id || e.textContent)"
    )
    reached = []
    for _ in wanted:
        page.keyboard.press("Tab")
        name, outlined, inside = page.evaluate(
            """() => {
              const at = document.activeElement, box = at.getBoundingClientRect(), style = getComputedStyle(at);
              return [at.id || at.textContent, style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
                box.left >= 0 && box.top >= 0 && box.bottom <= innerHeight && box.width > 0];
            }"""
        )
        assert outlined, name
        assert inside, name
        reached.append(name)
    assert reached == wanted


def test_the_keyboard_skips_to_the_content_and_opens_a_merge(visit: Visit) -> None:
    page = visit.to("/").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("Tab")
    assert (
        page.evaluate("document.activeElement.closest('nav').getAttribute('aria-label')")
        == "By state"
    )
    page.locator("th a", has_text=MERGED.target).focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{address(MERGED.target)}")
    page.locator("summary", has_text="passed").focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("all files are there").is_visible()


def _further(done: int) -> Record:
    return replace(RUNNING, progress=Progress(stage="merge", done=done, total=16_400_000_000))


def test_progress_moves_in_a_page_that_stays(visit: Visit) -> None:
    visit.now(logs={RUNNING.target: LOG * 3})
    page = visit.to(address(RUNNING.target)).page
    page.evaluate("window.stays = document.querySelector('progress')")
    page.locator("#to-log").focus()
    page.evaluate("document.getElementById('lines').scrollTop = 0")
    visit.now(_further(12_000_000_000), logs={RUNNING.target: f"{LOG * 3}one more\n"})
    page.get_by_text("merge: 73 %, 12.0 GB of 16.4 GB").wait_for(timeout=6000)
    assert page.evaluate("stays.isConnected && stays.value") == 0.732
    assert page.evaluate("document.activeElement.id") == "to-log"
    assert page.evaluate("document.getElementById('lines').scrollTop") == 0
    assert page.locator("#lines").inner_text().endswith("one more\n")
    assert (
        page.get_by_role("status").filter(has_text="running").inner_text() == "running: merge, 70 %"
    )


def test_the_end_of_a_log_stays_in_sight(visit: Visit) -> None:
    visit.now(logs={RUNNING.target: LOG * 3})
    page = visit.to(address(RUNNING.target)).page
    visit.now(logs={RUNNING.target: f"{LOG * 3}the last one\n"})
    page.get_by_text("the last one").wait_for(timeout=6000)
    left = "(e => e.scrollHeight - e.scrollTop - e.clientHeight)(document.getElementById('lines'))"
    assert page.evaluate(left) < 2


def test_a_run_ends_before_ones_eyes(visit: Visit) -> None:
    page = visit.to(address(RUNNING.target)).page
    page.evaluate("window.stays = true")
    visit.now(
        replace(RUNNING, state="merged", progress=None, at=NOW),
        reports={RUNNING.target: as_json(REPORT)},
    )
    page.get_by_text("How far the weights moved").wait_for(timeout=6000)
    assert page.title() == f"{RUNNING.target}: merged"
    assert page.locator("#log details").get_attribute("open") is not None
    assert page.evaluate("stays")


def test_merges_change_places_and_the_focus_goes_along(visit: Visit) -> None:
    page = visit.to("/").page
    page.locator("th a", has_text=MERGED.target).focus()
    at = page.evaluate("document.activeElement.id")
    visit.now(replace(MERGED, state="running", at=NOW, progress=None))
    page.get_by_role("row").nth(1).filter(has_text=MERGED.target).wait_for(timeout=6000)
    assert page.evaluate("document.activeElement.id") == at
    assert "; 2 running," in page.locator("#said").inner_text()
    visit.now(
        *(replace(r, state="merged", progress=None, at=NOW) for r in (MERGED, RUNNING)),
    )
    page.get_by_role("link", name="merged 2").wait_for(timeout=6000)
    assert page.evaluate("document.activeElement.id") == at


def test_updates_can_be_paused(visit: Visit) -> None:
    page = visit.to(address(RUNNING.target)).page
    pause = page.get_by_role("button", name="Pause updates")
    pause.press("Space")
    assert pause.get_attribute("aria-pressed") == "true"
    visit.now(_further(16_000_000_000))
    page.wait_for_timeout(3000)
    assert page.get_by_text("merge: 37 %").is_visible()
    pause.press("Space")
    page.get_by_text("merge: 97 %").wait_for(timeout=1500)


def test_a_bot_that_doesnt_answer_is_told_of_and_asked_again(visit: Visit) -> None:
    page = visit.to(address(RUNNING.target)).page
    said = page.locator("#lost")
    page.route("**/*", lambda route: route.abort())
    page.get_by_text("The bot doesn't answer").wait_for(timeout=6000)
    assert page.get_by_text("merge: 37 %").is_visible()
    assert page.evaluate(AUDIT) == []
    page.unroute("**/*")
    visit.now(_further(16_000_000_000))
    page.get_by_text("merge: 97 %").wait_for(timeout=6000)
    assert said.inner_text() == ""
    visit.complaints[:] = [c for c in visit.complaints if "ERR_FAILED" not in c]


def test_a_merge_that_is_gone_is_told_of(visit: Visit) -> None:
    page = visit.to(address(RUNNING.target)).page
    visit.told.known = ()
    page.get_by_role("heading", name="There is no such page").wait_for(timeout=6000)


def test_without_script_it_is_all_there_and_is_asked_again(browser: Browser) -> None:
    with visited(browser, java_script_enabled=False) as visit:
        page = visit.to(address(RUNNING.target)).page
        assert page.get_by_text("merge: 37 %").is_visible()
        assert not page.get_by_role("button").is_visible()
        visit.now(_further(16_000_000_000))
        page.get_by_text("merge: 97 %").wait_for(timeout=15_000)


def test_a_strangers_script_never_runs(visit: Visit) -> None:
    for path in ("", "/report", "/log"):
        page = visit.to(f"{address(HOSTILE.target)}{path}").page
        page.wait_for_timeout(300)
        assert "<script>alert('1')</script>" in page.content().replace("&lt;", "<").replace(
            "&gt;", ">"
        )


def test_a_report_alone_has_its_style(visit: Visit) -> None:
    page = visit.to(f"{address(MERGED.target)}/report").page
    style: Callable[[str, str], str] = lambda of, what: page.evaluate(  # noqa: E731
        f"getComputedStyle(document.querySelector('{of}')).{what}"
    )
    assert style("header", "borderLeftWidth") == "6px"
    assert style("svg.changes .s0", "fill") == "rgb(208, 237, 236)"
