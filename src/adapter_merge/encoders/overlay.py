"""The folder of the reference: the base's files, with what the adapter's people run beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapter_merge.flavours import Look
from adapter_merge.folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS, list_files
from adapter_merge.layouts import Choices, Repo
from adapter_merge.layouts.families import MODULES
from adapter_merge.layouts.template import JINJA, LEGACY
from adapter_merge.plan import Plan, SideFile
from adapter_merge.sources import Sources

_CONFIG, _TIE = "config.json", "tie_word_embeddings"
_SETUP = "config_sentence_transformers.json"
# Weights of other programs, which no loader here reads.
_OTHERS = (".bin", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".onnx_data", ".ot", ".pt", ".pth")
_CODE = (".py", ".pyc", ".so")
_LARGE = 64_000_000


def lay(plan: Plan, sources: Sources, root: Path) -> Path:
    """The base's files, weights as links; over them each family of files that an adapter decides.

    The result's own files aren't looked at: they are what is to be proved. The plan's config counts, as it
    has the labels of a new head; in a form of its own (`--native`) it isn't one of the base's class. So does
    its chat template, which a request may bring.
    """
    planned = {file.path: file for file in plan.side_files}
    new_head = "native" not in plan.settings and _has_new_head(planned[_CONFIG], sources)
    for path, source in _files(sources, new_head=new_head).items():
        _put(source, root / path)
    if "native" not in plan.settings:
        _put_config(planned[_CONFIG], root)
    if JINJA in planned:
        (root / LEGACY).unlink(missing_ok=True)
        (root / JINJA).write_bytes(_content(planned[JINJA]))
    return root


def led_home(bundle: Path, root: Path) -> Path:
    """A bundle as who takes it has it: its adapter leads to the folder that it lies in.

    The result's own config leads to where it will lie, which isn't there yet, or to an id on a Hub.
    """
    for path in (p for p in list_files(bundle) if not p.endswith(_CODE)):
        _put(bundle / path, root / path)
    config = root / ADAPTER_CONFIG
    if config.exists():
        values = json.loads(config.read_bytes())
        config.write_text(json.dumps({**values, "base_model_name_or_path": str(root)}))
    return root


def planned_look(plan: Plan) -> Look:
    """The result from outside, before it is there."""
    files = {file.path: file for file in plan.side_files}
    config, setup = (
        json.loads(_content(files[path])) if path in files else {} for path in (_CONFIG, _SETUP)
    )
    return Look(config=config, files=frozenset(files), chats=JINJA in files, setup=setup)


def _has_new_head(planned: SideFile, sources: Sources) -> bool:
    after, before = json.loads(_content(planned)), sources.base.config
    return bool(after.get("architectures") != before.get("architectures"))


def _files(sources: Sources, *, new_head: bool) -> Mapping[str, Path]:
    """Every file of the reference, and where it lies."""
    base, adapters = Repo.of(sources.base), tuple(Repo.of(a) for a in sources.adapters)
    found = {path: base.root / path for path in list_files(base.root) if not _is_left_out(path)}
    choices = Choices.of(base, adapters, new_head=new_head)
    if choices.modules is None:
        for path in MODULES.files(base):
            found.pop(path, None)
    for choice in choices.all:
        if choice.winner is not base:
            for path in choice.family.files(base):
                found.pop(path, None)
            found |= {p: choice.winner.root / p for p in choice.family.files(choice.winner)}
    return found


def _content(file: SideFile) -> bytes:
    if file.content is not None:
        return file.content
    assert file.source is not None  # noqa: S101 - a file without content is copied
    return file.source.read_bytes()


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Whoever lists a folder leaves out links that lead outside; weights are too large to copy.
    if source.suffix == ".safetensors" or source.stat().st_size > _LARGE:
        target.symlink_to(source.resolve())
    else:
        shutil.copyfile(source, target)


def _is_left_out(path: str) -> bool:
    """An adapter beside the base, which would be loaded with it, and code, which is never run."""
    if path.endswith(_CODE):
        return True
    return path in {ADAPTER_CONFIG, ADAPTER_WEIGHTS} or ("/" not in path and path.endswith(_OTHERS))


def _put_config(planned: SideFile, root: Path) -> None:
    own = json.loads((root / _CONFIG).read_bytes())
    (root / _CONFIG).write_text(json.dumps(_tied(json.loads(_content(planned)), own)))


def _tied(planned: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The base's file lacks a head that it ties: such flags are its own, whatever the result has."""
    found = {k: v for k, v in planned.items() if k != _TIE}
    if _TIE in own:
        found[_TIE] = own[_TIE]
    for key, value in found.items():
        if isinstance(value, dict) and isinstance(own.get(key), dict):
            found[key] = _tied(value, own[key])
    return found
