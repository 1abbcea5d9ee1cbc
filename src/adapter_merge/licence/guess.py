"""Which licence a base without one is probably under; a hint for people, never a licence that is written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from adapter_merge.licence.known import known
from adapter_merge.sources import Base

# `TinyLlama-1.1B` and `llama-7b` name sizes, not versions.
_LLAMA = re.compile(r"(?<![a-z])llama[-_ ]?(\d(?:\.\d)?)(?![\d.]*b)", re.IGNORECASE)
# Gemma 4 is under Apache 2.0. Source: https://ai.google.dev/gemma/terms
_GEMMA = re.compile(r"gemma(?![-_]?4(?!b))", re.IGNORECASE)
_GEMMA_TYPES = re.compile(r"(?:pali|t5)?gemma(?!4)\w{,20}")
_LLAMA_TYPES = frozenset({"llama", "llama4", "llama4_text", "mllama"})


def guess(base: Base) -> str:
    """The rest of a sentence that says so; empty where neither name nor config tell."""
    for name in _names(base):
        found = _by_name(name)
        if found is not None:
            return f"; by the name `{name}` it is probably `{found}`"
    kind = base.config.get("model_type")
    if not isinstance(kind, str):
        return ""
    if _GEMMA_TYPES.fullmatch(kind):
        return f"; by its `model_type` `{kind}` it is probably `gemma`"
    if kind in _LLAMA_TYPES:
        # Many models that don't descend from Meta's are built like them.
        return f"; its `model_type` is `{kind}`, so it may be one of Llama's"
    return ""


def _names(base: Base) -> Iterator[str]:
    """The end of each path or id that the base is called by."""
    for text in (base.pinned.source, base.config.get("_name_or_path")):
        if isinstance(text, str) and text.strip("/"):
            yield text.replace("`", "'").rstrip("/").rsplit("/", 1)[-1][:80]


def _by_name(name: str) -> str | None:
    match = _LLAMA.search(name)
    if match is not None and f"llama{match[1]}" in known():
        return f"llama{match[1]}"
    return "gemma" if _GEMMA.search(name) else None
