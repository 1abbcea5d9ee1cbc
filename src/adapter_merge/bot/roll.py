"""Which repositories matter to the bot, by the entries of the newest round: asked at every delivery, so kept ready."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from adapter_merge.merges import Roster, Wanted, Watch

_MAIN = "refs/heads/main"
_TAGS = "refs/tags/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Roll:
    """Names are compared as the Hub does, whatever their case.

    Attributes:
        entries: by target.
        adapters: repository -> the targets that it goes into.
        refs: repository -> refs that count.
        tagged: repositories of which every tag counts, too.
        watched: owners, and which of their adapters.
        targets: repositories that the bot writes to.
    """

    entries: Mapping[str, Wanted] = field(default_factory=dict)
    adapters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tagged: frozenset[str] = frozenset()
    watched: tuple[Watch, ...] = ()
    targets: frozenset[str] = frozenset()

    @classmethod
    def of(cls, roster: Roster, entries: Iterable[Wanted]) -> Roll:
        """The roll of these entries; what isn't on a Hub is no matter of a bot's."""
        known: dict[str, Wanted] = {}
        for entry in entries:
            if entry.request.target.repo is not None:
                known.setdefault(entry.label, entry)  # others are of another branch
        adapters: dict[str, tuple[str, ...]] = {}
        refs: dict[str, frozenset[str]] = {}
        for label, entry in known.items():
            for adapter in entry.request.adapters:
                if (repo := adapter.ref.repo) is None:
                    continue
                key = repo.casefold()
                adapters[key] = (*adapters.get(key, ()), label)
                refs[key] = refs.get(key, frozenset()) | {_ref(adapter.ref.revision)}
        return cls(
            entries=known,
            adapters=adapters,
            refs=refs,
            tagged=frozenset(_tagged(known.values())),
            watched=tuple(w.watch for w in roster.watches),
            targets=frozenset(str(e.request.target.repo).casefold() for e in known.values()),
        )

    def watches(self, repo: str, ref: str | None = None) -> bool:
        """Whether it counts that a ref moved there; without one, whether any does."""
        key = repo.casefold()
        if key not in self.adapters:
            return ref in {None, _MAIN} and self._is_watched(repo)
        if ref is None or ref in self.refs[key]:
            return True
        return key in self.tagged and ref.startswith(_TAGS)

    def _is_watched(self, repo: str) -> bool:
        owner, _, name = repo.partition("/")
        own = (w for w in self.watched if w.owner.casefold() == owner.casefold())
        return any(w.takes(name) for w in own)

    def outputs(self, repo: str) -> bool:
        """Whether the bot itself writes there."""
        return repo.casefold() in self.targets

    def touched(self, repo: str) -> tuple[Wanted, ...]:
        """The entries that a push there may matter to; none where only a whole round can tell."""
        return tuple(self.entries[label] for label in self.adapters.get(repo.casefold(), ()))


def _ref(revision: str | None) -> str:
    return _MAIN if revision is None else f"refs/heads/{revision}"


def _tagged(entries: Iterable[Wanted]) -> Iterable[str]:
    """Adapters of which tags count: an entry waits for one, or may name one as its revision."""
    for entry in entries:
        for adapter in entry.request.adapters:
            by_tag = entry.terms.kind == "tag" or adapter.ref.revision is not None
            if adapter.ref.repo is not None and by_tag:
                yield adapter.ref.repo.casefold()
