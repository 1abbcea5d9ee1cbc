"""One entry as a file of its own: read again it is the same entry."""

from __future__ import annotations

import pytest

from adapter_merge.merges import Wanted, roster_of, written

ENTRIES = {
    "the least": "- adapter: org/a\n",
    "a target": "- {adapter: org/a, to: org/b}\n",
    "two adapters with weights": "- {adapter: [org/a=0.3, org/b@v1/last=-2], to: org/c}\n",
    "a weight behind a sign": "- {adapter: './a=b=1', to: ./c}\n",
    "numbers that are names": "- {adapter: '123', to: ./456, base: '1e3'}\n",
    "words that are no booleans": "- {adapter: ./yes, to: ./no, base: ./null}\n",
    "other letters": "- {adapter: './modèle \\u00df', to: './ü: #x'}\n",
    "terms": "- {adapter: o/a, to: o/b, when: 'tag:v*', settle: 90min, skip-commits: [a, 'b*'], follow-base: true}\n",
    "a fraction of a second": "- {adapter: o/a, to: o/b, settle: 0.000001s}\n",
    "nothing is skipped": "- {adapter: o/a, to: o/b, skip-commits: []}\n",
    "settings": "- {adapter: o/a, to: o/b, dtype: bf16, max-shard-size: 5GB, workers: 2, ignore: 'T010,C004', strict: all, probe: off}\n",
    "files": "- {adapter: o/a, to: o/b, chat-template: ./t.jinja, card-body: ./c.md, probes: /p.json, work-dir: ~/w}\n",
    "delivery": "- {adapter: o/a, to: o/b, publish: pr, private: true, supersedes: o/old}\n",
    "a tag": "- {adapter: o/a, to: o/b, branch: next, tag: v1, publish: commit}\n",
    "a bundle": "- {adapter: o/a, to: o/b, layout: bundled, bundle-as: o/b}\n",
    "bases that an adapter may choose": "- {adapter: o/a, to: o/b, only-bases: [org/*, gpt2]}\n",
    "found by a watch": "- {adapter: o/a, to: o/b, from-watch: true, only-bases: org/*}\n",
    "its own rebuild": "- {adapter: o/a, to: o/b, rebuild: true}\n",
}
HEAD = """
defaults: {compat: true, settle: 2h}
bases: {"z/*": org/first, "a/*": auto, "": "org/other@v1"}
"""


@pytest.mark.parametrize("head", ["", HEAD], ids=["alone", "with defaults"])
@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_is_read_as_it_was_written(entry: str, head: str) -> None:
    (wanted,) = roster_of(f"{head}merges:\n{entry}".encode()).entries
    again = _read(written(wanted))
    assert again == wanted
    assert list(again.bases) == list(wanted.bases)
    for one, other in ((again.request, wanted.request), (again.terms, wanted.terms)):
        assert one.model_fields_set == other.model_fields_set


def test_what_a_watch_finds_is_written_as_an_entry() -> None:
    (watched,) = roster_of(b"watch: [{owner: org, to: '{owner}/{name}-x', dtype: bf16}]").watches
    wanted = watched.wanted("org/a", number=5)
    assert _read(written(wanted)) == wanted


def test_what_repeats_is_written_out() -> None:
    text = written(
        roster_of(b"bases: {a: o/b, c: o/b}\nmerges: [{adapter: [o/a, o/a], to: o/b}]").entries[0]
    )
    assert "*" not in text
    assert "&" not in text


def _read(text: str) -> Wanted:
    (found,) = roster_of(text.encode()).entries
    return found
