"""A report as a page for people: one file that needs nothing else, and the picture of how far each layer moved."""

from __future__ import annotations

from adapter_merge.pages.page import page
from adapter_merge.pages.picture import picture

__all__ = ["page", "picture"]
