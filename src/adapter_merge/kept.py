"""What a command did, as files that stay when the terminal is gone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from adapter_merge.errors import ReportNotWritten, RequestError
from adapter_merge.forecast import Forecast
from adapter_merge.plan import Plan, PlannedTensor, ShardPlan, SideFile, WeighedAdapter
from adapter_merge.report import Report
from adapter_merge.request import RepoRef

PAGE = "report.html"


def report_json(report: Report) -> str:
    """A report as JSON text."""
    return TypeAdapter(Report).dump_json(report, indent=2).decode()


def report_line(report: Report) -> str:
    """The same on one line."""
    return TypeAdapter(Report).dump_json(report).decode()


def plan_json(plan: Plan, forecast: Forecast) -> str:
    """A plan, and what it takes, as JSON text."""
    return json.dumps(_plan(plan, forecast), indent=2, default=str)


def prepare(folder: Path, *, apart_from: Iterable[RepoRef]) -> None:
    """Make the folder before any work is done, so that a wrong one costs no merge.

    Raises:
        RequestError: it can't be made or written, or it lies in the target or in a source.
    """
    root = folder.expanduser().resolve()
    for ref in apart_from:
        if ref.folder is not None and root.is_relative_to(ref.folder.expanduser().resolve()):
            raise RequestError(
                f"the report's folder `{folder}` lies in `{ref.text}`, where only the model's own files belong",
                hint="Name a folder of its own: `--report ./report`.",
            )
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise RequestError(
            f"the report's folder `{folder}` can't be made: {e.strerror}",
            hint="Name another one: `--report ./report`.",
        ) from e
    if not os.access(root, os.W_OK | os.X_OK):
        raise RequestError(
            f"the report's folder `{folder}` can't be written",
            hint="Check its rights, or name another one: `--report ./report`.",
        )


def keep(report: Report, folder: Path) -> Path:
    """Write the files, each whole or not at all; the result is the page.

    Raises:
        ReportNotWritten: the system refuses.
    """
    _write(folder, _files(report))
    return folder / PAGE


def keep_plan(plan: Plan, forecast: Forecast, folder: Path) -> None:
    """Write the one file of a plan.

    Raises:
        ReportNotWritten: the system refuses.
    """
    _write(folder, {"plan.json": f"{plan_json(plan, forecast)}\n"})


def _write(folder: Path, files: Mapping[str, str | None]) -> None:
    root = folder.expanduser().resolve()
    try:
        root.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            if text is None:
                (root / name).unlink(missing_ok=True)
                continue
            part = root / f".{name}.part"
            part.write_text(text, encoding="utf-8")
            part.replace(root / name)
    except OSError as e:
        raise ReportNotWritten(
            f"the report can't be written in `{folder}`: {e.strerror}",
            hint="Make room there, or name another folder with `--report`, and run the command again.",
        ) from e


def _files(report: Report) -> Mapping[str, str | None]:
    """Text by name; None for a picture that has nothing to show: no weight moves in a bundle, or nothing ran."""
    from adapter_merge.pages import (  # templates: only where they are asked for
        page,
        picture,
        probes,
    )

    return {
        "report.json": f"{report_json(report)}\n",
        PAGE: page(report),
        "changes.svg": picture(report.relative_changes) if report.layout == "merged" else None,
        "probes.svg": probes(report.probe),
    }


def _plan(plan: Plan, forecast: Forecast) -> dict[str, Any]:
    """Sizes in bytes, edits as the tensors that they join."""
    return {
        "schema": 1,
        "adapters": [_adapter(adapter) for adapter in plan.adapters],
        "base": plan.base,
        "to": plan.to,
        "layout": plan.layout,
        "dtype": plan.dtype,
        "recipe": plan.recipe,
        "settings": dict(plan.settings),
        "counts": plan.counts,
        "size": plan.size,
        "warnings": [asdict(warning) for warning in plan.warnings],
        "naming": list(plan.naming),
        "tied": list(plan.tied),
        "untied": list(plan.untied),
        "experts": [record.model_dump() for record in plan.experts],
        "shards": [_shard(shard) for shard in plan.shards],
        "side_files": [_side_file(file) for file in plan.side_files],
        "left_behind": [asdict(file) for file in plan.left_behind],
        "changes": [asdict(change) for change in plan.changes],
        "adapter_tensors": [asdict(tensor) for tensor in plan.adapter_tensors],
        "forecast": asdict(forecast),
    }


def _adapter(adapter: WeighedAdapter) -> dict[str, Any]:
    return {
        "source": adapter.source,
        "weight": adapter.weight,
        "method": adapter.method.model_dump(),
    }


def _shard(shard: ShardPlan) -> dict[str, Any]:
    return {
        "name": shard.name,
        "size": shard.size,
        "tensors": [_tensor(tensor) for tensor in shard.tensors],
    }


def _tensor(tensor: PlannedTensor) -> dict[str, Any]:
    base, edit = tensor.base, tensor.edit
    return {
        **asdict(tensor.info),
        "base": None if base is None else {"file": base.file, "name": base.info.name},
        "edit": None
        if edit is None
        else {"target": edit.target, "uses": [asdict(used) for used in edit.uses]},
    }


def _side_file(file: SideFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "size": file.size,
        "origin": file.origin,
        "source": None if file.source is None else str(file.source),
    }
