"""Every side file that isn't copied as it is, whoever's it is."""

from __future__ import annotations

from collections.abc import Sequence

from adapter_merge.layouts.choices import Choices
from adapter_merge.layouts.config import CONFIG, ConfigEdits, config_assignments
from adapter_merge.layouts.repo import Repo
from adapter_merge.layouts.rewrite import Assignment, Rewrite, rewrite
from adapter_merge.layouts.stop import generates, stop_token, stopping
from adapter_merge.layouts.template import (
    Templates,
    files_of_templates,
    given_template,
    key_of_template,
    templates_of,
)
from adapter_merge.layouts.tokenizer import declared_differences
from adapter_merge.layouts.wishes import Wishes


def edited(base: Repo, choices: Choices, edits: ConfigEdits, wishes: Wishes) -> tuple[Rewrite, ...]:
    """What is written in place of the sources' files, or beside them; each path once.

    Raises:
        Corrupt: a JSON file that has to be read isn't valid.
    """
    chat = None if choices.template is None else choices.template.winner
    templates = given_template(wishes.chat_template or "") if chat is None else templates_of(chat)
    said = _of_tokenizer(base, choices, templates)
    rewrites = (
        *rewrite(base, config_assignments(base.object(CONFIG), edits)),
        *rewrite(choices.tokenizer.winner, said),
        *files_of_templates(base, templates, chat),
    )
    if wishes.generation_config == "base" or not generates(base.object(CONFIG), edits.architecture):
        return rewrites
    return (*rewrites, *_of_generation(base, choices, templates, said))


def _of_tokenizer(base: Repo, choices: Choices, templates: Templates) -> tuple[Assignment, ...]:
    equal = choices.tokenizer.equal
    declared = () if equal is None else declared_differences(base, equal)
    return (*declared, *key_of_template(templates, choices.tokenizer.winner))


def _of_generation(
    base: Repo, choices: Choices, templates: Templates, said: Sequence[Assignment]
) -> tuple[Rewrite, ...]:
    if templates.default is None:
        return ()
    stop = stop_token(templates.default, choices.tokenizer.winner, said)
    return () if stop is None else stopping(base, stop)
