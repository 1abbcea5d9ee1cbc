"""Side files that belong together: each family comes from one source, whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from adapter_merge.layouts import processor, template, tokenizer
from adapter_merge.layouts.chain import MODULES_FILE, module_folders
from adapter_merge.layouts.repo import Repo


def no_folders(_repo: Repo) -> frozenset[str]:
    """The folders of a family that has none."""
    return frozenset()


def same_files(base: Repo, adapter: Repo, paths: tuple[str, ...]) -> bool:
    """Whether the base has each of an adapter's files, byte for byte or as equal JSON."""
    return all(p in base.files and _same_file(base, adapter, p) for p in paths)


def _same_file(base: Repo, adapter: Repo, path: str) -> bool:
    if base.bytes(path) == adapter.bytes(path):
        return True
    if path == MODULES_FILE:
        return base.objects(path) == adapter.objects(path)
    return path.endswith(".json") and base.object(path) == adapter.object(path)


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """One family.

    Attributes:
        name: what sentences and changes call it.
        patterns: names of its files at the top of a repository.
        folders: folders of a repository that belong to it whole.
        lacks: what an adapter's family lacks, so that it can't be used; None for a complete one.
        same: whether an adapter's complete family means the same as the base's.
    """

    name: str
    patterns: tuple[str, ...]
    folders: Callable[[Repo], frozenset[str]] = no_folders
    lacks: Callable[[Repo], str | None]
    same: Callable[[Repo, Repo], bool]

    def files(self, repo: Repo) -> tuple[str, ...]:
        """The files of a repository that belong to the family."""
        folders = self.folders(repo)
        return tuple(p for p in repo.files if self._owns(p, folders))

    def _owns(self, path: str, folders: frozenset[str]) -> bool:
        if "/" in path:
            return any(path.startswith(f"{folder}/") for folder in folders)
        return any(fnmatchcase(path, pattern) for pattern in self.patterns)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Whose files of a family the result has.

    Attributes:
        winner: the base or an adapter.
        equal: the adapter whose family means the same as the winning base's, if one does.
    """

    family: Family
    winner: Repo
    equal: Repo | None = None

    def why_not(self, repo: Repo) -> str:
        """Why the files of another source don't count."""
        name = self.family.name
        lack = None if repo.is_base else self.family.lacks(repo)
        if lack is not None:
            return f"its {name} can't be used: {lack}"
        if repo is self.equal:
            return f"its {name} is the same as the base's, whose files are kept"
        return f"the {name} of {self.winner.label} is used"


def choose(family: Family, base: Repo, adapters: tuple[Repo, ...]) -> Choice:
    """The last adapter whose family is complete decides; where it means the same, the base's files stay.

    Raises:
        Corrupt: a file that has to be read for that isn't valid.
    """
    complete = [a for a in adapters if family.lacks(a) is None]
    if not complete:
        return Choice(family=family, winner=base)
    if family.same(base, complete[-1]):
        return Choice(family=family, winner=base, equal=complete[-1])
    return Choice(family=family, winner=complete[-1])


def _modules_lack(repo: Repo) -> str | None:
    return None if MODULES_FILE in repo.files else f"there is no `{MODULES_FILE}`"


def _tokenizer_lacks(repo: Repo) -> str | None:
    if any(map(tokenizer.is_vocabulary, repo.files)):
        return None
    return "there is no vocabulary file"


def _template_lacks(repo: Repo) -> str | None:
    return None if template.brings_template(repo) else "there is no chat template"


def _processor_lacks(repo: Repo) -> str | None:
    if processor.describes_inputs(repo):
        return None
    return "no file describes how images, videos or sound are prepared"


def _template_folders(_repo: Repo) -> frozenset[str]:
    return frozenset({template.FOLDER})


def _same_modules(base: Repo, adapter: Repo) -> bool:
    return same_files(base, adapter, MODULES.files(adapter))


TOKENIZER = Family(
    name="tokenizer",
    patterns=tokenizer.FILES,
    lacks=_tokenizer_lacks,
    same=tokenizer.same_tokenizer,
)
TEMPLATE = Family(
    name="chat template",
    patterns=template.FILES,
    folders=_template_folders,
    lacks=_template_lacks,
    same=template.same_template,
)
PROCESSOR = Family(
    name="processor",
    patterns=processor.FILES,
    lacks=_processor_lacks,
    same=processor.same_processor,
)
MODULES = Family(
    name="sentence-transformers setup",
    patterns=(MODULES_FILE, "config_sentence_transformers.json", "sentence_*_config.json"),
    folders=module_folders,
    lacks=_modules_lack,
    same=_same_modules,
)
FAMILIES = (TOKENIZER, TEMPLATE, PROCESSOR, MODULES)
