"""F005 and F006: do config and tokenizer fit the input embedding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from adapter_merge.checkpoint import TensorInfo
from adapter_merge.checks.check import NEEDS_WEIGHTS, failed, listed, passed, skipped, warned
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
_WIDTHS = frozenset(
    {"hidden_size", "n_embd", "d_model", "dim", "embedding_size", "word_embed_proj_dim"}
)


def _embeddings(seen: Seen) -> Mapping[str, TensorInfo]:
    tensors = {} if seen.checkpoint is None else seen.checkpoint.tensors
    return {
        name: info
        for name, info in tensors.items()
        if len(info.shape) == 2 and any(f".{name}".endswith(f".{end}") for end in _EMBEDDINGS)
    }


def _levels(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The config and the configs nested in it (`text_config`)."""
    yield config
    yield from (v for v in config.values() if isinstance(v, dict))


class ConfigFits:
    """F005."""

    code = "F005"
    title = "The config fits the tensors"
    why = "A loader builds the model from the config: where sizes differ it stops, or fills rows with random values."
    fix = "Set `vocab_size` and `hidden_size` in `config.json` to the embedding's rows and columns."

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """Rows and columns of each input embedding against `vocab_size` and `hidden_size`."""
        trouble = seen.side.troubles.get(CONFIG)
        config = seen.side.config
        if config is None:
            yield failed(self, seen, trouble.message if trouble else f"there is no `{CONFIG}`")
            return
        embeddings = _embeddings(seen)
        levels = tuple(_levels(config))
        rows = {
            v
            for c in levels
            for k, v in c.items()
            if k.endswith("vocab_size") and isinstance(v, int)
        }
        widths = {v for c in levels for k, v in c.items() if k in _WIDTHS and isinstance(v, int)}
        wrong = [
            f"{name} {list(info.shape)}"
            for name, info in embeddings.items()
            if (rows and info.shape[0] not in rows) or (widths and info.shape[1] not in widths)
        ]
        yield self._finding(seen, wrong, known=bool(embeddings and (rows or widths)))

    def _finding(self, seen: Seen, wrong: list[str], *, known: bool) -> Finding:
        if seen.checkpoint is None:
            return skipped(self, seen, NEEDS_WEIGHTS)
        if wrong:
            return failed(
                self, seen, f"`{CONFIG}` has other sizes than {listed(wrong)}", tensors=wrong
            )
        if not known:
            return skipped(
                self, seen, "not checked: it needs an input embedding and its sizes in the config"
            )
        return passed(self, seen, "vocabulary and width are the input embedding's")


class TokenizerFits:
    """F006."""

    code = "F006"
    title = "Every token has an embedding row"
    why = (
        "A token without a row crashes the model, on a GPU with an error that names something else."
    )
    fix = "Take the tokenizer that belongs to these weights, or merge an adapter that saved the resized embedding."

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """The largest id of `tokenizer.json` against the embedding's rows; more rows are fine."""
        if TOKENIZER in seen.side.troubles:
            yield failed(self, seen, seen.side.troubles[TOKENIZER].message)
            return
        largest = seen.side.largest_token
        rows = max((info.shape[0] for info in _embeddings(seen).values()), default=None)
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
