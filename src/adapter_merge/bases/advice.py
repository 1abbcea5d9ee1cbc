"""What people read where a base can't be taken: the candidates, and a command that can be pasted."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from adapter_merge.bases.candidates import Candidate, candidates
from adapter_merge.bases.hosted import hosted
from adapter_merge.bases.nearby import fitting, free_folder
from adapter_merge.bases.search import AUTO, Search
from adapter_merge.request import AdapterRef
from adapter_merge.sources import Base

_SHOWN = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What was found out about a base: what it may be, and what fits, here or else on the Hub."""

    search: Search
    candidates: tuple[Candidate, ...]
    found: tuple[str, ...]

    @classmethod
    def of(cls, search: Search, *, quantised: Base | None = None) -> Survey:
        """Look around; `quantised` is a base that was opened, and whose card says what it was made from."""
        given = search.request.base
        named = candidates(
            search.adapters,
            given=None if given is None or given.text == AUTO else given,
            quantised=quantised,
        )
        found = fitting(search, named) or hosted(search, named)
        return cls(search=search, candidates=named, found=found)

    def told(self, *, besides: str | None = None) -> str:
        """The candidates as the end of a sentence; empty where `besides` is the only one."""
        if [c.title for c in self.candidates] in ([], [besides]):
            return ""
        listed = "; ".join(f"`{c.title}` ({c.origin})" for c in self.candidates[:_SHOWN])
        return f"; it may be {listed}"

    def hint(self) -> str:
        """What to do next."""
        if self.found:
            commands = ", or ".join(f"`{command(self.search, ref)}`" for ref in self.found[:_SHOWN])
            where = "It fits" if len(self.found) == 1 else "These fit"
            return f"{where}: {commands}."
        if not self.candidates:
            example = command(self.search, "./folder")
            return (
                "The base is the model that the adapter was trained on: name the folder that holds its "
                f"`config.json` and `model.safetensors`, with `{example}`."
            )
        # An id that somebody wrote comes before one that is read out of a path.
        known = sorted(
            (c for c in self.candidates if c.base.repo is not None), key=lambda c: c.base.path
        )
        return self._download(known[0]) if known else self._place(self.candidates[0])

    def _download(self, candidate: Candidate) -> str:
        repo = str(candidate.base.repo)
        folder = free_folder(self.search, candidate.base.name)
        revision = ["--revision", candidate.revision] if candidate.revision else []
        fetch = shlex.join(["hf", "download", repo, *revision, "--local-dir", folder])
        if self.search.around.hub is not None:
            pinned = f"{repo}@{candidate.revision}" if candidate.revision else repo
            return f"If `{repo}` is it: `{command(self.search, pinned)}`."
        start = f"If `{repo}` on the Hub is it: " if candidate.base.path else ""
        return f"{start}`{fetch}`, then `{command(self.search, folder)}`."

    def _place(self, candidate: Candidate) -> str:
        folder = free_folder(self.search, candidate.base.name)
        return (
            f"Who published `{candidate.base.name}` is not known: put the model into `{folder}`, "
            f"then `{command(self.search, folder)}`."
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
