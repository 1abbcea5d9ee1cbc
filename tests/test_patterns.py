"""A stranger's regular expressions: what they find, and that none can hold a run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from adapter_merge import assemble, patterns
from adapter_merge.errors import Corrupt
from adapter_merge.finding import Outcome
from adapter_merge.patterns import Patterns
from tests.build import UP, make_case, write_adapter

NAMES = ("a.b", "b", "a.c")
# For a path of ordinary length the first would take longer than the universe is old.
ENDLESS = [r"(\w|.)*(\w|.)*!", r"((\w+\.?)+)+!", "(.*)*" * 20 + "!"]


@pytest.mark.parametrize(
    ("texts", "form", "found"),
    [
        ((), "{}", {}),
        (("b",), "{}", {"b": (0, None)}),
        (("x", "b", "a.*"), "{}", {"b": (1, None), "a.b": (2, None), "a.c": (2, None)}),
        (("(a|z).*",), "{}", {"a.b": (0, "a"), "a.c": (0, "a")}),
        (("b",), r"(.*\.)?({})$", {"a.b": (0, "a."), "b": (0, None)}),
        (("(?i)B",), "{}", {"b": (0, None)}),
        (("\ud800",), "{}", {}),
    ],
)
def test_the_first_pattern_that_matches_counts(
    texts: tuple[str, ...], form: str, found: dict[str, tuple[int, str | None]]
) -> None:
    assert Patterns(texts=texts, form=form, label="a").first_matches(NAMES) == found


@pytest.mark.parametrize(
    "text", ["(", "a{99999999999999999999}", "(" * 3000 + ")" * 3000, r"\1", "(?<=a*)b"], ids=len
)
def test_what_is_no_regular_expression_is_said(text: str) -> None:
    with pytest.raises(Corrupt, match="is not a regular expression") as caught:
        Patterns(texts=("good", text), label="mine").first_matches(NAMES)
    assert f"of `mine` the pattern `{text[:200]}" in caught.value.message
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("text", ENDLESS)
def test_one_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(Corrupt, match=r"or another one takes more than 0\.5 s"):
        Patterns(texts=(text, "b"), label="a").first_matches([UP])
    assert time.monotonic() - start < 5


def test_thousands_of_patterns_and_modules_take_a_moment() -> None:
    texts = [rf"model.layers.{n}.self_attn.q_proj" for n in range(1000)]
    start = time.monotonic()
    found = Patterns(texts=texts, form=r"(.*\.)?({})$", label="a").first_matches(texts)
    assert [place for place, _ in found.values()] == list(range(1000))
    assert time.monotonic() - start < patterns.SECONDS


def test_an_adapter_s_ranks_end_in_an_error_and_its_targets_in_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.5)
    case = make_case(tmp_path)
    ranks = write_adapter(tmp_path / "ranks", rank_pattern={ENDLESS[0]: 8})
    with pytest.raises(Corrupt, match="takes more than"):
        assemble.plan(case.request(adapters=(str(ranks),)))
    for name, target in (("targets", ENDLESS[0]), ("broken", "(")):
        adapter = write_adapter(tmp_path / name, target_modules=target)
        report = case.run(adapters=(str(adapter),), to=str(tmp_path / f"{name}-out"))
        (found,) = (f for f in report.findings if f.code == "T011")
        assert (report.status, found.outcome) == ("merged", Outcome.WARN)
        assert "the pattern" in found.message
