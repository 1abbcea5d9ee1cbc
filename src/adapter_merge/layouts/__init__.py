"""What the result holds besides its weights: the layouts, by the name that a request gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from adapter_merge.layouts.bundled import Bundled
from adapter_merge.layouts.carried import why_left
from adapter_merge.layouts.choices import Choices, counting_files, deciding_files
from adapter_merge.layouts.code import (
    carried,
    code_of,
    refuse_code_of_adapters,
    require_leave,
)
from adapter_merge.layouts.config import ConfigEdits, edited_config, untied
from adapter_merge.layouts.merged import Merged
from adapter_merge.layouts.native import Form, native_form
from adapter_merge.layouts.native_files import as_native
from adapter_merge.layouts.renamed import renamed
from adapter_merge.layouts.repo import Repo
from adapter_merge.layouts.shards import Weights, cut_files, indexed, keep_files
from adapter_merge.layouts.side import Side
from adapter_merge.layouts.wishes import Wishes
from adapter_merge.request import LayoutName
from adapter_merge.sources import Sources

__all__ = [
    "LAYOUTS",
    "Choices",
    "ConfigEdits",
    "Form",
    "Layout",
    "Repo",
    "Side",
    "Weights",
    "Wishes",
    "as_native",
    "carried",
    "code_of",
    "counting_files",
    "cut_files",
    "deciding_files",
    "edited_config",
    "indexed",
    "keep_files",
    "native_form",
    "refuse_code_of_adapters",
    "renamed",
    "require_leave",
    "untied",
    "why_left",
]


class Layout(Protocol):
    """One kind of result; `merges` says whether the adapters' changes are in its weights."""

    @property
    def merges(self) -> bool: ...  # noqa: D102

    def settings(self, sources: Sources, wishes: Wishes) -> Mapping[str, str]:
        """What of it decides the result's bytes beside the request, as a plan's settings have it."""
        ...

    def side(
        self,
        sources: Sources,
        edits: ConfigEdits,
        weight_files: frozenset[str],
        wishes: Wishes,
    ) -> Side:
        """Decide on every file of base and adapters that is not a planned weight file."""
        ...


LAYOUTS: Mapping[LayoutName, Layout] = {"merged": Merged(), "bundled": Bundled()}
