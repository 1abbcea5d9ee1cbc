"""`adapter-merge schema`: what other programs read, as JSON schemas."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import TypeAdapter

from adapter_merge.cli.options import write
from adapter_merge.merges import Merges
from adapter_merge.receipt import Receipt
from adapter_merge.report import Report
from adapter_merge.request import Request

_VALUES: dict[str, TypeAdapter[object]] = {
    "request": TypeAdapter(Request),
    "report": TypeAdapter(Report),
    "receipt": TypeAdapter(Receipt),
    "merges": TypeAdapter(Merges),
}


def schema(name: Literal["request", "report", "receipt", "merges"] | None = None, /) -> None:
    """Write the JSON schemas of request, report, receipt and `merges.yaml`, or one of them.

    Args:
        name: The one that is wanted; left out, an object with all.
    """
    found: object = (
        {key: value.json_schema() for key, value in _VALUES.items()}
        if name is None
        else _VALUES[name].json_schema()
    )
    write(json.dumps(found, indent=2))
