"""`adapter-merge run`: the whole job."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from pydantic import ValidationError

from adapter_merge.cli import usage
from adapter_merge.cli.options import KeptOutput, OnAHub, given
from adapter_merge.publishing import Delivery
from adapter_merge.request import AdapterRef, Request, Settings


def run(
    *adapters: Annotated[AdapterRef, Parameter(name="ADAPTER")],
    settings: Annotated[Settings, Parameter(name="*")] = Settings(),
    publishing: Annotated[Delivery, OnAHub] = Delivery(),
    output: Annotated[KeptOutput, Parameter(name="*")] = KeptOutput(),
) -> int:
    """Merge adapters into their base model, check the result and seal it.

    Args:
        adapters: Folder or Hub id of an adapter; `./adapter=0.5` halves its scale. Several are added
            in this order.
        settings: Everything else that a merge depends on.
        publishing: What a target on a Hub gets.
        output: What is shown.
    """
    wanted = request(adapters, settings, publishing, verb="run")
    output.prepare(wanted.target, wanted.base, *(adapter.ref for adapter in wanted.adapters))
    # Only a verb that merges pays for the imports below it: `--help` answers at once.
    from adapter_merge import assemble

    return output.give(assemble.run(wanted, output.talk()))


def request(
    adapters: tuple[AdapterRef, ...], settings: Settings, publishing: Delivery, *, verb: str
) -> Request:
    """The request that the command line spells.

    Raises:
        RequestError: the parts don't make one, such as two adapters without a target.
    """
    try:
        return Request.model_validate(
            {**given(settings), **given(publishing), "adapters": adapters}
        )
    except ValidationError as e:
        raise usage.explain_value(e, verb=verb) from e
