from __future__ import annotations

from typing import Any

import pytest

from adapter_merge.errors import Corrupt
from adapter_merge.layouts import ConfigEdits, Wishes, sandbox
from adapter_merge.layouts.stop import generates
from tests.layouts.templates import ALTERNATING, CHATML, CLOSED_BY, FOREVER, NOT_CLOSED
from tests.layouts.tiny import Files, MakeSide, contents

WRITER = {"architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2}
ENDS = {"<s>": 1, "</s>": 2, "<|im_end|>": 7, "<|eot_id|>": 8, "<end_of_turn>": 9, "\n": 10}
DECODER = {str(i): {"content": t, "special": True} for t, i in ENDS.items()}
GENERATION = "generation_config.json"


def tokenizer(template: object = None, **config: object) -> Files:
    """A tokenizer with the tokens of `ENDS`, in the form that transformers 4 writes."""
    said = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": template}
    return {
        "vocab.txt": "a",
        "tokenizer_config.json": {"added_tokens_decoder": DECODER, **said, **config},
    }


def ends(
    make_side: MakeSide, base: Files, *adapters: Files, **settings: Any
) -> tuple[dict[str, Any] | None, list[tuple[str, object, object]]]:
    """`generation_config.json` of the result, and the changes declared for it."""
    side = make_side({"config.json": WRITER, **base}, *adapters, **settings)
    changes = [(c.subject, c.before, c.after) for c in side.changes if GENERATION in c.subject]
    return contents(side).get(GENERATION), changes


@pytest.mark.parametrize(("template", "token"), CLOSED_BY.items())
def test_the_token_that_closes_a_turn_is_added(
    make_side: MakeSide, template: str, token: str
) -> None:
    base = {**tokenizer(template), GENERATION: {"eos_token_id": 1, "top_k": 5}}
    found, changes = ends(make_side, base)
    assert found == {"eos_token_id": [1, ENDS[token]], "top_k": 5}
    assert changes == [(f"{GENERATION}: eos_token_id", 1, [1, ENDS[token]])]


@pytest.mark.parametrize("template", NOT_CLOSED)
def test_a_template_that_tells_nothing_changes_nothing(make_side: MakeSide, template: str) -> None:
    base = {**tokenizer(template), GENERATION: {"eos_token_id": 1}}
    assert ends(make_side, base) == ({"eos_token_id": 1}, [])


def test_a_template_without_an_end_changes_nothing(
    make_side: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_SECONDS", 1)
    base = {**tokenizer(FOREVER), GENERATION: {"eos_token_id": 1}}
    assert ends(make_side, base) == ({"eos_token_id": 1}, [])


@pytest.mark.parametrize(
    ("stored", "config", "expected"),
    [
        ({"eos_token_id": 2}, WRITER, {"eos_token_id": [2, 7]}),
        ({"eos_token_id": [3, 2]}, WRITER, {"eos_token_id": [3, 2, 7]}),
        ({"eos_token_id": 7}, WRITER, {"eos_token_id": 7}),
        ({"eos_token_id": [2, 7]}, WRITER, {"eos_token_id": [2, 7]}),
        ({"top_p": 1}, WRITER, {"top_p": 1, "eos_token_id": [2, 7]}),
        ({"eos_token_id": None}, {**WRITER, "eos_token_id": 7}, {"eos_token_id": 7}),
        (None, WRITER, {"bos_token_id": 1, "eos_token_id": [2, 7]}),
        (None, {**WRITER, "eos_token_id": 7}, None),
        (None, {**WRITER, "eos_token_id": [2, 7]}, None),
        (
            None,
            {"architectures": ["XForCausalLM"], "text_config": {"eos_token_id": 7}},
            None,
        ),
        (
            None,
            {
                "architectures": ["XForConditionalGeneration"],
                "text_config": {"eos_token_id": 2, "pad_token_id": 0},
            },
            {"eos_token_id": [2, 7], "pad_token_id": 0},
        ),
        (None, {"architectures": ["GPT2LMHeadModel"]}, {"eos_token_id": 7}),
        ({"eos_token_id": 2}, {"architectures": ["BertModel"]}, {"eos_token_id": 2}),
        (None, {}, None),
    ],
)
def test_ends_keep_their_order(
    make_side: MakeSide,
    stored: Files | None,
    config: dict[str, Any],
    expected: dict[str, Any] | None,
) -> None:
    base = {**tokenizer(CHATML), "config.json": config}
    found, changes = ends(make_side, base if stored is None else {**base, GENERATION: stored})
    assert found == expected
    assert bool(changes) == (expected != stored)


def test_the_reason_names_the_token(make_side: MakeSide) -> None:
    side = make_side({**tokenizer(CHATML), "config.json": WRITER})
    (why,) = [c.why for c in side.changes if c.subject == GENERATION]
    assert "`<|im_end|>` ends a turn" in why


def test_the_request_can_keep_the_base_s(make_side: MakeSide) -> None:
    base, kept = tokenizer(CHATML), Wishes(generation_config="base")
    assert ends(make_side, base, wishes=kept) == (None, [])
    base = {**base, GENERATION: {"eos_token_id": 2}}
    assert ends(make_side, base, wishes=kept) == ({"eos_token_id": 2}, [])


@pytest.mark.parametrize(
    ("base", "adapter", "wishes", "end"),
    [
        ({}, tokenizer(CHATML), Wishes(), 7),
        (tokenizer(), tokenizer(CHATML), Wishes(), 7),
        (tokenizer(), {"chat_template.jinja": CHATML}, Wishes(), 7),
        (tokenizer(CHATML), {"chat_template.jinja": ALTERNATING}, Wishes(), 9),
        (
            tokenizer(CHATML),
            {"vocab.txt": "b", "added_tokens.json": {"<|im_end|>": 5}},
            Wishes(),
            5,
        ),
        (tokenizer(CHATML), {}, Wishes(chat_template=ALTERNATING), 9),
        (tokenizer([{"name": "default", "template": CHATML}]), {}, Wishes(), 7),
    ],
    ids=["all", "template", "file", "another", "tokenizer", "given", "named"],
)
def test_template_and_tokens_are_those_of_the_result(
    make_side: MakeSide, base: Files, adapter: Files, wishes: Wishes, end: int
) -> None:
    stored = {GENERATION: {"eos_token_id": 2}}
    found, _ = ends(make_side, {**base, **stored}, adapter, wishes=wishes)
    assert found == {"eos_token_id": [2, end]}


def test_a_token_that_the_adapter_declares_is_printed(make_side: MakeSide) -> None:
    template = "{% for m in messages %}{{ m.content + eos_token }}{% endfor %}"
    base = {**tokenizer(template), GENERATION: {"eos_token_id": 2}}
    declared = {"eos_token": "<|im_end|>"}
    found, _ = ends(make_side, base, tokenizer(template, **declared))
    assert found == {"eos_token_id": [2, 7]}


def test_the_tokens_of_a_fast_tokenizer_count(make_side: MakeSide) -> None:
    fast = {
        "added_tokens": [{"id": 4, "content": "<|im_end|>"}, {"id": 5, "content": "<|im_end|"}],
        "model": {"vocab": {"added_tokens": 3}},
    }
    base: Files = {
        "tokenizer.json": fast,
        "chat_template.jinja": CHATML,
        GENERATION: {"eos_token_id": 2},
    }
    assert ends(make_side, base)[0] == {"eos_token_id": [2, 4]}
    turned = {**base, "tokenizer.json": dict(reversed(fast.items()))}
    assert ends(make_side, turned)[0] == {"eos_token_id": [2, 4]}


@pytest.mark.parametrize(
    "text",
    [
        '{"added_tokens": [',
        '{"added_tokens": [{}]}',
        '{"added_tokens": [{"content": null, "id": 1}]}',
        '{"model": ',
    ],
)
def test_a_broken_fast_tokenizer_is_corrupt(make_side: MakeSide, text: str) -> None:
    base = {"tokenizer.json": text, "chat_template.jinja": CHATML}
    with pytest.raises(Corrupt, match="tokenizer"):
        ends(make_side, base)


def test_a_head_of_the_adapter_decides_whether_it_writes(make_side: MakeSide) -> None:
    edits = ConfigEdits(architecture="LlamaForSequenceClassification")
    assert ends(make_side, tokenizer(CHATML), edits=edits) == (None, [])
    assert generates({}, "LlamaForCausalLM")
    assert not generates({"architectures": "LlamaForCausalLM"}, None)
