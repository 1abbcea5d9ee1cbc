"""Install the program for the Action: an environment of its own, made once for each state of the Action.

Standard library only, and run with the runner's Python in its isolated mode: nothing that lies in the user's
checkout is imported. Commands: `key` writes what the following steps need to `GITHUB_OUTPUT`, `install`
makes the environment where it isn't there.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TORCH, NEWEST = (2, 4), 3  # from, and the major version before which
_WISHES = ("auto", "cpu", "cuda", "skip")
_CPU = "https://download.pytorch.org/whl/cpu"
# pip shows it: a line break in it would let the rest be a command to the runner.
_ADDRESS = re.compile(r"(?:https?|file)://[\x21-\x7e]+")
_LOCK = "requirements.lock"
_DONE = ".adapter-merge-ready"

_ASK_TORCH = """
import os, torch
print(torch.__version__, os.path.dirname(os.path.dirname(torch.__file__)), sep="\\n")
"""


class Stopped(Exception):
    """The environment can't be made; the text says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Torch:
    """The torch that the environment gets: one that lies in `place`, or else this version; neither is none.

    With an `index` it comes without its dependencies, which are locked; without one from pip's own index, with CUDA's libraries
    where they belong to it.
    """

    place: str = ""
    index: str = ""
    version: str = ""


def wished(environment: Mapping[str, str], action: Path) -> Torch:
    """Which torch: `auto` takes the one that this Python imports, and else the build for CPUs."""
    wish = environment.get("INPUT_TORCH", "").strip().lower() or "auto"
    index = environment.get("INPUT_TORCH_INDEX_URL", "").strip()
    if wish not in _WISHES:
        raise Stopped(f"input `torch`: `{wish}` is not one of {', '.join(_WISHES)}")
    if index and _ADDRESS.fullmatch(index) is None:
        raise Stopped("input `torch-index-url` is no address such as `https://host/simple`")
    if wish == "skip":
        return Torch()
    if wish == "auto" and not index and (found := imported()) is not None:
        return found
    # macOS has one build of torch, and it isn't on the index of those for CPUs.
    if not index and wish != "cuda" and sys.platform != "darwin":
        index = _CPU
    lines = (action / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = next(line for line in lines if line.startswith("torch=="))
    return Torch(index=index, version=pinned.partition("==")[2].strip())


def imported() -> Torch | None:
    """The torch that this Python imports; None where there is none, or one that is too old or too new."""
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-I", "-c", _ASK_TORCH], capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    if done.returncode != 0 or len(lines) < 2:
        return None
    version, place = lines[-2:]
    numbers = tuple(int(n) for n in version.partition("+")[0].split(".")[:2] if n.isdigit())
    return Torch(place=place, version=version) if TORCH <= numbers < (NEWEST,) else None


def key(action: Path, torch: Torch) -> str:
    """What tells one environment from another: the Action's files, the Python, the torch."""
    count = hashlib.sha256()
    for path in sorted(_files(action)):
        count.update(f"{path.relative_to(action)}\0".encode())
        count.update(hashlib.sha256(path.read_bytes()).digest())
    about = (sys.version, sys.executable, platform.platform(), repr(torch))
    count.update("\0".join(about).encode())
    return count.hexdigest()[:32]


def _files(action: Path) -> Iterator[Path]:
    yield from (action / name for name in (_LOCK, "constraints.txt", "pyproject.toml"))
    yield from (p for p in (action / "src").rglob("*") if p.is_file() and p.suffix != ".pyc")


def install(action: Path, place: Path, torch: Torch) -> None:
    """Make the environment; `place` has it whole or not at all, also where two jobs make it at once."""
    if (place / _DONE).is_file():
        print(f"the environment stands in {place}")
        return
    part = place.with_name(f"{place.name}.part-{os.getpid()}")
    try:
        _make(action, part, torch)
        (part / _DONE).touch()
        shutil.rmtree(place, ignore_errors=True)
        part.rename(place)
    except OSError as e:
        if not (place / _DONE).is_file():
            raise Stopped(f"the environment can't be made in `{place}`: {e}") from e
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _make(action: Path, place: Path, torch: Torch) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    venv.create(place, with_pip=True, symlinks=True)
    python = place / "bin" / "python"
    lock = str(action / _LOCK)
    _pip(python, "--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement", lock)
    if torch.place:
        site = sysconfig.get_path("purelib", "venv", {"base": str(place)})
        (Path(site) / "torch-of-the-runner.pth").write_text(f"{torch.place}\n", encoding="utf-8")
        print(f"torch {torch.version} of {torch.place}")
    elif torch.version:
        _pip(python, *_alone(torch), f"torch=={torch.version}")
    _build(action, place, python)


def _alone(torch: Torch) -> tuple[str, ...]:
    return ("--no-deps", "--index-url", torch.index) if torch.index else ()


def _build(action: Path, place: Path, python: Path) -> None:
    """Install the package from a copy: the Action's own folder is not to be written to."""
    copy = place / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(action / "src", copy / "src", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(action / name, copy / name)
    _pip(python, "--no-index", "--no-deps", "--no-build-isolation", str(copy))
    shutil.rmtree(copy)


def _pip(python: Path, *words: str) -> None:
    command = [str(python), "-I", "-m", "pip", "install", "--quiet", "--no-compile"]
    command += ["--disable-pip-version-check", "--no-warn-script-location"]
    if subprocess.run([*command, *words], check=False).returncode != 0:  # noqa: S603
        raise Stopped(
            "pip could not install what the Action needs; the lines above say why. "
            "Behind a proxy or a mirror set `PIP_INDEX_URL` and `PIP_CERT` for the job."
        )


def main(command: str, environment: Mapping[str, str]) -> None:
    """Write the outputs `key` and `place`, or install."""
    action = Path(environment["ACTION_PATH"]).resolve()
    root = environment.get("RUNNER_TOOL_CACHE") or environment.get("RUNNER_TEMP")
    if not root:
        raise Stopped("neither `RUNNER_TOOL_CACHE` nor `RUNNER_TEMP` is set: this is no runner")
    if os.name != "posix":
        raise Stopped("adapter-merge runs on Linux and macOS: choose another `runs-on`")
    torch = wished(environment, action)
    name = key(action, torch)
    place = Path(root, "adapter-merge", name)
    if command == "install":
        install(action, place, torch)
        return
    ready = (place / _DONE).is_file()
    with Path(environment["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.write(f"key={name}\nplace={place}\nready={str(ready).lower()}\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1], os.environ)
    except Stopped as e:
        text = str(e).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        print(f"::error title=adapter-merge::{text}")
        sys.exit(2)
