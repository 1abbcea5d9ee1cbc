"""Has a pickle converted by a child that holds no token, once: the result is kept under the pickle's digest."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

from adapter_merge.children import environment, isolated
from adapter_merge.errors import AdapterMergeError, Corrupt, MergeError, NotSafetensors
from adapter_merge.folder import sha256
from adapter_merge.weights import read_header, write_error

# Before it `weights_only` could be made to run code (CVE-2025-32434).
_TORCH = (2, 6)
_SECONDS, _A_SECOND = 120, 20_000_000  # to start with, and bytes a second after that
_SHOWN = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Converter:
    """Implements `ports.Unpickle`; `place` is the folder that keeps what was converted."""

    place: Path

    def __call__(self, pickle: Path, *, label: str) -> Path:
        """See `ports.Unpickle`."""
        digest = sha256(pickle)
        kept = self.place / f"{digest}.safetensors"
        if _is_sound(kept):
            return kept
        _require_torch()
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=".", dir=self.place) as scratch:
                made = _made(pickle, Path(scratch), label)
                if sha256(pickle) != digest:
                    raise _changed(pickle, label)
                made.replace(kept)
        except OSError as e:
            raise write_error(e, name=str(self.place)) from e
        return kept


def _is_sound(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        read_header(path, name=path.name)
    except AdapterMergeError:
        return False
    return True


def _require_torch() -> None:
    try:
        found = version("torch")
    except PackageNotFoundError:
        found = "0"
    if tuple(map(int, re.findall(r"\d+", found)[:2])) < _TORCH:
        wanted = ".".join(map(str, _TORCH))
        raise MergeError(
            f"torch {found} doesn't read a pickle safely: what it takes for weights alone may run code",
            hint=f'`pip install "torch>={wanted}"`, or take an adapter with safetensors.',
        )


def _made(pickle: Path, scratch: Path, label: str) -> Path:
    """The tensors of a pickle in a file of the scratch folder.

    Raises:
        NotSafetensors: there is more in it than tensors, or it can't be read.
    """
    goal, answer = scratch / "converted", scratch / "answer"
    size = pickle.stat().st_size
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, and a program of ours
            isolated(
                "-m", "adapter_merge.pickles.program", *map(str, (pickle.resolve(), goal, answer))
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=_SECONDS + size / _A_SECOND,
            env=environment(scratch),
            cwd=scratch,
        )
    except subprocess.TimeoutExpired as e:
        raise _refused(pickle, label, f"reading it takes more than {e.timeout:.0f} seconds") from e
    if not answer.is_file():
        code = done.returncode
        raise _refused(pickle, label, f"the process that read it ended with {code} and no word")
    mistake = json.loads(answer.read_bytes())
    if mistake is not None:
        raise _refused(pickle, label, str(mistake)[:_SHOWN])
    try:
        read_header(goal, name=pickle.name)
    except AdapterMergeError as e:
        raise _refused(pickle, label, e.message) from e
    return goal


def _refused(pickle: Path, label: str, why: str) -> NotSafetensors:
    return NotSafetensors(
        f"`{pickle.name}` in `{label}` can't be converted: {why}",
        hint="Nothing of it was run. Ask its owner for `adapter_model.safetensors`, which a current PEFT saves.",
    )


def _changed(pickle: Path, label: str) -> Corrupt:
    return Corrupt(
        f"`{pickle.name}` in `{label}` changed while it was read",
        hint="Wait until it is saved, and run again.",
    )
