"""A Hub as `ports.Hub`: one method an errand, each of them in a file of its own."""

from __future__ import annotations

from adapter_merge.hub import snapshot
from adapter_merge.hub.client import Client
from adapter_merge.ports import Repository
from adapter_merge.request import RepoRef


class HubEdge:
    """Implements `ports.Hub`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def open(self, ref: RepoRef) -> Repository:
        """Pin a ref and list its files."""
        return snapshot.opened(self._client, ref)
