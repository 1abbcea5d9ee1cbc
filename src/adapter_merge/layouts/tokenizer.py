"""Whether two tokenizers are the same, from their files alone, and what an adapter's may still change."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from adapter_merge.layouts.repo import Repo
from adapter_merge.layouts.rewrite import Assignment

TOKENIZER_CONFIG = "tokenizer_config.json"
FAST = "tokenizer.json"
_SPECIAL = "special_tokens_map.json"
_ADDED = "added_tokens.json"
_ADDED_LIST = re.compile(r'"added_tokens"\s*:\s*\[')

# Each of these alone can make a tokenizer. Source: `vocab_files_names` in transformers' tokenizers.
VOCABULARIES = (
    FAST,
    "vocab.txt",
    "vocab.json",
    "vocab.bpe",
    "encoder.json",
    "dict.txt",
    "tokenizer.model*",
    "spiece.model",
    "spm.model",
    "spm_char.model",
    "sentencepiece*.model",
    "source.spm",
    "target.spm",
    "prophetnet.tokenizer",
    "*.tiktoken",
    "tekken.json",
    "vocab-src.json",
    "target_vocab.json",
)
FILES = (
    *VOCABULARIES,
    TOKENIZER_CONFIG,
    _SPECIAL,
    _ADDED,
    "merges.txt",
    "bpe.codes",
    "normalizer.json",
    "vocab-tgt.json",
    "entity_vocab.json",
    "word_shape.json",
    "word_pronunciation.json",
    "emoji.json",
    "byte_maps.json",
)
_PIPELINE = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_DECLARED = ("eos_token", "pad_token", "padding_side", "truncation_side", "model_max_length")
# What transformers writes for "no limit" (`VERY_LARGE_INTEGER`); it says nothing about the model.
_NO_LIMIT = 10**30


def is_vocabulary(path: str) -> bool:
    """Whether a file, at the top of its repository, holds a tokenizer's vocabulary."""
    return "/" not in path and any(fnmatchcase(path, pattern) for pattern in VOCABULARIES)


def same_tokenizer(base: Repo, adapter: Repo) -> bool:
    """Whether both turn every text into the same ids; where the files can't tell, they don't.

    Two `tokenizer.json` are compared by what they do: vocabulary, merges, added tokens, normaliser,
    pre-tokeniser, post-processor, decoder. Otherwise the vocabulary files that both have must be equal
    byte for byte, and so must the tokens that were added to them.

    Raises:
        Corrupt: a JSON file isn't an object, or isn't what its name says.
    """
    if FAST in base.files and FAST in adapter.files:
        # Mostly they are the same bytes, and a large one takes half a second to parse.
        return base.bytes(FAST) == adapter.bytes(FAST) or _fast(base) == _fast(adapter)
    common = [p for p in base.files if p in adapter.files and is_vocabulary(p)]
    return (
        bool(common)
        and all(base.bytes(p) == adapter.bytes(p) for p in common)
        and _same_added(base, adapter)
    )


def declared_differences(base: Repo, adapter: Repo) -> tuple[Assignment, ...]:
    """What an adapter's equal tokenizer changes all the same: eos, pad, sides, length.

    An adapter that says nothing, null or "no limit" about one of them changes nothing.

    Raises:
        Corrupt: a JSON file isn't an object.
    """
    ours, theirs = base.object(TOKENIZER_CONFIG), adapter.object(TOKENIZER_CONFIG)
    special = base.object(_SPECIAL)
    why = f"the tokenizer of {adapter.label} says so"
    found: list[Assignment] = []
    for key in _DECLARED:
        value = theirs.get(key)
        if not _says_something(value) or _content(value) == _content(ours.get(key)):
            continue
        found.append(Assignment(file=TOKENIZER_CONFIG, key=key, value=value, why=why))
        if key in special:
            named = _like(special[key], value)
            found.append(Assignment(file=_SPECIAL, key=key, value=named, why=why))
    return tuple(found)


def _says_something(value: object) -> bool:
    return value is not None and not (isinstance(value, int | float) and value >= _NO_LIMIT)


def _content(token: object) -> object:
    """A token's text: written plainly, or as an object with its stripping rules."""
    return token.get("content") if isinstance(token, dict) else token


def _like(before: object, token: object) -> object:
    """A token's text in the form that stands there now."""
    return {**before, "content": _content(token)} if isinstance(before, dict) else _content(token)


def _fast(repo: Repo) -> Mapping[str, object]:
    content = repo.object(FAST)
    model = content.get("model")
    if not isinstance(model, dict):
        raise repo.corrupt(FAST, "has no `model`")
    # Library versions differ in which defaults they write out, and in how they write a merge.
    options = {k: v for k, v in model.items() if v not in (None, "") and v is not False}
    if isinstance(merges := options.get("merges"), list):
        options["merges"] = [m.split(" ") if isinstance(m, str) else m for m in merges]
    pipeline = {key: content.get(key) for key in _PIPELINE}
    return {"model": options, "added": content.get("added_tokens") or [], **pipeline}


def _same_added(base: Repo, adapter: Repo) -> bool:
    theirs = added_tokens(adapter)
    return not theirs or theirs == added_tokens(base)


def added_tokens(repo: Repo) -> Mapping[str, int]:
    """Token -> id, for a tokenizer's special tokens and all that it was given on top of its vocabulary.

    Raises:
        Corrupt: a JSON file isn't an object, or lists tokens without text or id.
    """
    slow = repo.object(TOKENIZER_CONFIG).get("added_tokens_decoder") or {}
    try:
        found = {_text(t["content"]): t["id"] for t in _added_of_fast(repo)}
        found |= {_text(t["content"]): int(i) for i, t in slow.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise repo.corrupt(TOKENIZER_CONFIG, "lists added tokens without text or id") from e
    return found | repo.object(_ADDED)


def _text(content: object) -> str:
    if not isinstance(content, str):
        raise TypeError
    return content


def named_tokens(repo: Repo, assigned: Iterable[Assignment]) -> Mapping[str, str]:
    """The special tokens by name (`eos_token`), as a chat template may print them.

    Args:
        repo: whose tokenizer files the result has.
        assigned: what the result's files say otherwise.

    Raises:
        Corrupt: a JSON file isn't an object.
    """
    said = repo.object(_SPECIAL) | repo.object(TOKENIZER_CONFIG)
    said |= {a.key: a.value for a in assigned if a.file == TOKENIZER_CONFIG and not a.where}
    texts = {key: _content(value) for key, value in said.items() if key.endswith("_token")}
    return {key: text for key, text in texts.items() if isinstance(text, str)}


def _added_of_fast(repo: Repo) -> Any:
    """The added tokens of a `tokenizer.json`.

    They stand before the vocabulary, which takes half a second to parse in a large file.
    """
    if FAST not in repo.files:
        return []
    text = repo.text(FAST)
    at = _ADDED_LIST.search(text)
    if at is not None:
        try:
            return json.JSONDecoder().raw_decode(text, at.end() - 1)[0]
        except (ValueError, RecursionError) as e:
            raise repo.corrupt(FAST, f"is not valid JSON: {e}") from e
    return repo.object(FAST).get("added_tokens") or []
