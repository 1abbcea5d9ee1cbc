"""Strangers' words: in cards, names and configs they are values, for people, terminals, runners and browsers."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from adapter_merge.cli.show import inert
from adapter_merge.markup import active
from tests.build import CONFIG, adapter_tensors, base_tensors
from tests.hostile.conftest import ADAPTER, BASE, TARGET, Place

HTML = "<script>alert(1)</script><img src=x onerror=alert(1)>"
TEMPLATE = "{{ 7191 * 7 }}{% raise %}{{ ''.__class__ }}"
TERMINAL = "\x1b[2J\x1b]0;x\x07\r::error::taken\n::set-output name=a::b\n##[add-mask]a"
LARGE = b"# Words\n" + b"word <b>\n" * 6_000_000


def test_large_cards_of_the_sources_are_left_there(place: Place) -> None:
    place.stock({repo: {"README.md": LARGE} for repo in (ADAPTER, BASE)})
    assert len(LARGE) > 50_000_000
    start = time.monotonic()
    ended = place.run(ignore=("L001", "L002", "L003", "L004", "L005"), private=True)
    assert ended.report.status == "merged", ended.screen
    assert time.monotonic() - start < 20
    assert sum(r.sent for r in place.hub.requests) < 1_000_000
    assert len(place.card()) < 100_000


def test_a_large_card_of_the_target_is_an_error_and_stays(place: Place) -> None:
    place.stock()
    assert place.run().report.status == "merged"
    state = place.hub._state
    with state.lock:
        large = state.objects.put(LARGE)
        place.hub._commit(place.hub._repo(TARGET, "model"), {"README.md": large}, "refs/heads/main")
    head = place.head()
    start = time.monotonic()
    ended = place.run()
    assert time.monotonic() - start < 20
    assert ended.failure == ("Refused", 8), ended.screen
    assert "can't be taken over" in ended.screen
    assert place.head() == head


BROKEN = {
    "no end": b"---\nlicense: apache-2.0\n# Words\n",
    "tabs": b"---\n\tlicense: [\n---\n# Words\n",
    "a bomb": b"---\n"
    + b"".join(
        b"x%d: &x%d [%s]\n" % (n, n, b"*x%d," % (n - 1) * 9 if n else b"1") for n in range(9)
    )
    + b"license: *x8\n---\n# Words\n",
    "python": b"---\nlicense: !!python/object/apply:os.mkdir [evil]\n---\n# Words\n",
    "a list": b"---\n- a\n---\n",
    "no text": b"---\nlicense: \xff\xfe\n---\n\xff",
    "nothing": b"",
    "other types": b"---\nlicense: {a: 1}\ntags: 7\nlanguage: [[x]]\nbase_model: 1e9\n---\n",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_keys_of_a_card_break_no_run(broken: str, place: Place) -> None:
    place.stock({repo: {"README.md": BROKEN[broken]} for repo in (ADAPTER, BASE)})
    start = time.monotonic()
    ended = place.run(private=True)
    assert time.monotonic() - start < 20
    if ended.report.error is not None:
        assert ended.report.error.code in {3, 7, 8}, ended.screen
    ended.require_inert()
    assert place.stray() == place.before


@pytest.mark.parametrize("words", [HTML, TEMPLATE, TERMINAL], ids=["html", "template", "terminal"])
def test_words_are_values_wherever_they_stand(words: str, place: Place) -> None:
    keys = {"license": "apache-2.0", "tags": [words], "language": words, "title": words}
    card = f"---\n{json.dumps(keys)}\n---\n# {words}\n\n{words}\n".encode()
    config = {**CONFIG, "_name_or_path": words, "architectures": [words], "note": words}
    strange: dict[str, Any] = {**base_tensors(), f"model.{words}": np.ones(2, np.float32)}
    adapter = json.dumps(
        {
            "peft_type": "LORA",
            "r": 4,
            "lora_alpha": 8,
            "base_model_name_or_path": BASE,
            "peft_version": words,
            "auto_mapping": {"base_model_class": words, "parent_library": words},
        }
    ).encode()
    place.stock(
        {
            BASE: {
                "README.md": card,
                "config.json": json.dumps(config).encode(),
                "model.safetensors": save(strange, {"format": words}),
                "LICENSE": words.encode(),
            },
            ADAPTER: {"README.md": card, "adapter_config.json": adapter},
        }
    )
    ended = place.run(private=True)
    ended.require_inert()
    assert place.stray() == place.before
    if ended.report.error is not None:
        assert ended.report.error.code in {3, 4, 5, 7}, ended.screen
        return
    published = place.card()
    assert active(published.split("---\n", 2)[2]) == ()
    assert "onerror" not in published.split("---\n", 2)[2]
    assert "50337" not in published  # what the template would make


@pytest.mark.parametrize("words", [HTML, TEMPLATE, TERMINAL], ids=["html", "template", "terminal"])
def test_words_in_an_error_are_values_too(words: str, place: Place) -> None:
    more: dict[str, Any] = {
        **adapter_tensors(),
        f"base_model.model.{words}.lora_A.weight": np.ones((4, 8), np.float32),
        f"base_model.model.{words}.lora_B.weight": np.ones((8, 4), np.float32),
    }
    place.stock({ADAPTER: {"adapter_model.safetensors": save(more)}})
    ended = place.run()
    assert ended.failure[1] == 5
    ended.require_inert()
    place.require_nothing_left()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a::b", "a: :b"),
        ("::error file=x::y", ": :error file=x: :y"),
        (":::", ": : :"),
        ("##[error]x", "# # [error]x"),
        ("#[error] a:b", "#[error] a:b"),
        ("\x1b[31m\n::x", "\\x1b[31m\\n: :x"),
    ],
)
def test_what_a_runner_would_obey_is_taken_apart(text: str, shown: str) -> None:
    assert inert(text) == shown
