"""`adapter-merge plan`: the dry run, as a screen or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter

from adapter_merge.cli.options import OnAHub, Output, write
from adapter_merge.cli.run import request
from adapter_merge.cli.screen import plan_screen
from adapter_merge.cli.show import on_stdout
from adapter_merge.forecast import Forecast
from adapter_merge.plan import Plan, PlannedTensor, ShardPlan, SideFile, WeighedAdapter
from adapter_merge.publishing import Delivery
from adapter_merge.request import AdapterRef, Settings


def plan(
    *adapters: Annotated[AdapterRef, Parameter(name="ADAPTER")],
    settings: Annotated[Settings, Parameter(name="*")] = Settings(),
    publishing: Annotated[Delivery, OnAHub] = Delivery(),
    output: Annotated[Output, Parameter(name="*")] = Output(),
) -> None:
    """Show what `run` would do, without reading a weight.

    Args:
        adapters: Folder or Hub id of an adapter; `./adapter=0.5` halves its scale. Several are added
            in this order.
        settings: Everything else that a merge depends on.
        publishing: What a target on a Hub would get.
        output: What is shown.
    """
    wanted = request(adapters, settings, publishing, verb="plan")
    from adapter_merge import assemble

    drafted, forecast = assemble.dry_run(wanted)
    if output.json:
        write(json.dumps(plan_json(drafted, forecast), indent=2, default=str))
    elif not output.quiet:
        on_stdout().print(plan_screen(drafted, forecast))


def plan_json(plan: Plan, forecast: Forecast) -> dict[str, Any]:
    """A plan as JSON values: sizes in bytes, edits as the tensors that they join."""
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
        "naming": list(plan.naming),
        "tied": list(plan.tied),
        "untied": list(plan.untied),
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
