"""A report as a page for people: one file that needs nothing else, and its pictures: how far weights moved, how near outputs are."""

from __future__ import annotations

from adapter_merge.pages.page import page, styles_of_pictures, told
from adapter_merge.pages.picture import picture
from adapter_merge.pages.probes import probes

__all__ = ["page", "picture", "probes", "styles_of_pictures", "told"]
