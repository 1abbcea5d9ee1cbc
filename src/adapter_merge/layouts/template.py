"""The chat template: which source's counts, and the places where it stands in the result.

Some readers know only `chat_template.jinja`, some only the key in `tokenizer_config.json`. So the
template that counts stands in both, with equal text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from adapter_merge.layouts.repo import Repo
from adapter_merge.layouts.rewrite import Assignment, Rewrite
from adapter_merge.layouts.tokenizer import TOKENIZER_CONFIG, is_vocabulary
from adapter_merge.plan import Change

KEY = "chat_template"
JINJA = "chat_template.jinja"
LEGACY = "chat_template.json"
FILES = (JINJA, LEGACY)
FOLDER = "additional_chat_templates"
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Templates:
    """The templates of one source.

    Attributes:
        origin: whose they are, as a side file says it.
        label: what sentences call that.
        default: the one that counts where nobody names one; None where there is none.
        named: the others by name.
        key: what `tokenizer_config.json` says: a text, a list as an old config has it, or None.
    """

    origin: str
    label: str
    default: str | None = None
    named: Mapping[str, str] = field(default_factory=dict)
    key: object = None

    @property
    def files(self) -> Mapping[str, str]:
        """The template files that say the same: path -> text; empty where names can't be files."""
        if not all(map(_PLAIN.fullmatch, self.named)):
            return {}
        default = {} if self.default is None else {JINJA: self.default}
        return default | {f"{FOLDER}/{name}.jinja": text for name, text in self.named.items()}


def given_template(text: str) -> Templates:
    """The template that the request brings."""
    return Templates(origin="made", label="`--chat-template`", default=text, key=text)


def templates_of(repo: Repo) -> Templates:
    """A source's templates, as transformers finds them: files go before the key in the config.

    Raises:
        Corrupt: a JSON file isn't an object, or a template isn't UTF-8.
    """
    default = _default_file(repo)
    named = {
        PurePosixPath(p).stem: repo.text(p)
        for p in repo.files
        if PurePosixPath(p).parent.as_posix() == FOLDER and p.endswith(".jinja")
    }
    key: object = repo.object(TOKENIZER_CONFIG).get(KEY) or None
    if default is not None or named:
        key = default
    elif isinstance(key, str):
        default = key
    else:
        named = _listed(key)
        default = named.pop("default", None)
    return Templates(origin=repo.origin, label=repo.label, default=default, named=named, key=key)


def _default_file(repo: Repo) -> str | None:
    """The text of the template file that counts.

    A processor reads `chat_template.json` first and a tokenizer never does (transformers 4.57 and 5,
    `ProcessorMixin.get_processor_dict`), so that file goes first beside a processor only.
    """
    legacy = repo.object(LEGACY).get(KEY)
    legacy = legacy if isinstance(legacy, str) and legacy else None
    if JINJA not in repo.files or (legacy and any(p in repo.files for p in _PROCESSORS)):
        return legacy
    return repo.text(JINJA)


def _listed(value: object) -> dict[str, str]:
    """The templates of a list such as `[{"name": "default", "template": "..."}]`."""
    if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
        return {}
    pairs = [(v.get("name"), v.get("template")) for v in value]
    return {n: t for n, t in pairs if isinstance(n, str) and isinstance(t, str)}


def brings_template(repo: Repo) -> bool:
    """Whether a source has a template that can count: in a file, or in a tokenizer that is complete."""
    if any(f in repo.files for f in FILES) or any(map(is_vocabulary, repo.files)):
        templates = templates_of(repo)
        return templates.key is not None or bool(templates.named)
    return False


def same_template(base: Repo, adapter: Repo) -> bool:
    """Whether an adapter's templates are the base's."""
    ours, theirs = templates_of(base), templates_of(adapter)
    return ours.default == theirs.default and ours.named == theirs.named


def key_of_template(templates: Templates, tokenizer: Repo) -> tuple[Assignment, ...]:
    """What `tokenizer_config.json` must say so that it names the template that counts.

    Args:
        templates: those that count.
        tokenizer: whose tokenizer files the result has.
    """
    is_there = TOKENIZER_CONFIG in tokenizer.files or any(map(is_vocabulary, tokenizer.files))
    if templates.key is None or not is_there:
        return ()
    why = f"the template of {templates.label}, where readers of the config find it"
    return (Assignment(file=TOKENIZER_CONFIG, key=KEY, value=templates.key, why=why),)


def files_of_templates(base: Repo, templates: Templates, chat: Repo | None) -> Iterator[Rewrite]:
    """The template files that the winning source doesn't have, or has with another text.

    Args:
        base: the base, from which the declared changes start.
        templates: those that count.
        chat: the source that they come from; None where the request brings them.
    """
    for path, text in templates.files.items():
        if chat is not None and path in chat.files and chat.text(path) == text:
            continue
        before = base.text(path) if path in base.files else None
        why = f"the template of {templates.label}, where readers of files find it"
        change = Change(subject=path, before=before, after=text, why=why)
        yield Rewrite(
            path=path,
            origin=templates.origin,
            content=text.encode(),
            changes=() if before == text else (change,),
        )
