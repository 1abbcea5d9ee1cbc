"""What is published of a merge of folders says nothing of the machine that it was made on."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_merge.receipt import ChangeRecord, FindingRecord, Receipt, SourceRecord
from adapter_merge.unplaced import unplaced


def receipt(base: str, adapter: str, *, commit: str | None = None) -> Receipt:
    return Receipt(
        schema_version=1,
        recipe="0" * 64,
        base=SourceRecord(source=base, commit=commit, digests={}),
        adapters=(SourceRecord(source=adapter, weight=1.0, digests={}),),
        settings={"layout": "merged"},
        counts={},
        changes=(
            ChangeRecord(subject="tokenizer", before="base", after=adapter, why="it differs"),
        ),
        left_behind={f"{adapter}: notes.txt": "no reader"},
        findings=(
            FindingRecord(
                code="E005",
                outcome="pass",
                subject="merged",
                message=f"`{adapter}` loads; ... and `{base}` too",
                evidence={"names": [f"{Path(adapter).absolute()}/x"], "count": 2},
            ),
        ),
        versions={},
        files={},
    )


@pytest.mark.parametrize(
    ("base", "adapter"),
    [
        ("/secret/models/base", "/secret/runs/7/adapter"),
        ("/secret/base/", "/secret/base/adapter"),
        ("../secret/base", "./secret/adapter/"),
        ("~/secret/base", "~/secret/base-adapter"),
    ],
)
def test_only_names_are_left(base: str, adapter: str) -> None:
    told = unplaced(receipt(base, adapter))
    assert "secret" not in told.model_dump_json()
    assert (told.base.source, told.adapters[0].source) == (
        f"./{Path(base).name}",
        f"./{Path(adapter).name}",
    )
    assert "...".join(("; ", " and")) in told.findings[0].message
    assert told.findings[0].evidence["count"] == 2


def test_an_id_and_what_is_no_path_stay() -> None:
    told = receipt("org/base", "org/adapter", commit="1" * 40)
    assert unplaced(told) == told
    here = receipt("./base", "./adapter")
    assert unplaced(here).left_behind == here.left_behind
