"""C001 to C004: the model card, against the receipt and as a stranger's browser will show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from adapter_merge.checks.check import (
    WARNS_ONLY,
    Explained,
    first,
    listed,
    milder,
    number,
    passed,
    skipped,
    warned,
)
from adapter_merge.finding import Finding
from adapter_merge.markup import MOST_PARSED, active
from adapter_merge.readme import BEGIN, END, README, Readme, is_of_adapter
from adapter_merge.receipt import RECEIPT_NAME, Receipt, SourceRecord
from adapter_merge.written import read_written

# The Hub counts downloads of these by `adapter_config.json`, which merged weights don't have.
_UNCOUNTED = frozenset({"adapter-transformers", "colpali", "peft"})
_SHORT = 12
_MISSING = f"there is no `{README}`"


@dataclass(frozen=True, kw_only=True, slots=True)
class CardSeen:
    """One card.

    Attributes:
        name: how findings call the folder.
        readme: None where the folder has none.
        receipt: what was merged; None where nobody says.
        foreign: another program merged.
        people: people may have written in it since we made it.
    """

    name: str
    readme: Readme | None
    receipt: Receipt | None
    foreign: bool
    people: bool


class CardCheck(Explained, Protocol):
    """One question about a card."""

    def judge(self, seen: CardSeen) -> Iterable[Finding]:
        """At least one finding; at most one of each outcome."""
        ...


class MetadataHolds:
    """C001."""

    code = "C001"
    title = "The card's metadata fits merged weights"
    why = "The Hub links, counts and loads by it: `library_name: peft` asks for an adapter that isn't there."
    fix = "Merge again, or correct the keys at the top of README.md."
    look = (
        "Look at the keys at the top of `README.md`; `adapter-merge card FOLDER` prints them anew."
    )
    ignore = "Only where the keys are meant as they stand."

    def judge(self, seen: CardSeen) -> Iterable[Finding]:
        """Readable YAML; no path as base, no library and no tag of an adapter."""
        if seen.readme is None:
            yield milder(self, seen, _MISSING)
            return
        bundled = seen.receipt is not None and seen.receipt.bundles
        wrong = list(_wrong(seen.readme, bundled=bundled))
        if wrong and seen.people and seen.readme.trouble is not None:
            # Their words stay as they are, so nothing of ours could be written beside them.
            yield warned(self, seen, "; ".join(wrong[:3]), wrong=first(wrong))
            return
        if wrong:
            yield milder(self, seen, "; ".join(wrong[:3]), wrong=first(wrong))
            return
        keys = len(seen.readme.metadata)
        yield passed(self, seen, f"{number(keys, 'key')} of metadata", keys=keys)


def _wrong(readme: Readme, *, bundled: bool) -> Iterator[str]:
    if readme.trouble is not None:
        yield readme.trouble
    elif not readme.metadata:
        yield "it has no metadata"
    for base in readme.texts("base_model"):
        written = read_written(base)
        if written is None or written.path:
            yield f"`base_model` is `{base}`, which is no Hub id"
    library = readme.text("library_name")
    if library in _UNCOUNTED and not bundled:
        yield f"`library_name` is `{library}`"
    tags = [t for t in readme.texts("tags") if is_of_adapter(t, bundled=bundled)]
    if tags:
        yield f"it has the tags {listed(tags)}"


class SaysWhatWasMerged:
    """C002."""

    code = "C002"
    title = "The card says what was merged"
    why = "Without its sources nobody can tell what a model is, or merge it again."
    fix = "Merge again; `adapter-merge card FOLDER` prints the card anew."
    look = "`adapter-merge card FOLDER` prints the card as it should be."
    ignore = "No: the card would not say where the weights come from."

    def judge(self, seen: CardSeen) -> Iterable[Finding]:
        """One block of ours, with the recipe and the pin of each source."""
        if seen.receipt is None:
            yield skipped(self, seen, f"not checked: the folder has no `{RECEIPT_NAME}`")
            return
        text = "" if seen.readme is None else seen.readme.body
        if text.count(BEGIN) != 1 or text.count(END) != 1 or text.find(BEGIN) > text.find(END):
            yield milder(self, seen, "it hasn't exactly one block of adapter-merge")
            return
        block = text[text.find(BEGIN) : text.find(END)]
        missing = [what for what, pin in _pins(seen.receipt) if pin not in block]
        if missing:
            yield milder(self, seen, f"it doesn't say {', '.join(missing)}", missing=missing)
            return
        yield passed(self, seen, "it names the recipe and all sources")


def _pins(receipt: Receipt) -> Iterator[tuple[str, str]]:
    yield "the recipe", receipt.recipe
    for adapter in receipt.adapters:
        yield f"which adapter `{adapter.source}` was", _pin(adapter)
    if receipt.base.commit is not None:
        yield "which commit the base was", _pin(receipt.base)


def _pin(record: SourceRecord) -> str:
    digest = record.digests.get("adapter_model.safetensors", "").removeprefix("sha256:")
    return (record.commit or digest)[:_SHORT]


class NothingActive:
    """C003."""

    code = "C003"
    title = "Nothing in the card runs"
    why = "A card is read in browsers: a script, a frame or a link to one acts for whoever wrote the adapter."
    fix = "Take the HTML out of README.md, or write it as code."
    look = "The finding names the HTML; look for it in `README.md` and in the adapter's card."
    ignore = "No: in text that people wrote in the target it only warns."

    def judge(self, seen: CardSeen) -> Iterable[Finding]:
        """No HTML but harmless tags, no link to a script; in people's own text only a warning."""
        if seen.readme is None:
            yield skipped(self, seen, f"not checked: {_MISSING}")
            return
        if len(seen.readme.body) > MOST_PARSED:
            message = f"not looked through: it has more than {MOST_PARSED:,} characters"
            yield warned(self, seen, message)
            return
        found = active(seen.readme.body)
        if found:
            message = f"{number(len(found), 'piece')} of HTML with an effect: {listed(found)}"
            judge = warned if seen.people else milder
            yield judge(self, seen, message, found=first(found))
            return
        yield passed(self, seen, "no HTML with an effect")


class NamesItsBase:
    """C004."""

    code = "C004"
    title = "The card names its base"
    why = (
        "The Hub shows a merged model below its base, and people look for licence and limits there."
    )
    fix = "Write `base_model: org/name` at the top of README.md; it stays there."
    look = "Look for `base_model` at the top of `README.md`."
    ignore = WARNS_ONLY

    def judge(self, seen: CardSeen) -> Iterable[Finding]:
        """`base_model` has a value."""
        if seen.readme is None:
            yield skipped(self, seen, f"not checked: {_MISSING}")
            return
        bases = seen.readme.texts("base_model")
        if bases:
            yield passed(self, seen, f"its base is {listed(bases)}")
            return
        yield warned(self, seen, "no `base_model`: nothing tells the base's id on the Hub")
