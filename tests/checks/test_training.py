"""T012: adapters that were trained on quantised weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_merge.finding import Finding, Outcome
from tests.build import Case, change_json, make_case, write_adapter


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


def finding(case: Case, **settings: object) -> Finding:
    report = case.run(None, overwrite=True, **settings)
    assert report.status == "merged", report.error
    (found,) = (f for f in report.findings if f.code == "T012")
    return found


def trained_on(case: Case, name: str | None, card: str | None = None) -> None:
    change_json(case.adapter / "adapter_config.json", base_model_name_or_path=name)
    if card is not None:
        (case.adapter / "README.md").write_text(f"---\nbase_model: {card}\n---\n")


@pytest.mark.parametrize(
    ("name", "card"),
    [
        (None, None),
        ("org/x", None),
        ("org/Llama-4bit-finetuned", None),
        ("/data/org/x", None),
        # The config is what the training tool wrote; a card may be of another run.
        ("org/x", "org/x-bnb-4bit"),
    ],
)
def test_trained_on_unquantised_weights(case: Case, name: str | None, card: str | None) -> None:
    trained_on(case, name, card)
    assert finding(case).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("name", "card", "said"),
    [
        ("unsloth/x-unsloth-bnb-4bit", None, "unsloth/x-unsloth-bnb-4bit"),
        ("/data/x-GPTQ", None, "/data/x-GPTQ"),
        (None, "org/x-bnb-4bit", "org/x-bnb-4bit"),
    ],
)
def test_trained_on_quantised_weights(
    case: Case, name: str | None, card: str | None, said: str
) -> None:
    trained_on(case, name, card)
    change_json(case.base / "config.json", torch_dtype="bfloat16")
    found = finding(case)
    assert found.outcome is Outcome.WARN
    assert found.message.startswith(f"trained on `{said}`, which is quantised, and merged into")
    assert "bfloat16 weights" in found.message
    assert found.evidence == {"trained_on": [said], "merged_into": str(case.base)}
    assert [f.message for f in case.receipt().findings if f.code == "T012"] == [found.message]


def test_each_adapter_is_asked(case: Case) -> None:
    trained_on(case, "org/x")
    second = write_adapter(case.to.parent / "second", base_model_name_or_path="org/x-bnb-4bit")
    found = finding(case, adapters=(str(case.adapter), str(second)))
    assert found.evidence["trained_on"] == ["org/x-bnb-4bit"]
