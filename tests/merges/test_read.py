"""What merges.yaml gives, and what each mistake in it is answered with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from adapter_merge.errors import RequestError
from adapter_merge.merges import Merges, read_merges, roster_of
from adapter_merge.merges.document import Misread, parsed

WHOLE = b"""
defaults:
  to: "{owner}/{name}-merged"
  dtype: bf16
  settle: 2h
bases:
  "unsloth/*-bnb-4bit": org/first
  "*": org/other
merges:
  - adapter: org/one
  - adapter: [org/two=0.5, org/three@v1/last]
    to: org/both
    when: tag:v*
    skip-commits: [wip*]
    settle: 0
    follow-base: true
    supersedes: org/old
    ignore: T010,C004
    publish: pr
"""


def test_an_entry_has_the_defaults_and_its_own() -> None:
    first, second = roster_of(WHOLE).entries
    assert (first.number, first.label) == (1, "org/one-merged")
    assert first.request.dtype == second.request.dtype == "bf16"
    assert first.terms.settle == timedelta(hours=2)
    assert first.terms.kind == "settled"
    assert first.terms.skips("Training in progress, step 10")
    assert second.terms.settle == timedelta()
    assert (second.terms.kind, second.terms.glob) == ("tag", "v*")
    assert second.terms.skips("wip 1")
    assert not second.terms.skips("Training in progress")
    assert second.terms.follow_base
    assert second.supersedes == "org/old"
    assert [(a.ref.repo, a.weight) for a in second.request.adapters] == [
        ("org/two", 0.5),
        ("org/three", 1.0),
    ]
    assert second.request.ignore == ("T010", "C004")
    assert second.request.publish == "pr"


@pytest.mark.parametrize(
    ("written", "base"),
    [
        ("unsloth/llama-bnb-4bit", "org/first"),
        ("unsloth/llama", "org/other"),
        ("", "org/other"),
    ],
)
def test_the_first_pattern_that_fits_names_the_base(written: str, base: str) -> None:
    found = roster_of(WHOLE).entries[0].mapped_base(written)
    assert found is not None
    assert found.text == base


def test_a_target_or_an_adapter_is_meant_by_a_pattern() -> None:
    first, second = roster_of(WHOLE).entries
    assert first.fits("org/one")
    assert second.fits("org/b*")
    assert not first.fits("org/b*")


def test_a_folder_has_a_name_and_no_owner() -> None:
    (found,) = roster_of(b"merges: [{adapter: ./a, to: './{name}-x'}]").entries
    assert found.label == "./a-x"


def test_without_a_target_it_is_that_of_a_run() -> None:
    (found,) = roster_of(b"merges: [{adapter: org/a}]").entries
    assert found.label == "./a-merged"


ENTRY = "merges:\n- adapter: org/a\n  "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "m.yaml:1: it is empty"),
        ("[]", "m.yaml:1: it has to be keys with values"),
        ("merges: []", "m.yaml:1: there is nothing in `merges`"),
        ("merge: []", "m.yaml:1: there is no key `merge`; did you mean `merges`?"),
        (f"{ENTRY}dtyp: bf16", "m.yaml:3: entry 1 (`org/a`): there is no key `dtyp`; did you mean"),
        (f"{ENTRY}dtype: bf17", "m.yaml:3: entry 1 (`org/a`): `dtype`: `bf17` is not one of"),
        (f"{ENTRY}workers: 0", "m.yaml:3: entry 1 (`org/a`): `workers`: `0`: "),
        (f"{ENTRY}when: never", "`when`: `never` is not `settled`, `push`, `tag:GLOB`"),
        (f"{ENTRY}settle: 5 weeks", "`settle`: `5 weeks` is not a time such as `15min`"),
        (f"{ENTRY}to: ./x\n  private: true", "`private` is for a target on a Hub"),
        (f"{ENTRY}to: o/x\n  private: true\n  public: true", "`private` and `public` exclude each"),
        (f"{ENTRY}to: 'o/{{x}}'", "m.yaml:3: entry 1 (`org/a`): `to`: `o/{x}` may hold `{owner}`"),
        (f"{ENTRY}supersedes: gpt2", "`supersedes`: `gpt2` is not a repository"),
        (
            f"{ENTRY}to: o/x\n  supersedes: o/x",
            "m.yaml:4: entry 1 (`org/a`): `supersedes`: it is the target",
        ),
        (f"{ENTRY}supersedes: org/a", "`supersedes`: it is the adapter itself"),
        (f"{ENTRY}adapter: org/b", "m.yaml:3: the key `adapter` stands twice"),
        ("merges:\n- adapter: gpt2\n  to: '{owner}/x'", "entry 1 (`gpt2`): `to`: `{owner}` in"),
        ("merges:\n- to: o/x", "m.yaml:2: entry 1: `adapter`: it has to be given"),
        ("merges:\n- adapter: [o/a, o/b]", "entry 1 (`o/a`): several adapters need `to`"),
        ("merges:\n- adapter: [o/a, b c]", "`adapter`: `b c` is neither a folder"),
        ("merges:\n- adapter: []", "m.yaml:2: entry 1: `adapter`: it is empty"),
        ("merges:\n- word", "m.yaml:2: entry 1: it has to be keys with values"),
        ("bases: {x: b c}\nmerges: [{adapter: o/a}]", "m.yaml:1: `x`: `b c` is neither a folder"),
        ("defaults:\n  dtype: x\nmerges: [{adapter: o/a}]", "m.yaml:2: `dtype`: `x` is not one of"),
        (
            f"{ENTRY}to: o/x\n- adapter: o/b\n  to: O/X",
            "m.yaml:4: entry 2 (`o/b`): the target `O/X` is that of entry 1 too",
        ),
        ("a: &x 1\nb: *x", "m.yaml:1: references (`&`, `*`) aren't read"),
        ("[" * 20, "m.yaml:1: it is nested too deeply"),
        ("a: [1", "m.yaml:2: it can't be parsed"),
        ("? [a]\n: 1", "m.yaml:1: a key has to be a word"),
    ],
)
def test_a_mistake_is_shown_where_it_stands(text: str, message: str) -> None:
    with pytest.raises(RequestError) as error:
        roster_of(text.encode(), name="m.yaml")
    assert message in error.value.message
    assert error.value.hint


def test_a_file_is_read_up_to_a_size(tmp_path: Path) -> None:
    path = tmp_path / "merges.yaml"
    with pytest.raises(RequestError, match="can't be read"):
        read_merges(path)
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(RequestError, match="more than 1,048,576 bytes"):
        read_merges(path)
    path.write_bytes(b"\xff")
    with pytest.raises(RequestError, match="not UTF-8"):
        read_merges(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 2026-01-01", "2026-01-01"),
        ("a: no", "no"),
        ("a: true", True),
        ("a: 1.5", 1.5),
        ("a: !!python/object:os.system x", "x"),
        ("a: !!int word", "word"),
        ("a: ~", None),
    ],
)
def test_values_are_plain(text: str, value: object) -> None:
    assert parsed(text).value == {"a": value}


def test_many_brackets_are_no_danger() -> None:
    with pytest.raises(Misread):
        parsed("- " * 100_000)


def test_the_schema_knows_keys_as_they_are_written() -> None:
    schema = Merges.model_json_schema()
    keys = schema["$defs"]["Entry"]["properties"]
    assert {"adapter", "skip-commits", "follow-base", "max-shard-size"} <= keys.keys()
    assert keys["settle"]["default"] == "15min"
