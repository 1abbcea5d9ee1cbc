"""What people read where a base can't be taken: the candidates, and a command that can be pasted."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from adapter_merge.bases.candidates import Candidate, candidates
from adapter_merge.bases.hosted import Hosted, hosted, quantised_cards, ref_of
from adapter_merge.bases.nearby import cached, fitting, free_folder
from adapter_merge.bases.search import AUTO, Search
from adapter_merge.request import AdapterRef
from adapter_merge.sources import Base

_SHOWN = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What was found out about a base: what it may be, and what fits.

    Attributes:
        found: refs of what fits: folders here, else ids on the Hub, else snapshots in its cache.
        hosted: what the Hub said.
    """

    search: Search
    candidates: tuple[Candidate, ...]
    found: tuple[str, ...]
    hosted: Hosted

    @classmethod
    def of(cls, search: Search, *, quantised: Base | None = None, known: bool = False) -> Survey:
        """Look around.

        Args:
            search: what for.
            quantised: a base that was opened, and whose card says what it was made from.
            known: whether the Hub was asked for the base that is named.
        """
        given = search.request.base
        named = candidates(
            search.adapters,
            given=None if given is None or given.text == AUTO else given,
            quantised=quantised_cards(search)
            if quantised is None
            else [(quantised.pinned, quantised.readme)],
        )
        found = fitting(search, named)
        asked = Hosted() if found else hosted(search, named, known=known)
        found = found or asked.found or cached(search, named)
        return cls(search=search, candidates=named, found=found, hosted=asked)

    def told(self, *, besides: str | None = None) -> str:
        """The candidates as the end of a sentence; empty where `besides` is the only one."""
        if [c.title for c in self.candidates] in ([], [besides]):
            return ""
        listed = "; ".join(f"`{c.title}` ({self._said(c)})" for c in self.candidates[:_SHOWN])
        return f"; it may be {listed}"

    def _said(self, candidate: Candidate) -> str:
        why = self.hosted.ruled_out.get(candidate.title)
        if why is None and candidate.title in self.hosted.gated:
            why = "gated"
        return f"{candidate.origin}: {why}" if why else candidate.origin

    def hint(self) -> str:
        """What to do next."""
        if self.found:
            commands = ", or ".join(f"`{command(self.search, ref)}`" for ref in self.found[:_SHOWN])
            where = "It fits" if len(self.found) == 1 else "These fit"
            return f"{where}: {commands}."
        # An id that somebody wrote comes before one that is read out of a path.
        left = [c for c in self.candidates if c.title not in self.hosted.ruled_out]
        known = sorted((c for c in left if c.base.repo is not None), key=lambda c: c.base.path)
        if known:
            return self._take(known[0])
        return self._place(left[0]) if left else self._name()

    def _take(self, candidate: Candidate) -> str:
        if self.search.around.hub is None:
            return self._download(candidate)
        taken = f"`{command(self.search, ref_of(candidate))}`"
        if (gated := self.hosted.gated.get(candidate.title)) is not None:
            return f"{gated.hint} Then {taken}."
        return f"If `{candidate.title}` is it: {taken}."

    def _download(self, candidate: Candidate) -> str:
        repo = str(candidate.base.repo)
        folder = free_folder(self.search, candidate.base.name)
        revision = ["--revision", candidate.revision] if candidate.revision else []
        fetch = shlex.join(["hf", "download", repo, *revision, "--local-dir", folder])
        start = f"If `{repo}` on the Hub is it: " if candidate.base.path else ""
        return f"{start}`{fetch}`, then `{command(self.search, folder)}`."

    def _place(self, candidate: Candidate) -> str:
        folder = free_folder(self.search, candidate.base.name)
        return (
            f"Who published `{candidate.base.name}` is not known: put the model into `{folder}`, "
            f"then `{command(self.search, folder)}`."
        )

    def _name(self) -> str:
        example = command(self.search, "./folder")
        if self.search.around.hub is not None:
            return (
                "The base is the model that the adapter was trained on: name its id on the Hub, or the folder "
                f"that holds it, with `{example}`."
            )
        return (
            "The base is the model that the adapter was trained on: name the folder that holds its "
            f"`config.json` and `model.safetensors`, with `{example}`."
        )


def command(search: Search, base: str) -> str:
    """The request as a command, with this base; of the other options only `--to` is kept."""
    request = search.request
    adapters = [_spelled(adapter) for adapter in request.adapters]
    if search.verb == "check":
        named = [part for adapter in adapters for part in ("--adapter", adapter)]
        return shlex.join(["adapter-merge", "check", request.target.text, *named, "--base", base])
    to = [] if request.to is None else ["--to", request.to.text]
    return shlex.join(["adapter-merge", search.verb, *adapters, "--base", base, *to])


def _spelled(adapter: AdapterRef) -> str:
    return adapter.ref.text if adapter.weight == 1 else f"{adapter.ref.text}={adapter.weight}"
