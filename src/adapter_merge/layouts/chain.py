"""The chain of modules that sentence-transformers runs: their folders, and whether all of it is there."""

from __future__ import annotations

from pathlib import PurePosixPath

from adapter_merge.errors import Corrupt, Layout
from adapter_merge.folder import writes_nothing
from adapter_merge.layouts.repo import Repo

MODULES_FILE = "modules.json"
_SETUP, _MODEL_SETUP = "config_sentence_transformers.json", "sentence_bert_config.json"
# Modules that are the model itself, and those that can't be loaded without weights of their own.
_MODELS = frozenset({"CLIPModel", "MLMTransformer", "Transformer"})
_WEIGHTED = frozenset({"CNN", "Dense", "LSTM", "LayerNorm", "SparseAutoEncoder"})
# What would be loaded without its config all the same, and could do something else than was trained.
_DEFAULTING = frozenset({"MultiVectorMask", "Normalize", "SpladePooling"})
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def module_kinds(repo: Repo) -> tuple[tuple[str, str], ...]:
    """Folder and class of each module; the folder of the model itself is empty.

    Raises:
        Corrupt: `modules.json` isn't a list of modules.
    """
    found: list[tuple[str, str]] = []
    for module in repo.objects(MODULES_FILE):
        path, kind = module.get("path"), module.get("type")
        if not isinstance(path, str) or not isinstance(kind, str):
            raise repo.corrupt(MODULES_FILE, "has a module without `path` or `type`")
        found.append(("/".join(PurePosixPath(path).parts), kind))
    return tuple(found)


def module_folders(repo: Repo) -> frozenset[str]:
    """The folders that a `modules.json` names, those of modules without content among them.

    Raises:
        Corrupt: it isn't a list of modules.
    """
    return frozenset(path for path, _ in module_kinds(repo) if path)


def runs_head(repo: Repo) -> bool:
    """Whether the chain of a repository runs a model with a classifier, as a `CrossEncoder` does.

    Source: sentence-transformers 6.2 `base/modules/transformer.py`, `TRANSFORMER_TASK_TO_AUTO_MODEL`.

    Raises:
        Corrupt: a file of its setup isn't valid.
    """
    ranks = repo.object(_SETUP).get("model_type") == "CrossEncoder"
    task = repo.object(_MODEL_SETUP).get("transformer_task")
    return MODULES_FILE in repo.files and (ranks or task == "sequence-classification")


def require_whole(repo: Repo) -> None:
    """Every module of a chain is there, and the model stands at the top; a repository without one is whole.

    Raises:
        Corrupt: `modules.json` isn't a list of modules, or names what isn't there.
        Layout: it keeps the model in a folder.
    """
    for folder, kind in module_kinds(repo):
        if folder:
            _require_module(repo, folder, kind)


def _require_module(repo: Repo, folder: str, kind: str) -> None:
    name = kind.rsplit(".", 1)[-1]
    if name in _MODELS:
        raise Layout(
            f"`{MODULES_FILE}` of {repo.label} keeps the model in `{folder}`, and merged weights stand at the top",
            hint="Load it with sentence-transformers and save it again: since 2.0 it writes the model to the top.",
        )
    if writes_nothing(kind):
        return
    if not any(p.startswith(f"{folder}/") for p in repo.files):
        raise _gap(repo, f"the folder `{folder}`, which isn't there")
    if name in _DEFAULTING and f"{folder}/config.json" not in repo.files:
        raise _gap(repo, f"the {name} module `{folder}`, which has no `config.json`")
    if name in _WEIGHTED and not any(f"{folder}/{file}" in repo.files for file in _WEIGHTS):
        raise _gap(repo, f"the {name} layer `{folder}`, which has no weights")


def _gap(repo: Repo, what: str) -> Corrupt:
    return Corrupt(
        f"`{MODULES_FILE}` of {repo.label} names {what}",
        hint="Get the whole repository, or save the model again with sentence-transformers.",
    )
