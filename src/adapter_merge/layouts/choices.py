"""Every family decided, and with that the fate of every file of a source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from adapter_merge.layouts.carried import why_left
from adapter_merge.layouts.chain import module_folders, require_whole, runs_head
from adapter_merge.layouts.families import (
    FAMILIES,
    MODULES,
    PROCESSOR,
    TEMPLATE,
    TOKENIZER,
    Choice,
    choose,
)
from adapter_merge.layouts.licences import licence_files
from adapter_merge.layouts.repo import Repo
from adapter_merge.plan import Change


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """Whose files the result has, family by family.

    `template` is None where the request brings one, `modules` where no chain runs the head of the result.
    """

    tokenizer: Choice
    template: Choice | None
    processor: Choice
    modules: Choice | None

    @classmethod
    def of(
        cls,
        base: Repo,
        adapters: tuple[Repo, ...],
        *,
        given_template: bool = False,
        new_head: bool = False,
    ) -> Choices:
        """Decide on all families; adapters stand in the order of their deltas.

        `new_head`: the result gets the head of a task that the base hasn't. Then modules count only where
        they run such a head; others would give vectors, and drop it.

        Raises:
            Corrupt: a file that has to be read for that isn't valid, or a chain of modules has a gap.
            Layout: a chain of modules keeps the model in a folder.
        """
        chains = [r for r in adapters if runs_head(r)] if new_head else list(adapters)
        modules = choose(MODULES, base, tuple(chains))
        counts = not new_head or runs_head(modules.winner)
        # A gap in an adapter's chain is no reason to take the base's: what was trained would be lost.
        for repo in (modules.winner, *chains) if counts else ():
            require_whole(repo)
        return cls(
            tokenizer=choose(TOKENIZER, base, adapters),
            template=None if given_template else choose(TEMPLATE, base, adapters),
            processor=choose(PROCESSOR, base, adapters),
            modules=modules if counts else None,
        )

    @property
    def all(self) -> tuple[Choice, ...]:
        """The choices in the order in which people read them."""
        every = (self.tokenizer, self.template, self.processor, self.modules)
        return tuple(choice for choice in every if choice is not None)

    def fates(self, repo: Repo) -> Mapping[str, str | None]:
        """Each file of a source: why it is left behind, or None where the result has it.

        Raises:
            Corrupt: its `modules.json` isn't valid.
        """
        folders = module_folders(repo)
        deciding = {path: choice for choice in self.all for path in choice.family.files(repo)}
        dropped = dict(self._dropped(repo))
        return {
            path: why_left(path, repo.origin, folders, repo.code)
            or dropped.get(path)
            or _why_lost(deciding.get(path), repo)
            for path in repo.files
        }

    def _dropped(self, repo: Repo) -> Iterator[tuple[str, str]]:
        """The files of a source whose family nothing decides, and why."""
        if self.template is None:
            for path in TEMPLATE.files(repo):
                yield path, "`--chat-template` is used in its place"
        if self.modules is None:
            for path in MODULES.files(repo):
                yield path, "the adapter adds a head, which these modules don't run"

    def changes(self, base: Repo) -> Iterator[Change]:
        """A change for each family whose files come from an adapter."""
        for choice in self.all:
            if choice.winner is base or not choice.family.files(choice.winner):
                continue
            replaced = bool(choice.family.files(base))
            yield Change(
                subject=choice.family.name,
                before=base.origin if replaced else None,
                after=choice.winner.origin,
                why="it differs from the base's" if replaced else "the base has none",
            )


def _why_lost(choice: Choice | None, repo: Repo) -> str | None:
    if choice is None:
        return None if repo.is_base else "files of its kind come from the base only"
    return None if choice.winner is repo else choice.why_not(repo)


def deciding_files(repo: Repo) -> frozenset[str]:
    """The files of a source that are read while it is decided what the result holds, as far as names tell.

    Raises:
        Corrupt: its `modules.json` isn't valid.
    """
    of_families = {path for family in FAMILIES for path in family.files(repo)}
    configs = {p for p in repo.files if "/" not in p and p.endswith(".json")}
    counting = counting_files(repo)
    return counting & frozenset(of_families.union(licence_files(repo), configs))


def counting_files(repo: Repo) -> frozenset[str]:
    """The files of a source whose content can decide what the result holds, its own weights apart.

    Raises:
        Corrupt: its `modules.json` isn't valid.
    """
    folders = module_folders(repo)
    kept = {p for p in repo.files if why_left(p, repo.origin, folders, repo.code) is None}
    if repo.is_base:
        return frozenset(kept)
    of_families = {path for family in FAMILIES for path in family.files(repo) if path in kept}
    return frozenset(of_families.union(licence_files(repo)))
