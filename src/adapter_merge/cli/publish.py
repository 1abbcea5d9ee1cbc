"""`adapter-merge publish`: send a sealed folder to a Hub."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import Field

from adapter_merge.cli.options import KeptOutput, OnAHub
from adapter_merge.publishing import Publishing
from adapter_merge.request import RepoRef


class Sending(Publishing):
    """How it is sent."""

    publish: Literal["commit", "pr"] = Field(
        "commit", description="What the target gets: one `commit`, or one `pr` that proposes it."
    )


def publish(
    folder: RepoRef,
    /,
    *,
    to: RepoRef,
    overwrite: bool = False,
    sending: Annotated[Sending, OnAHub] = Sending(),
    output: Annotated[KeptOutput, Parameter(name="*")] = KeptOutput(),
) -> int:
    """Send a merged folder to a Hub as one commit, under the rules of `run`.

    Args:
        folder: A folder that `adapter-merge run` made.
        to: Repository that gets it, `org/name`.
        overwrite: Replace files there that no receipt of this program lists.
        sending: How it is sent.
        output: What is shown.
    """
    output.prepare(folder)
    from adapter_merge import assemble

    talk = output.talk()
    report = assemble.publish(folder, to, sending, overwrite=overwrite, reporter=talk)
    talk.finished(report)
    return output.give(report)
