"""Regular expressions out of a stranger's config, run in a process of their own that may not take long.

PEFT runs them as they are, and a pattern such as `(a+)+$` can take it years: nothing but the end of its
process stops Python's engine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapter_merge.children import environment
from adapter_merge.errors import Corrupt

SECONDS = 10  # those of real adapters take some milliseconds for all names together
_SHOWN = 200  # characters of a pattern in a message

_CHILD = """
import json, re, sys
try:
    for index, pattern in enumerate(patterns := json.loads(sys.stdin.readline())):
        patterns[index] = re.compile(pattern)
except Exception as e:
    sys.exit(json.dump({"wrong": index, "why": str(e)}, sys.stdout))
found = {}
for name in json.loads(sys.stdin.readline()):
    for index, pattern in enumerate(patterns):
        match = pattern.fullmatch(name)
        if match:
            found[name] = [index, match[1] if pattern.groups else None]
            break
json.dump({"found": found}, sys.stdout)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patterns:
    """Patterns of one config, in its order.

    Attributes:
        texts: as the config has them.
        form: the expression around each, with the pattern for `{}`.
        label: the adapter that messages name.
    """

    texts: Sequence[str]
    form: str = "{}"
    label: str

    def first_matches(self, names: Iterable[str]) -> Mapping[str, tuple[int, str | None]]:
        """For every name that a pattern matches as a whole: the place of the first such, its first group.

        Raises:
            Corrupt: a pattern is no regular expression, or they take too long.
        """
        if not self.texts:
            return {}
        answer = self._ask([self.form.replace("{}", text) for text in self.texts], list(names))
        if "wrong" in answer:
            raise self._corrupt(
                f"{self._shown(answer['wrong'])} is not a regular expression: {answer['why']}"
            )
        return {name: (place, group) for name, (place, group) in answer["found"].items()}

    def _ask(self, expressions: list[str], names: list[str]) -> Any:
        try:
            done = subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-I", "-S", "-c", _CHILD],
                input=f"{json.dumps(expressions)}\n{json.dumps(names)}\n",
                capture_output=True,
                encoding="ascii",
                timeout=SECONDS,
                check=True,
                env=environment(Path(os.devnull)),
            )
        except subprocess.TimeoutExpired as e:
            raise self._corrupt(f"{self._all()} takes more than {SECONDS} s to match") from e
        except subprocess.CalledProcessError as e:
            raise self._corrupt(f"{self._all()} can't be run") from e
        return json.loads(done.stdout)

    def _shown(self, place: int) -> str:
        text = self.texts[place]
        return f"`{text[:_SHOWN]}{'...' if len(text) > _SHOWN else ''}`"

    def _all(self) -> str:
        return self._shown(0) + (" or another one" if len(self.texts) > 1 else "")

    def _corrupt(self, what: str) -> Corrupt:
        return Corrupt(
            f"in `adapter_config.json` of `{self.label}` the pattern {what}",
            hint="Repair `target_modules`, `rank_pattern` or what else has the pattern.",
        )
