"""T013: what a seed draws."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapter_merge.finding import Outcome
from adapter_merge.sources import AdapterConfig
from tests.checks.tiny import Case


def outcome(case: Case, **config: object) -> Outcome:
    adapter = replace(case.sources.adapters[0], config=AdapterConfig.model_validate(config))
    sources = replace(case.sources, adapters=(adapter,))
    found = {f.code: f for f in replace(case, sources=sources).own()}["T013"]
    return found.outcome


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"peft_type": "LORA"}, Outcome.PASS),
        ({"peft_type": "VERA"}, Outcome.PASS),
        ({"peft_type": "VERA", "save_projection": False}, Outcome.WARN),
        ({"peft_type": "FOURIERFT"}, Outcome.WARN),
    ],
)
def test_a_method_that_draws(case: Case, config: dict[str, object], expected: Outcome) -> None:
    assert outcome(case, **config) is expected
