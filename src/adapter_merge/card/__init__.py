"""The model card: our keys in its metadata, one line and one block in its text; all else is people's own."""

from __future__ import annotations

from adapter_merge.card.block import Facts, block, line, stated_by, stated_in
from adapter_merge.card.body import block_of, first, updated
from adapter_merge.card.cite import citations
from adapter_merge.card.front import front
from adapter_merge.card.keys import carried_keys, keys_of
from adapter_merge.card.people import people_text

__all__ = [
    "Facts",
    "block",
    "block_of",
    "carried_keys",
    "citations",
    "first",
    "front",
    "keys_of",
    "line",
    "people_text",
    "stated_by",
    "stated_in",
    "updated",
]
