"""A Hub as the stages know it: sources are pulled from it, results are published to it.

Only imported once an id was met: a run on folders never pays for the Hub's client.
"""

from __future__ import annotations

from adapter_merge.hub.edge import HubEdge, connect

__all__ = ["HubEdge", "connect"]
