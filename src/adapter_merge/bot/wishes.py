"""What people ask of a bot that runs, as files in its state folder: they hold over a restart, and need no port."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_PAUSED, _RETRY = "paused", "retry"


def is_paused(state: Path) -> bool:
    """Whether nothing is to be merged for now."""
    return (state / _PAUSED).exists()


def pause(state: Path) -> bool:
    """Begin no merge from now on, until `resume`; what runs ends. False where that was so already."""
    if is_paused(state):
        return False
    state.mkdir(parents=True, exist_ok=True)
    (state / _PAUSED).touch()
    return True


def resume(state: Path) -> bool:
    """Merge again; False where nothing was paused."""
    if not is_paused(state):
        return False
    (state / _PAUSED).unlink(missing_ok=True)
    return True


def lay(state: Path) -> None:
    """Have the bot own the folder of wishes, so that it can take out what others put in.

    Raises:
        OSError: it can't be made.
    """
    (state / _RETRY).mkdir(exist_ok=True)


def retry(state: Path, target: str) -> None:
    """Have a target that failed tried again, in the next round."""
    place = state / _RETRY
    place.mkdir(parents=True, exist_ok=True)
    name = target.replace("/", "--")
    half = place / f".{name}"
    half.write_text(target, encoding="utf-8")
    half.replace(place / name)


def retries(state: Path) -> tuple[str, ...]:
    """The targets that were asked for, once each; what can't be read, or would come again, is none."""
    place = state / _RETRY
    found: list[str] = []
    for path in sorted(place.glob("[!.]*")):
        with suppress(OSError, UnicodeDecodeError):
            target = path.read_text(encoding="utf-8")
            path.unlink()
            found.append(target)
    return tuple(found)
