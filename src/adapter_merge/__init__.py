"""Merge a PEFT adapter into its base model, prove the result, and say where it came from.

The public names stand here and are imported when they are first used: `import adapter_merge` is
free, and torch is only loaded by a merge.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapter_merge.assemble import run
    from adapter_merge.errors import (
        AdapterMergeError,
        CheckFailed,
        HubUnavailable,
        Interrupted,
        MergeError,
        PlanError,
        PublishError,
        RequestError,
        SomeFailed,
        SourceError,
        UnsupportedError,
    )
    from adapter_merge.report import Report
    from adapter_merge.request import Request

__all__ = [
    "AdapterMergeError",
    "CheckFailed",
    "HubUnavailable",
    "Interrupted",
    "MergeError",
    "PlanError",
    "PublishError",
    "Report",
    "Request",
    "RequestError",
    "SomeFailed",
    "SourceError",
    "UnsupportedError",
    "__version__",
    "run",
]

_HOMES = {"Report": "report", "Request": "request", "run": "assemble"}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("adapter-merge")
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
