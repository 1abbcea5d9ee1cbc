"""The child: reads a pickle as weights alone and writes safetensors; started by `convert`, as `python -m`.

Torch takes nothing but tensors and plain values from it, and refuses what asks for more. Its parent gave it
no token and no network, and a limit holds its memory: a pickle may ask for any amount.
"""

from __future__ import annotations

import ctypes
import json
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_LIBRARIES = 3_000_000_000  # bytes that torch and its threads may hold
_COPIES = 8  # times the pickle
_ROOM = 16_000_000  # bytes of a file beyond those copies
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ASKED = re.compile(r"GLOBAL ([\w.]{1,100})")
_KINDS = {"Tensor", "Parameter"}


def mistake(source: Path, goal: Path) -> str | None:
    """Convert; the result is what is wrong with the pickle, as the end of a sentence, or None."""
    import torch

    try:
        found = torch.load(source, map_location="cpu", weights_only=True)
    except MemoryError:
        return "it asks for too much memory"
    except Exception as e:  # a stranger's bytes break the reader in any way
        return _told(e)
    if not isinstance(found, Mapping) or not found:
        return "it holds something else than tensors by their names"
    odd = next((n for n, t in found.items() if not _is_plain(n, t)), None)
    if odd is not None:
        return f"{ascii(odd)[:80]} in it is no plain tensor with a name"
    return _write(found, goal)


def _told(error: Exception) -> str:
    asked = _ASKED.search(str(error))
    if asked is not None:
        return f"it asks for `{asked[1]}`, which is code and no tensor"
    return f"torch can't read it as weights alone ({type(error).__name__})"


def _is_plain(name: object, value: object) -> bool:
    import torch

    return (
        isinstance(name, str)
        and type(value).__name__ in _KINDS
        and isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and not value.is_quantized
        and value.device.type == "cpu"
    )


def _write(found: Mapping[str, torch.Tensor], goal: Path) -> str | None:
    from safetensors.torch import save_file

    try:
        # Each gets bytes of its own: a file has no two tensors in one place.
        apart = {name: found[name].detach().contiguous().clone() for name in sorted(found)}
        save_file(apart, goal, metadata={"format": "pt"})
    except MemoryError:
        return "its tensors need too much memory"
    except Exception as e:  # a dtype that safetensors lacks, a limit of this process
        return f"its tensors can't be written as safetensors ({type(e).__name__})"
    return None


def _limit(size: int) -> None:
    """Hold memory and files, and end with a parent that was killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        import resource
    except ImportError:  # Windows
        return
    most = _COPIES * size
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, _LIBRARIES + most),
        (resource.RLIMIT_FSIZE, _ROOM + most),
    ):
        try:
            resource.setrlimit(kind, (limit, limit))
        except (OSError, ValueError):  # a system that doesn't know this limit
            continue


def main() -> None:
    """Convert the first file to the second, and write the answer into the third."""
    source, goal, answer = map(Path, sys.argv[1:])
    _limit(source.stat().st_size)
    told: Any = mistake(source, goal)
    answer.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
