"""What holds for the merged weights, decided from the cards of base and adapters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from adapter_merge.licence.known import Family, Kind, Licence
from adapter_merge.licence.stated import Stated, stated
from adapter_merge.readme import Readme


class Doubt(StrEnum):
    """Why the terms aren't plain."""

    UNKNOWN = "unknown"
    NO_DERIVATIVES = "no-derivatives"
    CONFLICT = "conflict"
    LAXER = "laxer"

    @property
    def public(self) -> bool:
        """Whether the result may be published all the same."""
        return self is Doubt.LAXER

    @property
    def private(self) -> bool:
        """Whether it may be pushed to a private repository all the same."""
        return self is not Doubt.NO_DERIVATIVES


@dataclass(frozen=True, kw_only=True, slots=True)
class Concern:
    """One doubt about one card: the base's, or that of the adapter with this number, from 0."""

    doubt: Doubt
    message: str
    adapter: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """The licence of a merged model.

    Attributes:
        license: `license:` of its card; empty where it isn't known, and then no card may state one.
        license_name: `license_name:`.
        license_link: `license_link:`: an address on the web, or a path in the repository of whoever states it.
        licences: what is known of them.
        adapter: the number of the adapter whose card states them; None for the base.
        families: those of base and adapters, each once.
        concerns: the base's first.
    """

    license: tuple[str, ...]
    license_name: str | None
    license_link: str | None
    licences: tuple[Licence, ...]
    adapter: int | None
    families: tuple[Family, ...]
    concerns: tuple[Concern, ...]

    @property
    def keys(self) -> Mapping[str, str | list[str]]:
        """The keys of a card's metadata, in the order in which cards have them; unknown ones left out."""
        license_ = self.license[0] if len(self.license) == 1 else list(self.license)
        keys = {
            "license": license_,
            "license_name": self.license_name,
            "license_link": self.license_link,
        }
        return {key: value for key, value in keys.items() if value}

    @property
    def family(self) -> Family | None:
        """The first family; nearly always the only one."""
        return self.families[0] if self.families else None

    @property
    def statements(self) -> tuple[str, ...]:
        """What the card has to say, as Markdown, a paragraph each."""
        return tuple(text for family in self.families for text in _statements(family))

    def about(self, *doubts: Doubt) -> tuple[Concern, ...]:
        """The concerns of these kinds."""
        return tuple(c for c in self.concerns if c.doubt in doubts)


def _statements(family: Family) -> Iterator[str]:
    if family.display is not None:
        yield f"**{family.display}**"
    yield f"{family.notice.rstrip('.')}."
    yield (
        "The weights were changed by merging an adapter into them. "
        f"Whoever uses or passes them on is bound by the [use policy]({family.policy})."
    )


def decide(base: Readme | None, adapters: Sequence[Readme | None]) -> Terms:
    """The terms that the cards give; those of the base, unless an adapter's are stricter.

    A laxer licence than the base's is never the result, and one that nobody states neither.
    """
    return weigh(stated(base), tuple(stated(readme) for readme in adapters))


def weigh(base: Stated, adapters: Sequence[Stated], *, guess: str = "") -> Terms:
    """The same for cards that were read; `guess` goes on after the sentence that the base's is unknown."""
    concerns = [*_of_base(base, adapters, guess)]
    ruling, number = base, None
    for n, adapter in enumerate(adapters):
        who = _who(n, adapters)
        concerns += _of_adapter(base, adapter, n, who)
        if base.trouble or adapter.trouble:
            continue
        if adapter.weight < base.weight:
            concerns.append(_laxer(base, adapter, n, who))
        elif adapter.weight > ruling.weight:
            ruling, number = adapter, n
        elif adapter.heavy - ruling.heavy:
            concerns.append(_conflict(ruling, adapter, n, (_who(number, adapters), who)))
            ruling = _both(ruling, adapter)
    if any(a.trouble is not None and set(a.licences) - set(base.licences) for a in adapters):
        # It may ask for more than what is known: nothing laxer may be written.
        ruling, number = Stated(), None
    return Terms(
        license=ruling.ids,
        license_name=ruling.name,
        license_link=ruling.link,
        licences=ruling.licences,
        adapter=number,
        families=_families((base, *adapters)),
        concerns=tuple(concerns),
    )


def _who(number: int | None, adapters: Sequence[Stated]) -> str:
    if number is None:
        return "the base"
    return "the adapter" if len(adapters) == 1 else f"adapter {number + 1}"


def _families(cards: Sequence[Stated]) -> tuple[Family, ...]:
    families: dict[str, Family] = {}
    for licence in (licence for card in cards for licence in card.licences):
        if licence.family is not None:
            families.setdefault(licence.family.name, licence.family)
    return tuple(families.values())


def _of_base(base: Stated, adapters: Sequence[Stated], guess: str) -> Iterator[Concern]:
    if base.trouble is not None:
        said = " and ".join(dict.fromkeys(a.text for a in adapters if a.licences))
        more = f"; what an adapter states, {said}, says nothing of the base" if said else ""
        message = f"the base {base.trouble}, so its licence isn't known{guess}{more}"
        yield Concern(doubt=Doubt.UNKNOWN, message=message)
    yield from _no_derivatives(base, None, "the base")


def _of_adapter(base: Stated, adapter: Stated, number: int, who: str) -> Iterator[Concern]:
    # An adapter that states nothing follows its base, as nearly all of them do.
    if adapter.trouble is not None and adapter.heavy - base.heavy:
        message = f"{who} {adapter.trouble}: whether it is stricter than the base's can't be told"
        yield Concern(doubt=Doubt.UNKNOWN, message=message, adapter=number)
    yield from _no_derivatives(adapter, number, who)


def _no_derivatives(card: Stated, number: int | None, who: str) -> Iterator[Concern]:
    for licence in card.licences:
        if licence.kind is Kind.NO_DERIVATIVES:
            message = f"{who} is under `{licence.id}`: a changed version may not be passed on"
            yield Concern(doubt=Doubt.NO_DERIVATIVES, message=message, adapter=number)


def _laxer(base: Stated, adapter: Stated, number: int, who: str) -> Concern:
    message = (
        f"{who} states {adapter.text}, which is laxer than the base's {base.text}: "
        "the base's holds, and is what the card gets"
    )
    return Concern(doubt=Doubt.LAXER, message=message, adapter=number)


def _both(one: Stated, other: Stated) -> Stated:
    """Two cards whose licences both restrict the weights: all of them hold, and are stated."""
    licences = {x.id: x for x in (*one.licences, *other.licences)}
    ids = tuple(dict.fromkeys((*one.ids, *other.ids)))
    return Stated(licences=tuple(licences.values()), ids=ids)


def _conflict(ruling: Stated, adapter: Stated, number: int, who: tuple[str, str]) -> Concern:
    message = (
        f"{who[1]}'s {adapter.text} and {who[0]}'s {ruling.text} both restrict the weights, each in its own way: "
        f"both are written; ask the publisher of {who[1]} whether they hold together"
    )
    return Concern(doubt=Doubt.CONFLICT, message=message, adapter=number)
