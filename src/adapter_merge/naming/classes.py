"""How names may be read where the model's class is known: its own, renamed, a part's, a holder's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapter_merge.naming.attempt import Attempt, Target
from adapter_merge.naming.join import Joined
from adapter_merge.plan import Need
from adapter_merge.skeleton import Part, Place

# What holds a whole model: a pipeline of sentence-transformers, ColPali, `...ForRetrieval`, and the text
# model of a vision-language class. Names of other towers aren't here: two towers can look alike.
_HOLDERS = (
    "0.auto_model",
    "0.model",
    "model",
    "vlm",
    "vlm.model",
    "language_model",
    "model.language_model",
    "model.text_model",
)


def class_tiers(joined: Joined, needs: Sequence[Need]) -> Iterator[tuple[Attempt, ...]]:
    """The attempts; the last two tiers are readings that transformers' own loader wouldn't make."""
    read = _Readings(joined=joined)
    yield (
        Attempt(how="the names are those of the model's class", find=read.own),
        Attempt(how="the names are older: renamed as transformers does", find=read.renamed),
        Attempt(how="the names are the file's own", find=read.stored),
    )
    yield tuple(read.inside(part) for part in joined.skeleton.parts)
    names = [n.name for n in needs if n.required]
    heads = (f"{holder}." for holder in _HOLDERS)
    yield tuple(read.without(head) for head in heads if all(n.startswith(head) for n in names))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Readings:
    """What a name of the adapter may mean."""

    joined: Joined

    def own(self, name: str) -> Target | None:
        """A live name, with or without the whole's prefix."""
        skeleton = self.joined.skeleton
        live = name if name in skeleton.shapes else skeleton.shifted(name)
        return self.joined.target(Place(live=(live,), stored=live))

    def renamed(self, name: str) -> Target | None:
        """What the loader would make of a file's key of that name."""
        return self.joined.target(self.joined.skeleton.place(name))

    def stored(self, name: str) -> Target | None:
        """The key itself: what an adapter that was trained before a converter came means."""
        return self.joined.as_it_lies(name) if name in self.joined.places else None

    def _either(self, name: str) -> Target | None:
        return self.renamed(name) or self.own(name)

    def inside(self, part: Part) -> Attempt:
        """The names are those of a model inside the model."""
        head = f"{part.prefix}." if part.prefix else ""

        def find(name: str) -> Target | None:
            inner = name.removeprefix(head)
            found = self._either(f"{part.path}.{inner}") or self._either(f"{part.path}.{name}")
            if found or (head and name.startswith(head)):
                return found
            # A head lies beside the part, so it is looked for in the whole.
            return self._either(name)

        return Attempt(how=f"the names are those inside `{part.path}`", find=find)

    def without(self, head: str) -> Attempt:
        """The names are those of what holds the model."""

        def find(name: str) -> Target | None:
            return self._either(name.removeprefix(head))

        return Attempt(how=f"the file leaves out `{head}`", find=find)
