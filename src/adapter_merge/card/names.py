"""How the card calls a base, an adapter and a file: by what can't move, and never by a path of somebody's machine."""

from __future__ import annotations

import hashlib
import json
import re

from adapter_merge.card.markdown import code
from adapter_merge.receipt import SourceRecord
from adapter_merge.request import RepoRef

_SHORT = 12
_WEIGHTS = "adapter_model.safetensors"
_HUB = "https://huggingface.co"
_PATH = re.compile(
    r"`(?:~[^`/]*/|\.{1,2}/|[A-Za-z]:[/\\]|/[^`/]+/)(?:[^`]*[/\\])?([^`/\\]+)[/\\]*`"
)


def name(source: str) -> str:
    """The Hub id, or the name of a folder without what leads to it."""
    ref = RepoRef.model_validate(source)
    return ref.name if ref.folder is not None else source.removeprefix("hf://")


def pathless(sentence: str) -> str:
    """A sentence of a check or a plan, with the last part of each path that it quotes."""
    return _PATH.sub(r"`\1`", sentence)


def pathless_value(value: str) -> str:
    """A value that is a path without what leads to it; any other as it is."""
    return pathless(f"`{value}`").removeprefix("`").removesuffix("`")


def pin(record: SourceRecord) -> str:
    """What can't move, in words: the commit, or of a folder a digest of what was read.

    A base's weights in a folder count by their headers; their times are left out, which copying changes.
    """
    if record.commit is not None:
        return f"commit {code(record.commit[:_SHORT])}"
    if _WEIGHTS in record.digests:
        return f"weights sha256 {code(record.digests[_WEIGHTS].removeprefix('sha256:')[:_SHORT])}"
    lasting = {p: re.sub(r"^(header:.*):\d+$", r"\1", d) for p, d in record.digests.items()}
    digest = hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()
    return f"headers and files {code(digest[:_SHORT])}"


def named(record: SourceRecord, known: str | None = None) -> str:
    """Name and pin as Markdown; a Hub id leads to its commit. `known` is the id of what lies in a folder."""
    text = code(name(record.source))
    if record.commit is not None:
        repo = RepoRef.model_validate(record.source).repo
        return f"[{text}]({_HUB}/{repo}/tree/{record.commit}) ({pin(record)})"
    if known is not None and known != name(record.source):
        return f"[{code(known)}]({_HUB}/{known}) (folder {text}, {pin(record)})"
    return f"{text} ({pin(record)})"
