from __future__ import annotations

import time

import pytest

from adapter_merge.checks import CARD_CHECKS, CardSeen
from adapter_merge.finding import Finding, Outcome
from adapter_merge.readme import Readme
from adapter_merge.receipt import Receipt, SourceRecord

ADAPTER = SourceRecord(source="./a", digests={"adapter_model.safetensors": "sha256:" + "ab" * 32})
BASE = SourceRecord(source="org/base", commit="c" * 40, digests={})
RECEIPT = Receipt(
    schema_version=1,
    recipe="ef" * 32,
    base=BASE,
    adapters=(ADAPTER,),
    settings={},
    counts={},
    changes=(),
    left_behind={},
    findings=(),
    versions={},
    files={},
)
FRONT = "base_model: org/base\nlibrary_name: transformers\ntags: [adapter-merge]"
BLOCK = (
    f"<!-- adapter-merge:begin -->\n{'ab' * 6} {'c' * 12} {'ef' * 32}\n<!-- adapter-merge:end -->"
)


def judged(
    front: str = FRONT, body: str = BLOCK, *, foreign: bool = False, people: bool = False
) -> dict[str, Finding]:
    return _judge(
        CardSeen(
            name="out", readme=_card(front, body), receipt=RECEIPT, foreign=foreign, people=people
        )
    )


def _card(front: str, body: str = BLOCK) -> Readme:
    return Readme.parse(f"---\n{front}\n---\n# Title\n{body}\n")


def _judge(seen: CardSeen) -> dict[str, Finding]:
    found = [f for check in CARD_CHECKS for f in check.judge(seen)]
    assert len(found) == len(CARD_CHECKS)
    return {f.code: f for f in found}


def bad(found: dict[str, Finding]) -> dict[str, Outcome]:
    return {code: f.outcome for code, f in found.items() if f.outcome is not Outcome.PASS}


def test_a_good_card_passes() -> None:
    assert bad(judged()) == {}
    assert bad(judged(foreign=True)) == {}


@pytest.mark.parametrize(
    "front",
    [
        "base_model: [",
        "# nothing",
        FRONT.replace("org/base", "/home/me/base"),
        FRONT.replace("org/base", r"C:\models\base"),
        FRONT.replace("transformers", "peft"),
        FRONT.replace("transformers", "colpali"),
        FRONT.replace("[adapter-merge]", "[lora]"),
        FRONT.replace("[adapter-merge]", "['base_model:adapter:x/y']"),
    ],
)
def test_metadata_of_an_adapter_is_found(front: str) -> None:
    assert bad(judged(front))["C001"] is Outcome.FAIL
    assert bad(judged(front, foreign=True))["C001"] is Outcome.WARN


@pytest.mark.parametrize(
    ("front", "outcome"),
    [
        (FRONT.replace("transformers", "peft"), Outcome.PASS),
        (FRONT.replace("[adapter-merge]", "[lora]"), Outcome.PASS),
        (FRONT.replace("[adapter-merge]", "[gguf]"), Outcome.FAIL),
        (FRONT.replace("org/base", "/home/me/base"), Outcome.FAIL),
    ],
)
def test_metadata_of_an_adapter_is_a_bundle_s(front: str, outcome: Outcome) -> None:
    made = RECEIPT.model_copy(update={"settings": {"layout": "bundled"}})
    seen = CardSeen(name="x", readme=_card(front), receipt=made, foreign=False, people=False)
    assert _judge(seen)["C001"].outcome is outcome


@pytest.mark.parametrize(
    "body",
    [
        "",
        BLOCK + BLOCK,
        BLOCK.replace("begin", "x"),
        "<!-- adapter-merge:end --> <!-- adapter-merge:begin -->",
        BLOCK.replace("ab" * 6, "ac" * 6),
        BLOCK.replace("c" * 12, "d" * 12),
        BLOCK.replace("ef" * 32, ""),
    ],
)
def test_a_card_that_does_not_say_what_was_merged_is_found(body: str) -> None:
    assert bad(judged(body=body)) == {"C002": Outcome.FAIL}


@pytest.mark.parametrize("body", ["<script>x</script>", "[a](javascript:x)", "<b onclick=x>y</b>"])
def test_what_runs_in_a_browser_is_found(body: str) -> None:
    assert bad(judged(body=f"{body}\n\n{BLOCK}")) == {"C003": Outcome.FAIL}
    assert bad(judged(body=f"{body}\n\n{BLOCK}", people=True)) == {"C003": Outcome.WARN}


def test_a_card_that_is_too_long_to_be_parsed_is_told() -> None:
    start = time.monotonic()
    assert bad(judged(body=f"{'[' * 1_000_000}\n\n{BLOCK}")) == {"C003": Outcome.WARN}
    assert time.monotonic() - start < 5


def test_a_base_that_is_not_named_is_found() -> None:
    assert bad(judged(FRONT.replace("base_model: org/base\n", ""))) == {"C004": Outcome.WARN}


def test_no_card_at_all() -> None:
    seen = CardSeen(name="out", readme=None, receipt=RECEIPT, foreign=False, people=False)
    assert bad(_judge(seen)) == {
        "C001": Outcome.FAIL,
        "C002": Outcome.FAIL,
        "C003": Outcome.SKIP,
        "C004": Outcome.SKIP,
    }
    unknown = CardSeen(name="out", readme=None, receipt=None, foreign=True, people=True)
    assert bad(_judge(unknown)) == {
        "C001": Outcome.WARN,
        "C002": Outcome.SKIP,
        "C003": Outcome.SKIP,
        "C004": Outcome.SKIP,
    }
