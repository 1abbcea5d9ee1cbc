"""`adapter-merge verify`: is a merged folder still what its receipt says?"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from adapter_merge.cli.options import KeptOutput
from adapter_merge.request import RepoRef


def verify(
    folder: RepoRef, /, *, output: Annotated[KeptOutput, Parameter(name="*")] = KeptOutput()
) -> int:
    """Compare the files of a merged folder with its receipt, by size and sha256.

    Args:
        folder: A folder that `adapter-merge run` made.
        output: What is shown.
    """
    output.prepare(folder)
    from adapter_merge import assemble

    report = assemble.verify(folder)
    output.talk().finished(report)
    return output.give(report)
