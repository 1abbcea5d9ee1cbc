"""Whether PEFT and transformers are there, in a version that was compared with; nothing is imported."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from adapter_merge.errors import MergeError, UnsupportedError
from adapter_merge.methods import METHODS

# From the first to before the last, as `pyproject.toml` has them.
RANGES = {"peft": ("0.18", "0.22"), "transformers": ("5.18", "6")}
COMMAND = "pip install " + " ".join(f"'{n}>={a},<{b}'" for n, (a, b) in RANGES.items())


def require(peft_type: str, *, label: str) -> None:
    """Make sure that this machine can build a method's layers; `label` is what messages call the adapter.

    Raises:
        MergeError: a library is missing, or of another version.
        UnsupportedError: the installed PEFT doesn't have the method.
    """
    for name, (first, last) in RANGES.items():
        found = _version(name)
        if found is None or not _numbers(first) <= _numbers(found) < _numbers(last):
            there = "isn't installed" if found is None else f"is installed as {found}"
            raise MergeError(
                f"`{label}` is merged through PEFT's layers, and {name} {there}", hint=COMMAND
            )
    method, found = METHODS[peft_type], _version("peft") or ""
    if _numbers(found) < _numbers(method.since):
        raise UnsupportedError(
            f"`{label}` can't be merged: {peft_type} came with peft {method.since}, and {found} is installed",
            hint=f"pip install 'peft>={method.since},<{RANGES['peft'][1]}'",
        )
    if method.until and _numbers(found) >= _numbers(method.until):
        raise UnsupportedError(
            f"`{label}` can't be merged: {peft_type} left peft with {method.until}, and {found} is installed",
            hint=f"pip install 'peft>={RANGES['peft'][0]},<{method.until}'",
        )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, int]:
    """Major and minor version."""
    major, _, rest = text.partition(".")
    return int(major), int(rest.split(".", 1)[0] or 0)
