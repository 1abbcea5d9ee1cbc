"""The page: all of a report, in one file that loads nothing, runs nothing and believes nobody."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from adapter_merge.finding import Finding, Outcome
from adapter_merge.pages import page
from adapter_merge.pages.render import ticked
from adapter_merge.plan import Change, LeftBehind
from adapter_merge.receipt import FileRecord, MethodRecord, ProbeRecord, SourceRecord
from adapter_merge.report import ErrorRecord, Published, Report
from tests.test_proved import RAN, THROUGH, VECTORS, of

EVIL = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>\x00"
FINDINGS = (
    Finding(code="F001", outcome=Outcome.PASS, subject="model", message="all files are there"),
    Finding(code="E001", outcome=Outcome.SKIP, subject="model", message="needs an encoder"),
    Finding(code="T010", outcome=Outcome.WARN, subject="model", message="rounding takes 6 %"),
    Finding(code="T006", outcome=Outcome.FAIL, subject="head.weight", message="has `3` NaN"),
)
MERGED = Report(
    status="merged",
    adapters=(
        SourceRecord(
            source="./a",
            weight=0.5,
            method=MethodRecord(peft_type="LORA", rank=8, alpha=16),
            digests={"adapter_model.safetensors": "sha256:abc"},
        ),
    ),
    base=SourceRecord(source="org/b", commit="c0ffee", digests={}),
    to="./a-merged",
    recipe="5ec1",
    counts={
        "tensors_total": 9,
        "tensors_edited": 4,
        "tensors_copied": 5,
        "adapter_tensors_total": 8,
        "adapter_tensors_used": 8,
    },
    changes=(Change(subject="config.json: dtype", before=None, after="bf16", why="`--dtype`"),),
    left_behind=(
        LeftBehind(path="a.pt", size=1000, origin="./a", why="state of a training run"),
        LeftBehind(path="b.pt", size=2000, origin="./a", why="state of a training run"),
        LeftBehind(path="c.md", size=3, origin="base", why="a card of its own"),
    ),
    findings=FINDINGS[:3],
    relative_changes={"h.0.q.weight": 0.01, "h.1.q.weight": 0.04},
    files={"model.safetensors": FileRecord(size=90_868_376, sha256="d1935")},
    versions={"torch": "2.13.0"},
    seconds={"resolve": 0.5, "merge": 1.5, "total": 2.0},
    peak_rss_bytes=412_000_000,
)
PUBLISHED = Published(
    repo="org/merged",
    branch=None,
    commit="c0ffee",
    url="https://hub/org/merged/commit/c0ffee",
    pull_request=None,
    tag="merge-1",
    since_tag="merge-0",
    moved=3_000,
    kept=90_000_000,
    found=False,
    visibility="private",
    why="`org/b` is private",
    title="Merge a into b",
)
BUNDLED = replace(MERGED, layout="bundled", relative_changes={})
FAILED = Report(
    status="failed",
    adapters=MERGED.adapters,
    to="./a-merged",
    findings=FINDINGS,
    error=ErrorRecord(
        type="CheckFailed", code=7, message="T006 failed for `head.weight`", hint="Run `codes`."
    ),
)


class Reader(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_everything_of_a_report_is_there() -> None:
    text = Reader(page(MERGED)).text
    for part in (
        "merged and in its place",
        "./a onto org/b",
        "4 of 9 tensors edited",
        "90.9 MB in 1 file",
        "2.0 s , 412.0 MB of memory",
        "LORA, rank 8, alpha 16. Weight 0.5. Pinned by the digests",
        "adapter_model.safetensors sha256:abc",
        "Commit c0ffee",
        "config.json: dtype not set bf16 --dtype",
        "2 files: state of a training run a.pt of ./a, 1.0 kB ; b.pt",
        "1 file: a card of its own",
        "the largest is that of h.1.q.weight (4 %)",
        "model.safetensors 90.9 MB d1935",
        "merge 1.50 s",
        "torch 2.13.0",
        "Recipe 5ec1",
    ):
        assert part in text


def test_findings_stand_by_weight_and_passes_are_folded() -> None:
    text = page(FAILED)
    outcomes = re.findall(r'class="tag (\w+)">(\w+)<', text)
    assert outcomes == [(o, o) for o in ("fail", "warn", "skip", "pass")]
    assert text.index("<summary>1 check passed") < text.index("all files are there")


def test_a_failure_says_what_and_what_next() -> None:
    text = Reader(page(FAILED)).text
    assert "What happened T006 failed for head.weight (CheckFailed, exit code 7)" in text
    assert "Next Run codes ." in text
    assert "Nothing was written to the target." in text
    assert "onto the base that it names" in text


def test_what_a_hub_got_is_there() -> None:
    text = Reader(page(replace(MERGED, published=PUBLISHED))).text
    for part in (
        "Merge a into b: commit c0ffee on main , tag merge-1 .",
        "https://hub/org/merged/commit/c0ffee",
        "private ( org/b is private). 3.0 kB were sent; 90.0 MB were there, or copied by the Hub.",
        "The weights have changed since tag merge-0",
    ):
        assert part in text
    proposed = replace(PUBLISHED, pull_request=7, tag=None, found=True)
    text = Reader(page(replace(MERGED, published=proposed))).text
    assert "pull request 7, commit c0ffee , which stood there already" in text
    assert (
        "changed since"
        not in Reader(page(replace(MERGED, status="unchanged", published=PUBLISHED))).text
    )
    assert "✓ published" in Reader(page(Report(status="done", published=PUBLISHED))).text
    waiting = Reader(page(replace(MERGED, waits="/work/x"))).text
    assert "The result waits in /work/x" in waiting


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (FAILED, True),
        (replace(FAILED, published=PUBLISHED), False),
        (replace(FAILED, seconds={"publish": 1.0, "total": 1.0}), False),
    ],
)
def test_nothing_was_written_only_where_nothing_was(report: Report, said: bool) -> None:
    assert ("Nothing was written to the target." in page(report)) is said


@pytest.mark.parametrize("status", ["merged", "unchanged", "failed", "skipped", "done"])
def test_every_status_has_words_and_a_bare_report_a_page(status: str) -> None:
    text = Reader(page(Report(status=status, to="./x"))).text  # type: ignore[arg-type]
    assert re.search(r"[✓✕○] \w+", text)


def test_the_stages_stand_one_after_the_other() -> None:
    bars = re.findall(r'<rect x="([\d.]+)%" y="0" width="([\d.]+)%"', page(MERGED))
    assert bars == [("0.0", "25.0"), ("25.0", "75.0")]


def test_a_proof_has_its_sentence_and_its_picture() -> None:
    shown = page(replace(MERGED, probe=RAN))
    assert f"{THROUGH} smallest cosine 0.999998" in Reader(shown).text
    assert shown.index("Findings</h2>") < shown.index('<svg class="probes"')
    assert shown.index('<svg class="probes"') < shown.index('<svg class="changes"')


@pytest.mark.parametrize(
    ("probe", "said"), [(None, False), (ProbeRecord(needs="4 GB"), False), (of(), True)]
)
def test_without_numbers_there_is_no_empty_picture(probe: ProbeRecord | None, said: bool) -> None:
    shown = page(replace(MERGED, probe=probe))
    assert '<svg class="probes"' not in shown
    assert ("What it computes" in shown) is said


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    tags = Reader(page(replace(MERGED, probe=RAN))).tags
    assert {tag for tag, _ in tags} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "form",
        "a",
    } == set()
    attributes = {name for _, attrs in tags for name in attrs}
    assert not {n for n in attributes if n.startswith("on")} | (
        attributes & {"src", "href", "style"}
    )
    assert "url(http" not in page(MERGED)


def test_its_policy_allows_its_own_styles_alone() -> None:
    text = page(replace(MERGED, probe=RAN))
    (policy,) = (a["content"] for t, a in Reader(text).tags if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    for content in re.findall(r"<style>(.*?)</style>", text, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def _evil() -> Report:
    source = SourceRecord(
        source=EVIL, commit=EVIL, method=MethodRecord(peft_type=EVIL), digests={EVIL: EVIL}
    )
    return replace(
        FAILED,
        to=EVIL,
        waits=EVIL,
        published=replace(
            PUBLISHED, title=EVIL, url=EVIL, why=EVIL, commit=EVIL, branch=EVIL, tag=EVIL
        ),
        recipe=EVIL,
        adapters=(source,),
        base=source,
        counts=MERGED.counts,
        changes=(Change(subject=EVIL, before=EVIL, after=[EVIL], why=f"`{EVIL}`"),),
        left_behind=(LeftBehind(path=EVIL, size=1, origin=EVIL, why=EVIL),),
        findings=tuple(
            Finding(code="T001", outcome=outcome, subject=EVIL, message=f"a `{EVIL}` b")
            for outcome in Outcome
        ),
        relative_changes={f"h.0.{EVIL}": 0.1, EVIL: 0.2, f"{EVIL}.0.q.weight": 0.3},
        probe=of(VECTORS.model_copy(update={"group": EVIL})),
        files={EVIL: FileRecord(size=1, sha256=EVIL)},
        versions={EVIL: EVIL},
        seconds={EVIL: 1.0, "total": 1.0},
        error=ErrorRecord(type=EVIL, code=7, message=f"`{EVIL}`", hint=EVIL),
    )


def test_foreign_text_stays_text_wherever_it_stands() -> None:
    bad, good = Reader(page(_evil())), Reader(page(FAILED))
    assert {tag for tag, _ in bad.tags} & {"script", "img"} == set()
    assert not [n for _, attrs in bad.tags for n in attrs if n.startswith("on")]
    assert bad.text.count("<script>alert('1')</script>") >= 20
    assert "\x00" not in page(_evil())
    assert "script" not in good.text


def test_a_literal_is_code_and_a_lone_backtick_is_itself() -> None:
    assert ticked("a `b<c` d") == "a <code>b&lt;c</code> d"
    assert ticked("a ` b") == "a ` b"
    assert ticked("") == ""


def test_a_bundle_says_what_lies_in_it() -> None:
    shown = page(BUNDLED)
    assert "bundled and in its place" in shown
    assert "<b>5</b> tensors of the base, none edited" in shown
    assert "<b>8</b> adapter tensors beside them" in shown
    assert "adapter tensors used" not in shown


def test_a_reason_and_notes_are_there_as_text() -> None:
    report = Report(
        status="skipped", to="org/m", reason=f"`a` waits{EVIL}", notes=("the base `b` moved",)
    )
    found = Reader(page(report))
    assert "not tried" in found.text
    assert "a waits<script>" in found.text
    assert "the base b moved." in found.text
    assert "script" not in {tag for tag, _ in found.tags}
