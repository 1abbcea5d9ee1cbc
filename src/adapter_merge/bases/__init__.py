"""The base of an adapter: what it may be, where it lies, and what to do where it can't be taken."""

from __future__ import annotations

from adapter_merge.bases.chains import refuse_chain
from adapter_merge.bases.choose import choose_base, no_such_base, out_of_reach, refuse_quantised
from adapter_merge.bases.fit import claims_on
from adapter_merge.bases.grown import grown_vocabulary
from adapter_merge.bases.live import live_modules
from adapter_merge.bases.new_class import place_added
from adapter_merge.bases.other_base import other_base
from adapter_merge.bases.part_of_layers import part_of_layers
from adapter_merge.bases.permission import NamedBy, named_by, require_permitted
from adapter_merge.bases.search import Search, Verb
from adapter_merge.bases.ties import Settled
from adapter_merge.bases.unread import refuse_unread
from adapter_merge.bases.zero import untrained

__all__ = [
    "NamedBy",
    "Search",
    "Settled",
    "Verb",
    "choose_base",
    "claims_on",
    "grown_vocabulary",
    "live_modules",
    "named_by",
    "no_such_base",
    "other_base",
    "out_of_reach",
    "part_of_layers",
    "place_added",
    "refuse_chain",
    "refuse_quantised",
    "refuse_unread",
    "require_permitted",
    "untrained",
]
