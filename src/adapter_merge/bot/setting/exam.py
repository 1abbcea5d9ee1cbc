"""One thing that the bot needs, looked at: how it is, and what to do where it isn't well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from adapter_merge.errors import AdapterMergeError

State = Literal["ok", "warn", "fail", "skip"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Exam:
    """What was found.

    Attributes:
        name: of the thing.
        state: `skip` is what wasn't looked at; only `fail` keeps the bot from its work.
        said: in a sentence.
        todo: what to do; empty where there is nothing.
    """

    name: str
    state: State
    said: str
    todo: str = ""


def examined(name: str, look: Callable[[], Exam | Iterator[Exam]]) -> Iterator[Exam]:
    """What `look` found; an error of ours is a finding, too."""
    try:
        found = look()
        yield from (found,) if isinstance(found, Exam) else found
    except AdapterMergeError as e:
        yield Exam(name=name, state="fail", said=e.message, todo=e.hint)
