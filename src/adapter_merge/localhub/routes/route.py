"""What a route is: a line like `POST /api/{kind}/{repo}/commit/{rev}`, and who answers it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from adapter_merge.localhub.state import State
from adapter_merge.localhub.wire import Answer, Ask

Handle = Callable[[State, Ask], Answer]

# What a name in braces stands for; any other one is a single part of the path.
_PARTS = {
    "kind": r"(models|datasets|spaces)",
    "at": r"(?:(models|datasets|spaces)/)?",
    "repo": r"([^/]+/[^/]+?)",
    "path": r"(.+)",
    "digest": r"([0-9a-f]{64})",
    "num": r"(\d+)",
}
_NAME = re.compile(r"\\\{(\w+)\\\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One call of the API; with `streams` its body is a file, which is read as it comes."""

    method: str
    pattern: re.Pattern[str]
    handle: Handle
    streams: bool = False

    def match(self, method: str, path: str) -> tuple[str, ...] | None:
        """What the path says in the places of the pattern; None where the call is another one."""
        found = self.pattern.fullmatch(path) if method == self.method else None
        if found is None:
            return None
        return tuple(unquote(part or "models") for part in found.groups())


def route(line: str, handle: Handle, *, streams: bool = False) -> Route:
    """A route from its line."""
    method, path = line.split(" ")
    pattern = _NAME.sub(lambda name: _PARTS.get(name[1], r"([^/]+)"), re.escape(path))
    return Route(method=method, pattern=re.compile(pattern), handle=handle, streams=streams)
