"""The chat template: which source's counts, and the places where it stands in the result.

A template file goes before the key in `tokenizer_config.json` (transformers, `from_pretrained` of
tokenizers). So a file of the one source beside a key of the other would be two templates in one
repository, and it would depend on the reader which of them counts.
"""

from __future__ import annotations

from adapter_merge.layouts.repo import Repo
from adapter_merge.layouts.rewrite import Assignment, Rewrite
from adapter_merge.layouts.tokenizer import TOKENIZER_CONFIG, is_vocabulary
from adapter_merge.plan import Change

KEY = "chat_template"
JINJA = "chat_template.jinja"
FILES = (JINJA, "chat_template.json")
FOLDER = "additional_chat_templates"


def template_of(repo: Repo) -> object:
    """A source's template: text, a list of named ones as an old config has it, or None.

    Raises:
        Corrupt: a JSON file isn't an object.
    """
    if JINJA in repo.files:
        return repo.text(JINJA)
    return repo.object("chat_template.json").get(KEY) or repo.object(TOKENIZER_CONFIG).get(KEY)


def brings_template(repo: Repo) -> bool:
    """Whether a source has a template that can count: in a file, or in a tokenizer that is complete."""
    if _has_file(repo):
        return True
    return any(map(is_vocabulary, repo.files)) and template_of(repo) is not None


def same_template(base: Repo, adapter: Repo) -> bool:
    """Whether an adapter's templates are the base's."""
    extra = [p for p in adapter.files if p.startswith(f"{FOLDER}/")]
    return template_of(base) == template_of(adapter) and all(
        p in base.files and base.bytes(p) == adapter.bytes(p) for p in extra
    )


def key_of_template(base: Repo, *, chat: Repo, tokenizer: Repo) -> tuple[Assignment, ...]:
    """What `tokenizer_config.json` must say so that it doesn't contradict the winning template.

    Args:
        base: the base.
        chat: whose template counts.
        tokenizer: whose tokenizer files the result has; an adapter's are never rewritten.
    """
    if tokenizer is not base or chat is base:
        return ()
    if _has_file(chat) and base.object(TOKENIZER_CONFIG).get(KEY) is None:
        return ()
    why = f"the template of {chat.label}"
    return (Assignment(file=TOKENIZER_CONFIG, key=KEY, value=template_of(chat), why=why),)


def file_of_template(base: Repo, *, chat: Repo, tokenizer: Repo) -> Rewrite | None:
    """The template file to write where the winning template stands only in a config; None elsewhere.

    It is needed where the base has such a file, as readers may know no other place, and where that
    config doesn't get into the result. A list of named templates can't stand in a file.
    """
    template = template_of(chat)
    if chat is tokenizer or _has_file(chat) or not isinstance(template, str):
        return None
    if tokenizer is base and not _has_file(base):
        return None
    before = base.text(JINJA) if JINJA in base.files else None
    why = f"{chat.label} has its template in `{TOKENIZER_CONFIG}` only"
    change = Change(subject=JINJA, before=before, after=template, why=why)
    return Rewrite(path=JINJA, origin=chat.origin, content=template.encode(), changes=(change,))


def _has_file(repo: Repo) -> bool:
    return any(f in repo.files for f in FILES)
