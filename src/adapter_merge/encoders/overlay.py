"""The folder of the reference: the base's files, with what the adapter's people run beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from adapter_merge.folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS, list_files
from adapter_merge.plan import Plan
from adapter_merge.sources import Adapter, Sources

_CONFIG, _TIE = "config.json", "tie_word_embeddings"
_MODULES = "modules.json"
_CHAIN = (_MODULES, "config_sentence_transformers.json", "sentence_bert_config.json")
_TOKENIZER = (
    "tokenizer*",
    "vocab.*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
)
# Weights of other programs, which no loader here reads.
_OTHERS = (".bin", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".onnx_data", ".ot", ".pt", ".pth")
_LARGE = 64_000_000


def lay(plan: Plan, sources: Sources, root: Path) -> Path:
    """The base's files, weights as links; over them the adapter's own tokenizer and chain of modules.

    The result's other files aren't looked at: they are what is to be proved. The plan's config counts, as it
    has the labels of a new head; in a form of its own (`--native`) it isn't one of the base's class.
    """
    base = sources.base.pinned.root
    found = {path: base / path for path in list_files(base) if not _is_left_out(path)}
    for adapter in sources.adapters:
        own = [p for p in adapter.files if "/" not in p and _matches(p)]
        if "tokenizer_config.json" in own:
            found = {p: f for p, f in found.items() if not _matches(p)}
            found |= {p: adapter.pinned.root / p for p in own}
        found |= {p: adapter.pinned.root / p for p in _chain(adapter)}
    for path, source in found.items():
        _put(source, root / path)
    if "native" not in plan.settings:
        _put_config(plan, root)
    return root


def led_home(bundle: Path, root: Path) -> Path:
    """A bundle as who takes it has it: its adapter leads to the folder that it lies in.

    The result's own config leads to where it will lie, which isn't there yet, or to an id on a Hub.
    """
    for path in list_files(bundle):
        _put(bundle / path, root / path)
    config = root / ADAPTER_CONFIG
    if config.exists():
        values = json.loads(config.read_bytes())
        config.write_text(json.dumps({**values, "base_model_name_or_path": str(root)}))
    return root


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Whoever lists a folder leaves out links that lead outside; weights are too large to copy.
    if source.suffix == ".safetensors" or source.stat().st_size > _LARGE:
        target.symlink_to(source.resolve())
    else:
        shutil.copyfile(source, target)


def _is_left_out(path: str) -> bool:
    """An adapter beside the base would be loaded with it."""
    return path in {ADAPTER_CONFIG, ADAPTER_WEIGHTS} or ("/" not in path and path.endswith(_OTHERS))


def _matches(path: str) -> bool:
    return any(fnmatch(path, pattern) for pattern in _TOKENIZER)


def _chain(adapter: Adapter) -> Iterator[str]:
    """The files of an adapter's own modules; sentence-transformers takes them where it has any."""
    if _MODULES not in adapter.files:
        return
    modules = json.loads((adapter.pinned.root / _MODULES).read_bytes())
    folders = tuple(f"{m['path']}/" for m in modules if m["path"])
    for path in adapter.files:
        if path in _CHAIN or path.startswith(folders):
            yield path


def _put_config(plan: Plan, root: Path) -> None:
    for file in plan.side_files:
        if file.path == _CONFIG and file.content is not None:
            own = json.loads((root / _CONFIG).read_bytes())
            (root / _CONFIG).write_text(json.dumps(_tied(json.loads(file.content), own)))


def _tied(planned: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The base's file lacks a head that it ties: such flags are its own, whatever the result has."""
    found = {k: v for k, v in planned.items() if k != _TIE}
    if _TIE in own:
        found[_TIE] = own[_TIE]
    for key, value in found.items():
        if isinstance(value, dict) and isinstance(own.get(key), dict):
            found[key] = _tied(value, own[key])
    return found
