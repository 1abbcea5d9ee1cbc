"""T017: a base of another name than the one that the adapter was trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_merge import assemble
from adapter_merge.finding import Outcome
from tests.build import Case, change_json, make_case, write_base


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


def warnings(case: Case, **named: str) -> list[str]:
    """What the plan warns of under T017; `named` are `adapter` and `card`, and `config`, `title`, `folder` of the base."""
    change_json(case.adapter / "adapter_config.json", base_model_name_or_path=named.get("adapter"))
    if "card" in named:
        (case.adapter / "README.md").write_text(f"---\nbase_model: {named['card']}\n---\n")
    base = write_base(case.to.parent / named.get("folder", "some"))
    if "config" in named:
        change_json(base / "config.json", _name_or_path=named["config"])
    if "title" in named:
        (base / "README.md").write_text(f"---\nlicense: mit\n---\n\n# {named['title']}\n\nText.\n")
    plan = assemble.plan(case.request(base=str(base)))
    return [w.message for w in plan.warnings if w.code == "T017"]


SMOL, SMOL2 = "HuggingFaceTB/SmolLM-135M-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.mark.parametrize(
    "named",
    [
        {"adapter": SMOL, "config": SMOL2},
        {"adapter": SMOL, "title": "SmolLM2-135M-Instruct"},
        {"adapter": "SmolLM-135M-Instruct", "config": SMOL2},
        {"adapter": "unsloth/SmolLM-135M-Instruct-bnb-4bit", "config": SMOL2},
        {"card": SMOL, "config": SMOL2},
        {"adapter": "Qwen/Qwen2.5-0.5B", "config": "Qwen/Qwen2.5-0.5B-Instruct"},
        {
            "adapter": SMOL,
            "config": SMOL2,
            "folder": "models--HuggingFaceTB--SmolLM2-135M-Instruct",
        },
    ],
    ids=str,
)
def test_another_model_is_named(case: Case, named: dict[str, str]) -> None:
    (found,) = warnings(case, **named)
    assert "SmolLM-135M" in found or "Qwen2.5-0.5B`" in found
    assert "equal shapes" in found


@pytest.mark.parametrize(
    "named",
    [
        {"adapter": SMOL, "config": SMOL},
        {"adapter": SMOL},
        {"config": SMOL2},
        {"adapter": "unsloth/SmolLM2-135M-Instruct-bnb-4bit", "config": SMOL2},
        {"adapter": "unsloth/SmolLM2-135M-Instruct-unsloth-bnb-4bit", "config": SMOL2},
        {"adapter": "unsloth/smollm2-135m-instruct", "config": SMOL2},
        {"adapter": "unsloth/Meta-Llama-3.1-8B", "config": "meta-llama/Llama-3.1-8B"},
        {"adapter": "meta-llama/Llama-2-7b-hf", "config": "unsloth/llama-2-7b-bnb-4bit"},
        {"adapter": "/home/me/models/mine", "config": SMOL2},
        {"adapter": "D:\\models\\mine", "config": SMOL2},
        {"adapter": "./out/checkpoint-100", "config": SMOL2},
        # It was saved after training on another one, and is called otherwise itself.
        {"adapter": SMOL, "config": "acme/parent", "folder": "SmolLM-135M-Instruct"},
        {"adapter": SMOL, "config": "acme/parent", "title": "SmolLM-135M-Instruct"},
        {"adapter": "acme/tuned", "card": SMOL2, "config": SMOL2},
        {"adapter": SMOL, "title": "Model"},
        {"adapter": SMOL, "config": "./saved"},
    ],
    ids=str,
)
def test_the_same_model_or_no_name(case: Case, named: dict[str, str]) -> None:
    assert warnings(case, **named) == []


def test_a_report_warns_of_it_too(case: Case) -> None:
    warnings(case, adapter=SMOL, config=SMOL2)
    report = case.run(base=str(case.to.parent / "some"))
    assert report.status == "merged", report.error
    (found,) = (f for f in report.findings if f.code == "T017")
    assert found.outcome is Outcome.WARN
    assert f"`{SMOL}`" in found.message
    assert (
        "T017" in (case.to / "README.md").read_text()
        or "SmolLM-135M-Instruct" in (case.to / "README.md").read_text()
    )
    good = case.run(overwrite=True)
    assert {f.outcome for f in good.findings if f.code == "T017"} == {Outcome.PASS}
