"""Asks a chat template something without trusting it: it runs in a child with limits."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapter_merge.children import environment, isolated

_PROGRAM = Path(__file__).with_name("render.py")
_SECONDS = 5

MARKER = "WhatTheAssistantSays"
_ROLES = (("user", "WhatTheUserSays"), ("assistant", MARKER))
# A turn's content is a text, or, as templates for images have it, a list of parts.
_CHATS = [
    [{"role": role, "content": text} for role, text in _ROLES],
    [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in _ROLES],
]


def mistake_of(template: str) -> str | None:
    """What jinja finds wrong with a template; None where it can be parsed."""
    answer = _ask(template, {}, chats=[])
    if answer is None:
        return f"reading it takes more than {_SECONDS} seconds, or too much memory"
    return answer.get("mistake")


def after_answer(template: str, tokens: Mapping[str, str]) -> str | None:
    """What follows the assistant's words in a chat of one question and its answer.

    None where the template doesn't take such a chat, fails, or doesn't end in a few seconds.

    Args:
        template: jinja, as transformers takes it.
        tokens: the tokenizer's special tokens by name, such as `eos_token`.
    """
    return (_ask(template, tokens, chats=_CHATS) or {}).get("after")


def _ask(template: str, tokens: Mapping[str, str], *, chats: list[Any]) -> dict[str, str] | None:
    asked = {"template": template, "tokens": dict(tokens), "chats": chats, "marker": MARKER}
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, and a program of ours
            isolated(str(_PROGRAM)),
            input=json.dumps(asked).encode(),
            capture_output=True,
            check=True,
            timeout=_SECONDS,
            env=environment(Path(os.devnull)),
        )
        answer = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return answer if isinstance(answer, dict) else None
