"""`adapter-merge plan`: the dry run, as a screen or as JSON."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from adapter_merge.cli.options import OnAHub, Output, write
from adapter_merge.cli.run import request
from adapter_merge.cli.screen import plan_screen
from adapter_merge.cli.show import on_stdout
from adapter_merge.kept import plan_json
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
        write(plan_json(drafted, forecast))
    elif not output.quiet:
        on_stdout().print(plan_screen(drafted, forecast))
