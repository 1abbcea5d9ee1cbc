"""`adapter-merge card`: the model card of a merged folder, written anew."""

from __future__ import annotations

from adapter_merge.cli.options import write
from adapter_merge.request import RepoRef


def card(folder: RepoRef, /) -> None:
    """Print the model card of a merged folder, from its receipt and from what stands in its README.md.

    Args:
        folder: The merged model.
    """
    from adapter_merge import assemble

    write(assemble.card(folder).rstrip())
