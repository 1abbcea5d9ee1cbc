"""What receipt and report keep of a proof."""

from __future__ import annotations

import math
from dataclasses import replace

from adapter_merge.probed import NotRun
from adapter_merge.receipt import GroupRecord, ProbeRecord
from adapter_merge.record import probe_record
from tests.checks.test_outputs import GOOD, RAN


def test_cosines_keep_nine_digits_and_all_else_six() -> None:
    found = replace(
        GOOD, error=0.00412345678, cosines=(0.99999999876,), base_cosines=(0.87654321012,)
    )
    made = probe_record(replace(RAN, distances=(found,)))
    assert made is not None
    (group,) = made.groups
    assert (group.error, group.cosines) == (0.00412346, (0.999999999,))
    assert group.base_cosines == (0.87654321,)


def test_what_is_not_a_number_can_be_read_again() -> None:
    made = probe_record(replace(RAN, distances=(replace(GOOD, base_cosines=(math.nan,)),)))
    assert made is not None
    read = ProbeRecord.model_validate_json(made.model_dump_json())
    assert math.isnan(read.groups[0].base_cosines[0])


def test_a_group_that_was_recorded_without_the_base_is_read() -> None:
    made = probe_record(RAN)
    assert made is not None
    older = made.groups[0].model_dump(exclude={"base_cosines"})
    assert GroupRecord.model_validate(older).base_cosines == ()


def test_what_did_not_run_keeps_what_it_needs() -> None:
    assert probe_record(None) is None
    made = probe_record(NotRun(needs="4 GB of memory"))
    assert made is not None
    assert (made.needs, made.ran, made.groups) == ("4 GB of memory", False, ())
