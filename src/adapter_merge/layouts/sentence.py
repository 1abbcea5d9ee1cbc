"""What sentence-transformers since 5.4 writes, as older versions and text-embeddings-inference read it.

Newer versions read the older form just as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from adapter_merge.layouts.chain import MODULES_FILE, module_kinds
from adapter_merge.layouts.repo import Repo
from adapter_merge.layouts.rewrite import Assignment, Rewrite, encode, rewrite
from adapter_merge.plan import Change

_Config: TypeAlias = Mapping[str, Any]

_WHY = "`--compat`: older sentence-transformers and text-embeddings-inference read this form"
# The classes that 5.1 has, by the package that it has them in.
_MODULES = frozenset(
    [
        "Asym",
        "BoW",
        "CLIPModel",
        "CNN",
        "Dense",
        "Dropout",
        "LSTM",
        "LayerNorm",
        "Normalize",
        "Pooling",
        "Router",
        "StaticEmbedding",
        "Transformer",
        "WeightedLayerPooling",
        "WordEmbeddings",
        "WordWeights",
    ]
)
_SPARSE = frozenset(
    ["MLMTransformer", "SparseAutoEncoder", "SparseStaticEmbedding", "SpladePooling"]
)
_HOMES = (
    ("sentence_transformers.base.modules.", "sentence_transformers.models", _MODULES),
    (
        "sentence_transformers.sentence_transformer.modules.",
        "sentence_transformers.models",
        _MODULES,
    ),
    (
        "sentence_transformers.sparse_encoder.modules.",
        "sentence_transformers.sparse_encoder.models",
        _SPARSE,
    ),
)
_MODES = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
# Keys that older versions stop at, with the values that mean nothing: those of an embedder of texts.
_UNSAID_TRANSFORMER = {
    "transformer_task": "feature-extraction",
    "modality_config": {
        "text": {"method": "forward", "method_output_name": "last_hidden_state"},
    },
    "module_output_name": "token_embeddings",
}
_UNSAID = {
    "module_input_name": "sentence_embedding",
    "module_output_name": "sentence_embedding",
}
# Beyond it a tokenizer means that it knows no limit.
_NO_LIMIT = 10**9


def older_modules(repo: Repo, *, length: int | None) -> tuple[Rewrite, ...]:
    """`modules.json` and the modules' configs in the older form, where they say nothing that it can't.

    Args:
        repo: whose modules the result has.
        length: how many tokens the model takes, for a config that leaves that to its reader.

    Raises:
        Corrupt: a JSON file isn't valid.
    """
    kinds = [(folder, kind.rsplit(".", 1)[-1]) for folder, kind in module_kinds(repo)]
    written = [_older_config(repo, folder, name, length) for folder, name in kinds]
    return (*rewrite(repo, _older_names(repo)), *(w for w in written if w is not None))


def longest(config: _Config, tokenizer: _Config) -> int | None:
    """How many tokens a model takes, as sentence-transformers finds it where no file says so."""
    text = config.get("text_config")
    sizes = [config, text if isinstance(text, dict) else {}]
    said = [c.get("max_position_embeddings") for c in sizes] + [tokenizer.get("model_max_length")]
    known = [n for n in said if isinstance(n, int) and 0 < n < _NO_LIMIT]
    return min(known, default=None)


def _older_names(repo: Repo) -> Iterator[Assignment]:
    for index, (path, kind) in enumerate(module_kinds(repo)):
        name = kind.rsplit(".", 1)[-1]
        if name == "Normalize" and _without(repo.object(f"{path}/config.json"), _UNSAID) != {}:
            continue  # an older one would normalise the sentence's vector, whatever its config says
        for home, old, names in _HOMES:
            if kind.startswith(home) and name in names:
                value = f"{old}.{name}"
                yield Assignment(
                    file=MODULES_FILE, where=(index,), key="type", value=value, why=_WHY
                )


def _older_config(repo: Repo, folder: str, name: str, length: int | None) -> Rewrite | None:
    file = "sentence_bert_config.json" if name == "Transformer" else "config.json"
    path = f"{folder}/{file}" if folder else file
    before = repo.object(path)
    match name:
        case "Transformer" if path in repo.files:
            after = _with_length(_without(before, _UNSAID_TRANSFORMER), length)
        case "Dense" if folder:
            after = _without(before, _UNSAID)
        case "Pooling" if folder:
            after = _older_pooling(before)
        case _:
            after = before
    if after == before:
        return None
    change = Change(subject=path, before=before, after=after, why=_WHY)
    return Rewrite(path=path, origin=repo.origin, content=encode(after), changes=(change,))


def _without(config: _Config, unsaid: _Config) -> _Config:
    """The config without some keys, if their values are the expected ones."""
    if any(config.get(key, value) != value for key, value in unsaid.items()):
        return config
    return {key: value for key, value in config.items() if key not in unsaid}


def _with_length(config: _Config, length: int | None) -> _Config:
    if length is None or config.get("max_seq_length") is not None:
        return config
    return {**config, "max_seq_length": length}


def _older_pooling(config: _Config) -> _Config:
    """One key for each mode instead of one for all."""
    size, mode = config.get("embedding_dimension"), config.get("pooling_mode")
    modes = mode if isinstance(mode, list) else [mode]
    if size is None or not all(isinstance(m, str) and m in _MODES for m in modes):
        return config
    rest = {k: v for k, v in config.items() if k not in ("embedding_dimension", "pooling_mode")}
    said = {key: name in modes for name, key in _MODES.items()}
    return {"word_embedding_dimension": size, **said, **rest}
