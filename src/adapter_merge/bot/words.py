"""What the bot says of itself where it writes: what it is, who runs it, and how to be left alone."""

from __future__ import annotations

from collections.abc import Mapping

from adapter_merge.hub.client import SIGNATURE

DISCUSS = "ADAPTER_MERGE_DISCUSS"
_LONGEST = 200  # characters
OPT_OUT = "An adapter whose card has `adapter-merge: false` at its top is left alone."


def signature(contact: str | None) -> str:
    """The end of each commit's message, and of each discussion: a few sentences in one line.

    Args:
        contact: who runs it, such as an address; None where nobody says.
    """
    who = "" if contact is None else f", run by {_plain(contact)}"
    return f"Made by the bot of adapter-merge{who}, as the adapter was pushed. {OPT_OUT}"


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """What whoever merges elsewhere has to know of it."""
    return {name: environ[name] for name in (SIGNATURE, DISCUSS) if environ.get(name)}


def _plain(text: str) -> str:
    """One line of what people wrote, that is no trailer and calls nobody."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line[:_LONGEST]
