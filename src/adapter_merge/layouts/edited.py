"""Every side file that isn't copied as it is, whoever's it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adapter_merge.layouts.choices import Choices
from adapter_merge.layouts.compat import compat_config, compat_tokenizer
from adapter_merge.layouts.config import CONFIG, ConfigEdits, config_assignments
from adapter_merge.layouts.repo import Repo
from adapter_merge.layouts.rewrite import Assignment, Rewrite, rewrite
from adapter_merge.layouts.sentence import longest, older_modules
from adapter_merge.layouts.stop import generates, stop_token, stopping
from adapter_merge.layouts.template import (
    Templates,
    files_of_templates,
    given_template,
    key_of_template,
    templates_of,
)
from adapter_merge.layouts.tokenizer import TOKENIZER_CONFIG, declared_differences
from adapter_merge.layouts.wishes import Wishes


def edited(base: Repo, choices: Choices, edits: ConfigEdits, wishes: Wishes) -> tuple[Rewrite, ...]:
    """What is written in place of the sources' files, or beside them; each path once.

    Raises:
        Corrupt: a JSON file that has to be read isn't valid.
    """
    chat = None if choices.template is None else choices.template.winner
    templates = given_template(wishes.chat_template or "") if chat is None else templates_of(chat)
    config, tokenizer = base.object(CONFIG), choices.tokenizer.winner
    said = tuple(_on_tokenizer(base, choices, templates, wishes))
    rewrites = (
        *rewrite(base, _on_config(config, edits, wishes)),
        *rewrite(tokenizer, said),
        *(_older_modules(config, choices) if wishes.compat else ()),
        *files_of_templates(base, templates, chat),
    )
    if wishes.generation_config == "base" or not generates(config, edits.architecture):
        return rewrites
    stop = None if templates.default is None else stop_token(templates.default, tokenizer, said)
    return rewrites if stop is None else (*rewrites, *stopping(base, stop))


def _on_config(
    config: Mapping[str, Any], edits: ConfigEdits, wishes: Wishes
) -> Iterator[Assignment]:
    yield from config_assignments(config, edits)
    if wishes.compat:
        yield from compat_config(config)


def _on_tokenizer(
    base: Repo, choices: Choices, templates: Templates, wishes: Wishes
) -> Iterator[Assignment]:
    winner, equal = choices.tokenizer.winner, choices.tokenizer.equal
    if equal is not None:
        yield from declared_differences(base, equal)
    yield from key_of_template(templates, winner)
    if wishes.compat:
        yield from compat_tokenizer(winner)


def _older_modules(config: Mapping[str, Any], choices: Choices) -> tuple[Rewrite, ...]:
    if choices.modules is None:
        return ()
    tokenizer = choices.tokenizer.winner.object(TOKENIZER_CONFIG)
    return older_modules(choices.modules.winner, length=longest(config, tokenizer))
