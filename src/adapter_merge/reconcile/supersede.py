"""Have the card of an older repository lead to the one that takes its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from adapter_merge.card import front
from adapter_merge.errors import AdapterMergeError
from adapter_merge.merges import Wanted
from adapter_merge.ports import Hub
from adapter_merge.readme import README, Readme
from adapter_merge.remote import Piece, Publication, RemoteTarget
from adapter_merge.report import Report
from adapter_merge.request import RepoRef
from adapter_merge.running import Machine
from adapter_merge.sending import CARD, card_pieces

_KEY = "new_version"


def supersede(wanted: Wanted, report: Report, machine: Machine) -> Report:
    """Set `new_version` in the card of the repository that the target takes the place of, once the result stands.

    Where that can't be done the report says so, and stays what it is.
    """
    target = wanted.request.target.repo
    stands = report.status in {"merged", "unchanged"} and report.error is None
    proposed = report.published is not None and report.published.pull_request is not None
    if wanted.supersedes is None or target is None or not stands or proposed:
        return report
    if wanted.request.publish != "commit":
        return report
    try:
        note = _told(wanted.supersedes, target, machine.around.connected())
    except AdapterMergeError as e:
        note = f"the card of `{wanted.supersedes}` doesn't name `{target}` as its `{_KEY}` yet: {e.message}"
    return replace(report, notes=(*report.notes, note)) if note else report


def _told(old: str, new: str, hub: Hub) -> str:
    """Send the card where it doesn't say so yet; the result is what is to be known, empty where nothing is."""
    seen = hub.target(RepoRef.model_validate(old), None)
    if seen.head is None:
        return f"there is no `{old}` whose card could name `{new}` as its `{_KEY}`"
    card = seen.readme or Readme.parse("")
    # What can't be read whole can't be written again without harm.
    if (trouble := card.lacks or card.trouble) is not None:
        return f"the card of `{old}` can't name `{new}` as its `{_KEY}`: {trouble}"
    if card.metadata.get(_KEY) == new:
        return ""
    hub.require_write(seen)
    with TemporaryDirectory(prefix="adapter-merge-") as place:
        path = Path(place, README)
        path.write_text(leading(card, new), encoding="utf-8", newline=card.newline)
        hub.send(_publication(seen, card_pieces(Path(place))[README], new))
    return f"the card of `{old}` names `{new}` as its `{_KEY}` now"


def leading(card: Readme, new: str) -> str:
    """The card's text with the key; all else stays as it is."""
    return f"---\n{front({_KEY: new}, card)}---\n{card.body}"


def _publication(seen: RemoteTarget, piece: Piece, new: str) -> Publication:
    return Publication(
        repo=seen.repo,
        branch=None,
        parent=seen.head,
        pull_request=False,
        access=seen.access,
        private=None,
        gated=False,
        pieces={README: piece},
        deletions=(),
        title=f"Name {new} as the new version",
        trailers=((CARD, piece.sha256 or ""),),
    )
