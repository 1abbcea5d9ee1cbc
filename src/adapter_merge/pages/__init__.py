"""A report as a page for people: one file that needs nothing else, and its pictures: how far weights moved, how near outputs are."""

from __future__ import annotations

from adapter_merge.pages.page import page
from adapter_merge.pages.picture import picture
from adapter_merge.pages.probes import probes

__all__ = ["page", "picture", "probes"]
