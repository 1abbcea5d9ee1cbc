"""F005 and F006: do config and tokenizer fit the input embedding."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.checks.check import NEEDS_WEIGHTS, failed, first, listed, passed, skipped, warned
from adapter_merge.checks.seen import Seen
from adapter_merge.checks.side import CONFIG, TOKENIZER
from adapter_merge.finding import Finding

# How transformers' classes call the input embedding, by the last parts of its name.
_EMBEDDINGS = (
    "embed_tokens.weight",
    "word_embeddings.weight",
    "wte.weight",
    "shared.weight",
    "tok_embeddings.weight",
    "embed_in.weight",
)
# Keys that may hold its width; ALBERT, ELECTRA and OPT have one apart from the hidden size.
_WIDTHS = (
    "hidden_size",
    "n_embd",
    "n_embed",
    "d_model",
    "dim",
    "emb_dim",
    "embedding_size",
    "word_embed_proj_dim",
)
# Rows that a class has beyond its vocabulary. Source: transformers, `MllamaTextModel`.
_BEYOND = {"mllama_text_model": 8}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sizes:
    """The vocabulary sizes and the widths that one level of a config names; no width: the class's own."""

    rows: frozenset[int]
    columns: frozenset[int]

    def fit(self, shape: tuple[int, ...]) -> bool:
        return shape[0] in self.rows and (not self.columns or shape[1] in self.columns)


def _embeddings(checkpoint: Checkpoint | None) -> Mapping[str, tuple[int, ...]]:
    """Shapes of the input embeddings."""
    return {
        name: info.shape
        for name, info in (checkpoint.tensors if checkpoint else {}).items()
        if len(info.shape) == 2 and any(f".{name}".endswith(f".{end}") for end in _EMBEDDINGS)
    }


def _sizes(config: Mapping[str, Any]) -> Iterator[_Sizes]:
    """Of the config and those nested in it (`text_config`), where a vocabulary is named."""
    numbers = {key: value for key, value in config.items() if type(value) is int}
    rows = frozenset(value for key, value in numbers.items() if key.endswith("vocab_size"))
    beyond = _BEYOND.get(str(config.get("model_type")), 0)
    if rows:
        rows |= {value + beyond for value in rows}
        yield _Sizes(rows=rows, columns=frozenset(v for k, v in numbers.items() if k in _WIDTHS))
    for key, value in config.items():
        # LLaVA's vision config names a vocabulary too, which nothing has.
        if isinstance(value, dict) and not key.startswith(("vision", "audio")):
            yield from _sizes(value)


class ConfigFits:
    """F005."""

    code = "F005"
    title = "The config fits the tensors"
    why = "A loader builds the model from the config: where sizes differ it stops, or fills rows with random values."
    fix = "Set `vocab_size` and `hidden_size` in `config.json` to the embedding's rows and columns."
    look = "Compare `vocab_size` and `hidden_size` in `config.json` with the shape in the finding."
    ignore = "Only where the model's class is known to take its sizes from elsewhere."

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """Rows and columns of each input embedding against `vocab_size` and `hidden_size`."""
        trouble = seen.side.troubles.get(CONFIG)
        config = seen.side.config
        if config is None:
            yield failed(self, seen, trouble.message if trouble else f"there is no `{CONFIG}`")
            return
        embeddings, sizes = _embeddings(seen.checkpoint), tuple(_sizes(config))
        wrong = _wrong(embeddings, sizes)
        if seen.checkpoint is None:
            yield skipped(self, seen, NEEDS_WEIGHTS)
        elif not sizes or not embeddings:
            message = "not checked: it needs an input embedding, and its size in the config"
            yield skipped(self, seen, message)
        elif wrong:
            tensors = [f"{name} {list(embeddings[name])}" for name in sorted(wrong)]
            say = warned if wrong <= _wrong_in_base(seen) else failed
            message = f"`{CONFIG}` has other sizes than {listed(tensors)}"
            yield say(self, seen, message, tensors=first(tensors))
        else:
            yield passed(self, seen, "vocabulary and width are the input embedding's")


def _wrong(
    embeddings: Mapping[str, tuple[int, ...]], sizes: Collection[_Sizes]
) -> AbstractSet[str]:
    """The embeddings that no level of the config fits, where any names a vocabulary."""
    return {n for n, shape in embeddings.items() if sizes and not any(s.fit(shape) for s in sizes)}


def _wrong_in_base(seen: Seen) -> AbstractSet[str]:
    """What didn't fit in the base: there it isn't the merge's fault."""
    if seen.sources is None or seen.foreign:
        return frozenset()
    base = seen.sources.base
    return _wrong(_embeddings(base.checkpoint), tuple(_sizes(base.config)))


class TokenizerFits:
    """F006."""

    code = "F006"
    title = "Every token has an embedding row"
    why = (
        "A token without a row crashes the model, on a GPU with an error that names something else."
    )
    fix = "Take the tokenizer that belongs to these weights, or merge an adapter that saved the resized embedding."
    look = "Compare the last id in `tokenizer.json` with the number of rows in the finding."
    ignore = "Only where the tokens without a row are never used."

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """The largest id of `tokenizer.json` against the embedding's rows; more rows are fine."""
        if TOKENIZER in seen.side.troubles:
            yield failed(self, seen, seen.side.troubles[TOKENIZER].message)
            return
        largest = seen.side.largest_token
        rows = max((s[0] for s in _embeddings(seen.checkpoint).values()), default=None)
        if largest is None or rows is None:
            yield skipped(self, seen, f"not checked: it needs `{TOKENIZER}` and an input embedding")
        elif largest < rows:
            yield passed(
                self, seen, f"token ids up to {largest}, {rows} rows", largest=largest, rows=rows
            )
        else:
            message = (
                f"`{TOKENIZER}` has the token id {largest}, the input embedding only {rows} rows"
            )
            say = warned if _is_of_base(seen) else failed
            yield say(self, seen, message, largest=largest, rows=rows)


def _is_of_base(seen: Seen) -> bool:
    """Whether the base had this very mismatch before: then it isn't the merge's."""
    files = () if seen.plan is None or seen.foreign else seen.plan.side_files
    return any(f.path == TOKENIZER and f.origin == "base" for f in files)
