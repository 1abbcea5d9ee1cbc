"""Tell an adapter's people of merges that fail, and that they are well again: one discussion in its repository."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from adapter_merge import assemble
from adapter_merge.bot.tokens import SECRETS
from adapter_merge.bot.words import DISCUSS, signature
from adapter_merge.errors import AdapterMergeError
from adapter_merge.hub.client import SIGNATURE
from adapter_merge.reconcile import Voice, adapters_of, discuss
from adapter_merge.report import Report


def tell(reports: Iterable[Report], environ: Mapping[str, str]) -> None:
    """Bring the discussions up to date, where that is asked for; what can't be said stops no merge."""
    if not environ.get(DISCUSS):
        return
    voice = Voice(
        signature=environ.get(SIGNATURE) or signature(None),
        secrets=tuple(environ[name] for name in SECRETS if environ.get(name)),
    )
    hub = assemble.this_machine().around.connected
    for adapter, found in adapters_of(reports).items():
        try:
            discuss(adapter, found, hub=hub(), voice=voice)
        except AdapterMergeError as e:
            sys.stderr.write(f"nothing was said in `{adapter}`: {e.message}\n")
