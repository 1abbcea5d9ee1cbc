"""`adapter-merge revert`: go back to what a repository on a Hub held before."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import ValidationError

from adapter_merge.cli import usage
from adapter_merge.cli.options import KeptOutput
from adapter_merge.publishing import Publishing
from adapter_merge.request import RepoRef


def revert(
    repo: RepoRef,
    /,
    *,
    publish: Literal["commit", "pr"] = "commit",
    branch: str | None = None,
    output: Annotated[KeptOutput, Parameter(name="*")] = KeptOutput(),
) -> int:
    """Restore an earlier result in a repository, card and all, as one more commit; nothing is unmade.

    Args:
        repo: The repository, `org/name`: the result before the one that stands comes back. With
            `org/name@TAG` or a commit it is that one.
        publish: One `commit`, or one `pr` that proposes it.
        branch: Branch that gets the commit; left out, `main`.
        output: What is shown.
    """
    try:
        wish = Publishing(publish=publish, branch=branch)
    except ValidationError as e:
        raise usage.explain_value(e, verb="revert") from e
    output.prepare(repo)
    from adapter_merge import assemble

    report = assemble.revert(repo, wish)
    output.talk().finished(report)
    return output.give(report)
