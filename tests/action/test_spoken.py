from __future__ import annotations

import pytest

from adapter_merge.action.spoken import as_inputs, spoken
from adapter_merge.report import ErrorRecord, Report


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("Name it: `--to org/a-merged`.", "Name it: `to: org/a-merged`."),
        ("Name one with `--to`, or `--overwrite`.", "Name one with `to`, or `overwrite`."),
        (
            "Say: `--base org/b@abc --allow-remote-code`.",
            "Say: `base: org/b@abc` and `allow-remote-code`.",
        ),
        ("`hf auth login`, or set `HF_TOKEN`.", "Set the input `hf-token`."),
        (
            "Ask at x, then `hf auth login` with that account, or set `HF_TOKEN`.",
            "Ask at x, then set the input `hf-token` to one of that account.",
        ),
        (
            "Run `adapter-merge run org/a --base org/b`.",
            "Run `adapter-merge run org/a --base org/b`.",
        ),
        ("nothing of it -- and `x`", "nothing of it -- and `x`"),
    ],
)
def test_options_are_inputs(said: str, wanted: str) -> None:
    assert as_inputs(said) == wanted


def test_only_an_error_is_said_anew() -> None:
    error = ErrorRecord(type="Refused", code=8, message="`--to` is taken", hint="Name `--to`.")
    found = spoken(Report(status="failed", error=error)).error
    assert found is not None
    assert (found.message, found.hint) == ("`to` is taken", "Name `to`.")
    merged = Report(status="merged", reason="`--to`")
    assert spoken(merged) is merged
