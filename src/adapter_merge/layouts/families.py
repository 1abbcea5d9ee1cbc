"""Side files that belong together: each family comes from one source, whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from adapter_merge.layouts import template, tokenizer
from adapter_merge.layouts.repo import Repo

MODULES_FILE = "modules.json"
_PROCESSORS = ("image_processor", "feature_extractor", "video_processor")


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


def module_folders(repo: Repo) -> frozenset[str]:
    """The folders that a `modules.json` names, those of modules without content among them.

    Raises:
        Corrupt: it isn't a list of modules.
    """
    return frozenset(path for path, _ in module_kinds(repo) if path)


def module_kinds(repo: Repo) -> tuple[tuple[str, str], ...]:
    """Folder and class of each module; the folder of the model itself is empty.

    Raises:
        Corrupt: `modules.json` isn't a list of modules.
    """
    found: list[tuple[str, str]] = []
    for module in repo.objects(MODULES_FILE):
        path, kind = module.get("path"), module.get("type")
        if not isinstance(path, str) or not isinstance(kind, str):
            raise repo.corrupt(MODULES_FILE, "has a module without `path` or `type`")
        found.append(("/".join(PurePosixPath(path).parts), kind))
    return tuple(found)


def _modules_lack(repo: Repo) -> str | None:
    if MODULES_FILE not in repo.files:
        return f"there is no `{MODULES_FILE}`"
    for folder, kind in module_kinds(repo):
        is_there = any(p.startswith(f"{folder}/") for p in repo.files)
        # A Normalize module has no settings: nothing is written for it, and git keeps no empty folder.
        if folder and not is_there and not kind.endswith("Normalize"):
            return f"`{MODULES_FILE}` names the folder `{folder}`, which isn't there"
    return None


def _tokenizer_lacks(repo: Repo) -> str | None:
    if any(map(tokenizer.is_vocabulary, repo.files)):
        return None
    return "there is no vocabulary file"


def _template_lacks(repo: Repo) -> str | None:
    return None if template.brings_template(repo) else "there is no chat template"


def _processor_lacks(repo: Repo) -> str | None:
    if "preprocessor_config.json" in repo.files:
        return None
    # transformers 4 describes the image processor in a file of its own, 5 inside this one.
    if any(repo.object("processor_config.json").get(key) for key in _PROCESSORS):
        return None
    return "no file describes how images or sound are prepared"


def _template_folders(_repo: Repo) -> frozenset[str]:
    return frozenset({template.FOLDER})


def _same_processor(base: Repo, adapter: Repo) -> bool:
    return same_files(base, adapter, PROCESSOR.files(adapter))


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
    patterns=(
        "preprocessor_config.json",
        "processor_config.json",
        "video_preprocessor_config.json",
        "audio_tokenizer_config.json",
    ),
    lacks=_processor_lacks,
    same=_same_processor,
)
MODULES = Family(
    name="sentence-transformers setup",
    patterns=(MODULES_FILE, "config_sentence_transformers.json", "sentence_*_config.json"),
    folders=module_folders,
    lacks=_modules_lack,
    same=_same_modules,
)
FAMILIES = (TOKENIZER, TEMPLATE, PROCESSOR, MODULES)
