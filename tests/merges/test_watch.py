"""What a `watch` of merges.yaml gives, and what each mistake in one is answered with."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapter_merge.errors import RequestError
from adapter_merge.merges import Watched, roster_of

WHOLE = b"""
defaults:
  to: "{owner}/{name}-merged"
  dtype: bf16
  settle: 2h
bases: {"unsloth/*": org/first}
watch:
  - owner: org
  - owner: people
    match: [chat-*, search-*]
    except: "*-old"
    to: org/{name}-x
    settle: 0
    publish: pr
"""


def watches(text: bytes = WHOLE) -> tuple[Watched, ...]:
    return roster_of(text).watches


def test_an_adapter_gets_the_keys_of_its_watch_and_the_defaults() -> None:
    assert roster_of(WHOLE).entries == ()
    first, second = (w.wanted(f"{w.watch.owner}/chat-1", number=7) for w in watches())
    assert (first.number, first.label) == (7, "org/chat-1-merged")
    assert second.label == "org/chat-1-x"
    assert first.request.adapters[0].ref.text == "org/chat-1"
    assert (first.request.dtype, second.request.dtype) == ("bf16", "bf16")
    assert (first.terms.settle, second.terms.settle) == (timedelta(hours=2), timedelta())
    assert "publish" not in first.request.model_fields_set
    assert second.request.publish == "pr"
    assert first.mapped_base("unsloth/x") is not None


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("chat-1", True, True), ("search-old", True, False), ("other", True, False)],
)
def test_names_are_taken_by_patterns(name: str, first: bool, second: bool) -> None:
    assert [w.watch.takes(name) for w in watches()] == [first, second]


HEAD = "watch:\n- owner: org\n  "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("watch: []", "m.yaml:1: there is nothing in `merges`, and nothing in `watch`"),
        ("watch:\n- to: o/{name}", "m.yaml:2: watch 1: `owner`: it has to be given"),
        ("watch:\n- owner: a b", "m.yaml:2: watch 1 (`a b`): `owner`: `a b` is not the name of"),
        ("watch:\n- owner: a/b", "`owner`: `a/b` is not the name of a user"),
        (f"{HEAD}dtype: bf16", "m.yaml:2: watch 1 (`org`): `to`: it has to be there"),
        (f"{HEAD}to: 'Org/{{name}}'", "`to`: each target would be the adapter itself"),
        (f"{HEAD}to: o/x", "m.yaml:3: watch 1 (`org`): `to`: it has to be there and to hold"),
        (f"{HEAD}to: 'o/{{name}}{{x}}'", "`to`: `o/{name}{x}` may hold `{owner}` and `{name}`"),
        (f"{HEAD}to: './{{name}}'\n  private: true", "m.yaml:2: watch 1 (`org`): `private` is for"),
        (f"{HEAD}exept: a", "m.yaml:3: watch 1 (`org`): there is no key `exept`; did you mean `ex"),
        (f"{HEAD}match: []", "m.yaml:3: watch 1 (`org`): `match`: it is empty"),
        (f"{HEAD}supersedes: o/x", "m.yaml:3: watch 1 (`org`): there is no key `supersedes`"),
        (f"{HEAD}settle: soon", "m.yaml:3: watch 1 (`org`): `settle`: `soon` is not a time"),
    ],
)
def test_a_mistake_is_shown_where_it_stands(text: str, message: str) -> None:
    with pytest.raises(RequestError) as error:
        roster_of(text.encode(), name="m.yaml")
    assert message in error.value.message
