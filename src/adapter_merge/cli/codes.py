"""`adapter-merge codes`: every check code and every exit code, or all that is known of one check."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_merge.cli.show import grid, labelled, on_stdout
from adapter_merge.errors import AdapterMergeError, RequestError

if TYPE_CHECKING:
    from adapter_merge.checks import Explained


@dataclass(frozen=True, kw_only=True)
class ExitCode:
    """One exit code: the error class it stands for, what that means, and its finer classes."""

    code: int
    name: str
    meaning: str
    kinds: tuple[tuple[str, str], ...]


def codes(code: str | None = None, /) -> None:
    """List the codes of the checks, and the exit codes with their error classes.

    Args:
        code: A check's code, such as `T005`: its cause, how to look, and what to do.
    """
    from adapter_merge.checks import ALL_CHECKS

    console = on_stdout()
    if code is not None:
        console.print(labelled(_entry(_check(code))))
        return
    console.print("Checks")
    console.print(grid((check.code, check.title) for check in ALL_CHECKS))
    console.print("\nExit codes")
    console.print(grid(_lines()))


def _check(code: str) -> Explained:
    """The check of a code, in whatever case.

    Raises:
        RequestError: no check has it.
    """
    from adapter_merge.checks import ALL_CHECKS

    for check in ALL_CHECKS:
        if check.code == code.upper():
            return check
    raise RequestError(f"no check has the code `{code}`", hint="`adapter-merge codes` lists them.")


def _entry(check: Explained) -> Iterator[tuple[str, str]]:
    yield check.code, check.title
    yield "cause", check.why
    yield "look", check.look
    yield "do", check.fix
    yield "ignore", check.ignore


def exit_codes() -> tuple[ExitCode, ...]:
    """The error tree of `errors.py` by exit code."""
    found = [
        ExitCode(
            code=kind.exit_code,
            name=kind.__name__,
            meaning=_meaning(kind),
            kinds=tuple((k.__name__, _meaning(k)) for k in kind.__subclasses__()),
        )
        for kind in AdapterMergeError.__subclasses__()
    ]
    return tuple(sorted(found, key=lambda e: e.code))


def _meaning(kind: type[AdapterMergeError]) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _lines() -> Iterator[tuple[str, str, str]]:
    yield "0", "", "Done."
    yield "1", "", "A bug in adapter-merge."
    for exit_code in exit_codes():
        yield str(exit_code.code), exit_code.name, exit_code.meaning
        for name, meaning in exit_code.kinds:
            yield "", name, meaning
