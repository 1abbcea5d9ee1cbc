"""The text of a first card: the adapter's own, somebody's file, or none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adapter_merge.card.body import own_text, without_marks
from adapter_merge.errors import RequestError
from adapter_merge.readme import Readme
from adapter_merge.sources import Adapter


def people_text(wanted: str, adapters: Sequence[Adapter]) -> str:
    """The text that `--card-body` asks for: `adapter` (of the first that has one), `none`, or a file.

    An adapter's text is defused; a file is taken as its writer gives it, without metadata and without what
    is ours in the card of an earlier result.

    Raises:
        RequestError: the file can't be read, or isn't UTF-8.
    """
    if wanted == "none":
        return ""
    if wanted == "adapter":
        texts = (own_text(a.readme.body) for a in adapters if a.readme is not None)
        return next((text for text in texts if text), "")
    try:
        text = Path(wanted).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        why = e.strerror if isinstance(e, OSError) else "it is not UTF-8"
        raise RequestError(
            f"`--card-body`: `{wanted}` can't be read: {why}",
            hint="Name a Markdown file, or `adapter` or `none`.",
        ) from e
    return without_marks(Readme.parse(text).body).strip()
