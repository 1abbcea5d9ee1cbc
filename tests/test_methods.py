"""The table of methods, against the PEFT that is installed and those that were read."""

from __future__ import annotations

import pytest

from adapter_merge.methods import METHODS, Route, rests_on_seed, variant

_PROMPTS = "CPT MULTITASK_PROMPT_TUNING PREFIX_TUNING PROMPT_TUNING P_TUNING"
_ALWAYS = (
    f"ADALORA ADAPTION_PROMPT BOFT C3A DELORA FOURIERFT HRA IA3 LN_TUNING LOHA LOKR LORA MISS OFT OSF POLY RANDLORA "
    f"ROAD SHIRA TRAINABLE_TOKENS VBLORA VERA WAVEFT XLORA {_PROMPTS}"
)
_SINCE_0_19 = "ADAMSS CARTRIDGE GRALORA LILY PEANUT PSOFT PVERA TINYLORA"
_SINCE_0_20 = "BEFT DEFT FROD GLORA HIRA UNILORA"
_SINCE_0_21 = "SHADOW SUPERTUNING"
# `PEFT_TYPE_TO_CONFIG_MAPPING` of the lowest and the highest PEFT that are declared.
RECORDED = {
    "0.18.1": f"{_ALWAYS} BONE",
    "0.21.2": f"{_ALWAYS} {_SINCE_0_19} {_SINCE_0_20} {_SINCE_0_21}",
}


@pytest.mark.parametrize("names", RECORDED.values(), ids=RECORDED.keys())
def test_every_method_of_a_declared_peft_is_known(names: str) -> None:
    assert set(names.split()) <= METHODS.keys()


def test_every_method_of_the_installed_peft_is_known() -> None:
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    assert {t.value for t in PEFT_TYPE_TO_CONFIG_MAPPING} <= METHODS.keys()


def test_prefixes_are_those_of_peft() -> None:
    from peft.mapping import PEFT_TYPE_TO_PREFIX_MAPPING

    theirs = {t.value: prefix for t, prefix in PEFT_TYPE_TO_PREFIX_MAPPING.items()}
    ours = {n: m.prefix for n, m in METHODS.items() if m.prefix and n in theirs}
    assert ours == {name: theirs[name] for name in ours}
    assert all(m.prefix for m in METHODS.values() if m.route is not Route.NONE)


@pytest.mark.parametrize(
    ("names", "since"),
    [(_ALWAYS, "0.18"), (_SINCE_0_19, "0.19"), (_SINCE_0_20, "0.20"), (_SINCE_0_21, "0.21")],
)
def test_versions_are_those_of_peft(names: str, since: str) -> None:
    merged = [METHODS[n] for n in names.split() if METHODS[n].route is not Route.NONE]
    assert {m.since for m in merged} <= {since}


def test_a_refusal_has_its_reason_and_nothing_else_has_one() -> None:
    assert {n for n, m in METHODS.items() if m.why} == {
        n for n, m in METHODS.items() if m.route is Route.NONE
    }


@pytest.mark.parametrize(
    ("peft_type", "options", "drawn"),
    [
        ("LORA", {}, False),
        ("VERA", {}, False),
        ("VERA", {"save_projection": False}, True),
        ("TINYLORA", {}, False),
        ("UNILORA", {}, True),
        ("UNILORA", {"save_indices": True}, False),
        ("FOURIERFT", {}, True),
        (None, {}, False),
    ],
)
def test_what_rests_on_a_seed(
    peft_type: str | None, options: dict[str, object], drawn: bool
) -> None:
    assert rests_on_seed(peft_type, options) is drawn


@pytest.mark.parametrize(
    ("peft_type", "options", "name"),
    [
        ("LORA", {"use_dora": True, "use_rslora": True}, "DoRA, rsLoRA"),
        ("LORA", {"use_dora": False}, ""),
        ("LOHA", {"use_dora": True}, ""),
    ],
)
def test_what_people_call_it(peft_type: str, options: dict[str, object], name: str) -> None:
    assert variant(peft_type, options) == name
