"""What a request asks of the files beside the weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from adapter_merge.errors import RequestError
from adapter_merge.layouts.sandbox import mistake_of
from adapter_merge.request import Settings

_HINT = "Name a file with a jinja template, such as `chat_template.jinja` of a tokenizer."


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """The settings on side files, read.

    Attributes:
        chat_template: the text that takes the place of every source's template; None keeps theirs.
        generation_config: `base` leaves the base's file as it is.
        compat: whether files are written with the names that older versions know.
        bundle_as: the id on the Hub that a bundle will have; None for one that stays in its folder.
    """

    chat_template: str | None = None
    generation_config: Literal["auto", "base"] = "auto"
    compat: bool = False
    bundle_as: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Wishes:
        """Read what the settings name.

        Raises:
            RequestError: `chat_template` isn't a file with a template.
        """
        path = settings.chat_template
        return cls(
            chat_template=None if path is None else _template(path),
            generation_config=settings.generation_config,
            compat=settings.compat,
            bundle_as=settings.bundle_as,
        )

    @property
    def recipe(self) -> Mapping[str, str]:
        """What of it decides the result's bytes, as a plan's settings have it; defaults say nothing."""
        said: dict[str, str] = {}
        if self.chat_template is not None:
            digest = hashlib.sha256(self.chat_template.encode()).hexdigest()
            said["chat_template"] = f"sha256:{digest}"
        if self.generation_config != "auto":
            said["generation_config"] = self.generation_config
        if self.compat:
            said["compat"] = "true"
        return said


def _template(path: Path) -> str:
    try:
        text = path.expanduser().read_bytes().decode()
    except OSError as e:
        raise RequestError(
            f"`--chat-template {path}` can't be read: {e.strerror}", hint=_HINT
        ) from e
    except UnicodeDecodeError as e:
        raise RequestError(f"`--chat-template {path}` is not UTF-8", hint=_HINT) from e
    if not text.strip():
        raise RequestError(f"`--chat-template {path}` is empty", hint=_HINT)
    mistake = mistake_of(text)
    if mistake is not None:
        raise RequestError(
            f"`--chat-template {path}` is no jinja template: {mistake}",
            hint="Repair the file; transformers would stop at the same place.",
        )
    return text
