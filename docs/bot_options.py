"""The page with the options of `serve` and `bot`, from the program's own help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

from cyclopts import App
from cyclopts.argument import Argument

from adapter_merge.bot.setting.doctor import TOKENS
from adapter_merge.cli.main import build

_TOKENS_INTRODUCTION = (
    "## Tokens",
    "",
    "No option takes one. `adapter-merge bot doctor` looks at those that are there, and at what they may do.",
    "",
    "| to | take |",
    "|---|---|",
)
_ENVIRONMENT = (
    "## Environment",
    "",
    "| variable | meaning |",
    "|---|---|",
    "| `ADAPTER_MERGE_WEBHOOK_SECRET` | The webhook's secret; `ADAPTER_MERGE_WEBHOOK_SECRET_FILE` names a file with it. |",
    "| `HF_ENDPOINT`, `HF_HOME` | As everywhere: the Hub, and the folder of its cache. |",
    "| `GITHUB_API_URL` | GitHub's API, where it isn't `https://api.github.com`. |",
    "| `ADAPTER_MERGE_MERGES`, `WEBHOOK_PAYLOAD` | Of `bot job`: the text of merges.yaml, and what was pushed, which the Hub sets. |",
)


def lines() -> Iterator[str]:
    """The page."""
    app = build()
    yield from (
        "# `serve` and `bot`",
        "",
        "[The bot](../guides/bot.md) says what they are for.",
        "",
    )
    yield from _command(app["serve"], "serve")
    bot = app["bot"]
    for name in sorted((n for n in bot if not n.startswith("-")), key=lambda n: bot[n].sort_key):
        yield from _command(bot[name], f"bot {name}")
    yield from _TOKENS_INTRODUCTION
    yield from (f"| {what} | {token} |" for what, token in TOKENS)
    yield from ("", *_ENVIRONMENT)


def _command(command: App, name: str) -> Iterator[str]:
    yield from (f"## `{name}`", "", *_words(command.help), "")
    yield from ("| option | default | meaning |", "|---|---|---|")
    for a in command.assemble_argument_collection(parse_docstring=True):
        if a.name != "*":  # of which the others are parts
            yield f"| {_names(a)} | {_default(a)} | {a.parameter.help} |"
    yield ""


def _words(text: str) -> Iterator[str]:
    """What the help says before its list of arguments, a paragraph a line."""
    told = takewhile(lambda line: line.strip() != "Args:", text.splitlines())
    first, *more = re.split(r"\n\s*\n", "\n".join(told).strip())
    yield " ".join(first.split())
    for paragraph in more:
        yield from ("", " ".join(paragraph.split()))


def _names(argument: Argument) -> str:
    """The option, and how it is turned off where it is on."""
    is_on = argument.field_info.default is True
    return ", ".join(f"`{name}`" for name in (argument.names if is_on else argument.names[:1]))


def _default(argument: Argument) -> str:
    if argument.required:
        return "needed"
    default = argument.field_info.default
    if default is True:
        return f"`{argument.name}`"
    return f"`{default}`" if argument.show_default and default not in {None, False} else ""
