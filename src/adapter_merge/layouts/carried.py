"""Which files a merged repository never gets, and why.

Consumers take the first weights they know: vLLM reads `consolidated*.safetensors` before anything else,
text-embeddings-inference `onnx/model.onnx`. Carried along, either would serve the unmerged model.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from adapter_merge.layouts.repo import BASE
from adapter_merge.receipt import RECEIPT_NAME


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    """Patterns for file names and for the first folder of a path; both are lower case."""

    why: str
    names: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    top_only: bool = False

    def fits(self, path: str) -> bool:
        *folders, name = PurePosixPath(path.lower()).parts
        if folders and _any_fits(folders[0], self.folders):
            return True
        return _any_fits(name, self.names) and not (self.top_only and folders)


def _any_fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


_RULES = (
    _Rule(
        why="a loader would apply the adapter to the merged weights once more",
        names=("adapter_*",),
    ),
    _Rule(
        why="state of a training run, not of the model",
        names=(
            "training_args.bin",
            "trainer_state.json",
            "optimizer*.bin",
            "optimizer*.pt",
            "scheduler*.bin",
            "scheduler*.pt",
            "rng_state*",
            "scaler.pt",
        ),
        folders=("checkpoint-*", "runs", "global_step*"),
    ),
    _Rule(
        why="weights in another form, which some servers prefer and which would be the unmerged ones",
        names=(
            "consolidated*",
            "*.onnx*",
            "*.gguf",
            "*.h5",
            "*.msgpack",
            "*.ot",
            "*.tflite",
            "*.pt",
            "*.pth",
            "*.ckpt",
            "*.index*.json",
        ),
        folders=("original", "onnx", "openvino", "coreml"),
    ),
    _Rule(why="it describes the `consolidated` weights", names=("params.json",), top_only=True),
    _Rule(
        why="Python code is never carried, unless a base's config names it and the request allows it",
        names=("*.py",),
    ),
    _Rule(why="it belongs to the repository it lies in, not to the model", names=(".*",)),
    _Rule(why="the merged model gets a card of its own", names=("readme.md",), top_only=True),
    _Rule(
        why="the receipt of an earlier merge; this one writes its own",
        names=(RECEIPT_NAME,),
        top_only=True,
    ),
)
# Sentence-transformers keeps the weights of a Dense layer in its folder, under either name.
_LOOSE_WEIGHTS = _Rule(
    why="weights that the merge doesn't touch, outside of every module folder",
    names=("*.safetensors", "*.bin"),
)
# Source: https://learn.microsoft.com/windows/win32/fileio/naming-a-file.
_NOT_ON_WINDOWS = re.compile(
    r'(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?: *\..*)?|.*[<>:"|?*].*|.*[. ]', re.IGNORECASE
)
_ADAPTER_ITSELF = ("adapter_config.json", "adapter_model.safetensors")


def why_left(
    path: str, origin: str, modules: Collection[str] = (), code: Collection[str] = ()
) -> str | None:
    """Why a file is left behind; None where no rule speaks against it.

    Args:
        path: path in its repository, with `/`.
        origin: `base`, or the adapter as the user wrote it.
        modules: folders that the repository's `modules.json` names; weights in them are kept.
        code: Python files that the request lets the result have.
    """
    if path in code:
        return None
    if origin != BASE and path in _ADAPTER_ITSELF:
        return "the merged weights hold what it says"
    in_module = any(path.startswith(f"{m}/") for m in modules)
    for rule in _RULES if in_module else (*_RULES, _LOOSE_WEIGHTS):
        if rule.fits(path):
            return rule.why
    if not in_module and any(map(_NOT_ON_WINDOWS.fullmatch, path.split("/"))):
        return "Windows can't write a file of that name, so nobody could clone the result there"
    return None
