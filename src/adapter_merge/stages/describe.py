"""Describe: the model card of a result, from its receipt, its sources and the card that stands there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adapter_merge import card
from adapter_merge.checks import CARD_CHECKS, CardSeen
from adapter_merge.finding import Finding
from adapter_merge.flavours import Look, flavour_of
from adapter_merge.licence import Terms, decide, terms_of
from adapter_merge.readme import Readme
from adapter_merge.receipt import Receipt
from adapter_merge.sources import Sources
from adapter_merge.written import read_written

# The Hub counts a bundle's downloads where its library is known to have an `adapter_config.json`.
_COUNTED = {"transformers": "peft", "colpali-engine": "colpali"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What is described.

    Attributes:
        title: the result's name.
        look: its config and the names of its files.
        receipt: what was merged; findings of the card's own checks aren't shown.
        standing: the card of an earlier result; people may have written in it.
        sources: what it was made from; None leaves the metadata and the licence as they stand.
        repo: its id on a Hub; None for a folder.
        revision: the tag or commit of it that people should load.
        around: the card that takes its place, where people may have written too; None where `standing` does.
    """

    title: str
    look: Look
    receipt: Receipt
    standing: Readme | None
    sources: Sources | None
    repo: str | None = None
    revision: str | None = None
    around: Readme | None = None

    @property
    def address(self) -> str:
        """What code loads it by."""
        return self.repo or f"./{self.title}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """README.md, and what the checks say of it."""

    text: str
    findings: tuple[Finding, ...]


def describe(subject: Subject, *, text: str = "") -> Card:
    """Write the card, and have it checked; `text` is people's own for a card that isn't there yet."""
    content = _content(subject, text)
    seen = CardSeen(
        name=subject.title,
        readme=Readme.parse(content),
        receipt=subject.receipt,
        foreign=False,
        people=subject.standing is not None,
    )
    return Card(text=content, findings=tuple(f for c in CARD_CHECKS for f in c.judge(seen)))


def _content(subject: Subject, people: str) -> str:
    look = subject.look
    flavour = flavour_of(look)
    terms = _terms(subject, look)
    library = flavour.library_name
    if subject.receipt.bundles:
        library = _COUNTED.get(library, library)
    task = {"library_name": library, "pipeline_tag": flavour.pipeline_tag(look)}
    keys = _keys(subject, terms, task)
    facts = card.Facts(
        title=subject.title,
        receipt=subject.receipt,
        base_id=_base_id(keys, subject.standing),
        snippet=flavour.snippet(look, subject.address, subject.revision),
        terms=terms,
        stated=_stated(subject, terms),
        citations=_citations(subject),
    )
    line, block = card.line(facts), card.block(facts)
    standing = subject.around or subject.standing
    body = (
        card.first(people, line=line, block=block, title=subject.title)
        if standing is None
        else card.updated(standing.body, line=line, block=block)
    )
    text = f"---\n{card.front(keys, standing)}---\n{body}"
    return text if standing is None else text.replace("\n", standing.newline)


def _keys(subject: Subject, terms: Terms, task: Mapping[str, str | None]) -> Mapping[str, object]:
    sources = subject.sources
    if sources is None:
        if subject.around is not None and subject.standing is not None:
            return subject.standing.metadata
        return {} if subject.standing is not None else {k: v for k, v in task.items() if v}
    keys = card.keys_of(
        sources,
        task=task,
        terms=terms,
        bundled=subject.receipt.bundles,
        new_head=_has_new_head(subject, sources),
    )
    if subject.standing is not None:
        return keys
    return {**keys, **card.carried_keys([a.readme for a in sources.adapters])}


def _has_new_head(subject: Subject, sources: Sources) -> bool:
    """Whether the result has another class or other labels than the base; `--native` keeps the task."""
    if "native" in subject.receipt.settings:
        return False
    after, before = subject.look.config, sources.base.config
    return any(after.get(key) != before.get(key) for key in ("architectures", "id2label"))


def _base_id(keys: Mapping[str, object], standing: Readme | None) -> str | None:
    """As our keys have it, or where nothing tells it as people wrote it."""
    written = keys.get("base_model") or (standing.text("base_model") if standing else None)
    named = read_written(str(written)) if written else None
    return named.repo if named is not None and not named.path else None


def _terms(subject: Subject, look: Look) -> Terms:
    if subject.sources is not None:
        return terms_of(subject.sources, look.files)
    return decide(subject.standing, [])


def _stated(subject: Subject, terms: Terms) -> str:
    if subject.sources is not None:
        return card.stated_by(terms)
    return card.stated_in(card.block_of(subject.standing.body)) if subject.standing else ""


def _citations(subject: Subject) -> tuple[str, ...]:
    """Those of the base; where it isn't known any more, those that our block has."""
    if subject.sources is None:
        return card.citations(card.block_of(subject.standing.body)) if subject.standing else ()
    readme = subject.sources.base.readme
    return card.citations(readme.body) if readme is not None else ()
