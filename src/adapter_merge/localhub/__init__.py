"""A Hub on loopback, for demos and tests: `with LocalHub(folder) as hub: ... hub.url`.

It speaks the part of the Hub's API that the real client uses, Xet included, and keeps its state on the
disk. It is no Hub to offer to others: it listens on 127.0.0.1 alone, keeps tokens in the clear and
runs jobs as whoever started it.
"""

from __future__ import annotations

from adapter_merge.localhub.faults import Cut, Fault, Flipped, Lost, Short, Slow, Status
from adapter_merge.localhub.hub import LocalHub
from adapter_merge.localhub.journal import Logged
from adapter_merge.localhub.state import Settings
from adapter_merge.localhub.webhooks import Delivery

__all__ = [
    "Cut",
    "Delivery",
    "Fault",
    "Flipped",
    "LocalHub",
    "Logged",
    "Lost",
    "Settings",
    "Short",
    "Slow",
    "Status",
]
