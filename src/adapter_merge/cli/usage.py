"""Mistakes on the command line, in our own words: what is wrong, with which option, what to write."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Sequence
from typing import Any

import cyclopts
from cyclopts import App, CycloptsError
from pydantic import ValidationError

from adapter_merge.errors import RequestError

# How other programs call what we call adapter, base, to and so on, spelled with `-`.
_PEERS = {
    "adapter": (
        "--adapter --adapter-dir --adapter-id --adapter-model --adapter-name-or-path "
        "--adapter-path --adapters --ckpt-dir --lora --lora-dir --lora-model --lora-model-dir "
        "--lora-path --peft-model --peft-model-id --peft-model-path"
    ),
    "--base": (
        "--base-dir --base-model --base-model-id --base-model-name-or-path --base-model-path "
        "--model --model-id --model-name-or-path --model-path --pretrained-model"
    ),
    "--to": (
        "-o --dest --export-dir --export-hub-model-id --hub-model-id --merged-dir --out --out-dir "
        "--out-path --output --output-dir --output-path --repo-id --save-dir --save-path --target"
    ),
    "--private": "--hub-private-repo --private-repo --hub-private",
    "--branch": "--hub-branch --target-branch",
    "--tag": "--hub-tag --tag-name",
    "--dtype": "--export-dtype --infer-dtype --model-dtype --precision --torch-dtype",
    "--max-shard-size": "--export-size --shard-size",
    "--device": "--device-map --export-device",
    "--overwrite": "-f --force --overwrite-output-dir --exist-ok",
    "--workers": "-j --num-proc --num-workers --threads",
}
_OURS = {peer: ours for ours, peers in _PEERS.items() for peer in peers.split()}

# What has no option here, by what to do instead.
_INSTEAD = {
    "Set `HF_TOKEN`, or log in with `hf auth login`: what stands on a command line is seen by others.": (
        "--auth-token --hf-api-token --hf-hub-token --hf-token --hub-token --token --use-auth-token"
    ),
    "Write the repository as the target: `--to org/name`.": "--push --push-to-hub --upload",
    "Propose the result with `--publish pr`.": "--create-pr --hub-create-pr --pr",
    "It always says what was merged, and can't be chosen.": "--commit-description --commit-message",
    "Write it behind the id: `org/name@revision`.": (
        "--adapter-revision --base-revision --hub-revision --model-revision --revision"
    ),
    "Write it behind the id: `org/name/sub/folder`.": "--adapter-subfolder --sub-folder --subfolder",
}
_HINTS = {peer: hint for hint, peers in _INSTEAD.items() for peer in peers.split()}
_TOKEN = re.compile(r"hf_[A-Za-z0-9]{4,}")
_SECRETS = frozenset(next(iter(_INSTEAD.values())).split())


def shown(argv: Sequence[str]) -> str:
    """A command line as it was typed, but for what may be a token."""
    words = ["adapter-merge"]
    hidden = False
    for word in argv:
        flag, sign, _ = word.partition("=")
        secret = _plainly(flag) in _SECRETS
        words.append("***" if hidden else f"{flag}=***" if secret and sign else word)
        hidden = secret and not sign
    return _TOKEN.sub("***", shlex.join(words))


def _plainly(flag: str) -> str:
    return flag.lower().replace("_", "-")


def explain(error: CycloptsError, app: App) -> RequestError:
    """Our error for one of the parser's."""
    if isinstance(error.__cause__, ValidationError):
        return explain_value(error.__cause__, verb=_verb(error), option=_option(error))
    if isinstance(error, cyclopts.UnknownOptionError):
        return _unknown_option(error)
    if isinstance(error, cyclopts.UnknownCommandError):
        return _unknown_command(error, app)
    message = _plain(error)
    return RequestError(message, hint=_help(_verb(error)))


def explain_value(error: ValidationError, *, verb: str, option: str = "") -> RequestError:
    """Our error for the first value that the request doesn't take."""
    first = error.errors(include_url=False)[0]
    # A field's name is its option; a model-level sentence names its options itself.
    field = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "too_short" and field == "adapters":
        message = "no adapter is given"
        return RequestError(message, hint=f"Name one: `adapter-merge {verb} ./adapter`.")
    subject = option or (f"--{field.replace('_', '-')}" if field else "")
    sentence = _sentence(first)
    message = f"`{subject}`: {sentence}" if subject else sentence
    return RequestError(message, hint=_help(verb))


def _sentence(error: Any) -> str:
    value, context = error["input"], error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return str(context["error"])
        case "literal_error":
            known = str(context["expected"]).replace("'", "`")
            return f"`{value}` is not one of {known}"
        case "int_parsing" | "float_parsing":
            return f"`{value}` is not a number"
        case "greater_than_equal":
            return f"{value} is less than {context['ge']}"
        case "less_than_equal":
            return f"{value} is more than {context['le']}"
        case _:
            return f"`{value}`: {error['msg']}"


def _unknown_option(error: cyclopts.UnknownOptionError) -> RequestError:
    verb = _verb(error)
    flag = (error.token.keyword or error.token.value).partition("=")[0]
    message = f"`adapter-merge {verb}` has no option `{flag}`"
    known = [n for argument in error.argument_collection if argument.parse for n in argument.names]
    ours = _OURS.get(_plainly(flag))
    if ours == "adapter":
        return RequestError(
            message, hint=f"An adapter stands without a flag: `adapter-merge {verb} ./adapter`."
        )
    if ours is not None and ours in known:
        return RequestError(message, hint=f"Its name here is `{ours}`.")
    instead = _HINTS.get(_plainly(flag))
    return RequestError(message, hint=instead or _nearest(flag, known) or _help(verb))


def _unknown_command(error: cyclopts.UnknownCommandError, app: App) -> RequestError:
    word = (error.unused_tokens or [""])[0]
    for verb in error.command_chain or ():
        app = app[verb]
    names = [name for name in app if not name.startswith("-")]
    listed = ", ".join(f"`{name}`" for name in names)
    asked = " ".join(("adapter-merge", *(error.command_chain or ())))
    return RequestError(
        f"{asked} has no command `{word}`",
        hint=_nearest(word, names) or f"The commands are {listed}.",
    )


def _nearest(word: str, names: list[str]) -> str | None:
    # Without the dashes, which are alike everywhere.
    bare = {name.lstrip("-"): name for name in names}
    close = difflib.get_close_matches(word.lstrip("-"), bare, n=1)
    return f"Did you mean `{bare[close[0]]}`?" if close else None


def _plain(error: CycloptsError) -> str:
    match error:
        case cyclopts.MissingArgumentError():
            return f"`{_option(error)}` needs a value"
        case cyclopts.RepeatArgumentError():
            return f"`{error.token.keyword}` is given twice"
        case cyclopts.UnusedCliTokensError():
            word = (error.unused_tokens or [""])[0]
            return f"`{word}` is one argument too many"
        case cyclopts.CoercionError() if error.token is not None:
            return f"`{_option(error)}` doesn't take `{error.token.value}`"
        case _:
            return str(error)


def _verb(error: CycloptsError) -> str:
    return " ".join(error.command_chain or ())


def _option(error: CycloptsError) -> str:
    """The option or argument that an error is about, as its user knows it; empty for a whole model."""
    token = getattr(error, "token", None)
    keyword = getattr(error, "keyword", None) or (token.keyword if token is not None else None)
    if keyword:
        return str(keyword)
    if error.argument is None or error.argument.name == "*":
        return ""
    return error.argument.name


def _help(verb: str) -> str:
    command = " ".join(part for part in ("adapter-merge", verb, "--help") if part)
    return f"See what it takes: `{command}`."
