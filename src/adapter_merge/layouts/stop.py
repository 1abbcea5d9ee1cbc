"""The stop token: what closes a turn of the chat template must also end the generation.

The template and its tokens may come from the adapter, `generation_config.json` from the base. A model
that was taught to end its turns with a token that isn't in the latter would never stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapter_merge.layouts.config import CONFIG
from adapter_merge.layouts.repo import Repo
from adapter_merge.layouts.rewrite import Assignment, Rewrite, encode, rewrite
from adapter_merge.layouts.sandbox import after_answer
from adapter_merge.layouts.tokenizer import added_tokens, named_tokens
from adapter_merge.plan import Change

GENERATION = "generation_config.json"
_EOS = "eos_token_id"
_KEPT = ("bos_token_id", _EOS, "pad_token_id")
_GENERATING = (
    "ForCausalLM",
    "LMHeadModel",
    "ForConditionalGeneration",
    "ForSeq2SeqLM",
    "ForImageTextToText",
    "ForVision2Seq",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """The token that closes an assistant's turn."""

    token: str
    id: int


def generates(config: Mapping[str, Any], architecture: str | None) -> bool:
    """Whether a model writes text; `architecture` goes before the class that its config names."""
    named = config.get("architectures") or []
    names = [architecture] if architecture else named if isinstance(named, list) else []
    return any(str(name).endswith(_GENERATING) for name in names)


def stop_token(template: str, tokenizer: Repo, assigned: Sequence[Assignment]) -> Stop | None:
    """The first token of a tokenizer that a template prints behind the assistant's words.

    None where no token does, or the template can't be rendered; it is run for that, apart and with limits.

    Args:
        template: the template that counts.
        tokenizer: whose tokenizer files the result has.
        assigned: what the result's files say otherwise.

    Raises:
        Corrupt: the tokenizer's files aren't valid.
    """
    # Some vocabularies add runs of spaces or line breaks; those close nothing.
    added = {t: i for t, i in added_tokens(tokenizer).items() if t.strip() and isinstance(i, int)}
    after = after_answer(template, named_tokens(tokenizer, assigned)) if added else None
    if not after:
        return None
    found = [(after.index(token), -len(token), token) for token in added if token in after]
    if not found:
        return None
    token = min(found)[-1]
    return Stop(token=token, id=added[token])


def stopping(base: Repo, stop: Stop) -> tuple[Rewrite, ...]:
    """`generation_config.json` with the stop token among its ends; nothing where it is there already.

    A base without that file gets one where its `config.json` doesn't name the token either.

    Raises:
        Corrupt: a JSON file isn't an object.
    """
    config = base.object(CONFIG)
    known = _ids(_of(config, _EOS))
    why = f"`{stop.token}` ends a turn of the chat template; without it the model would not stop"
    if GENERATION in base.files:
        own = _ids(base.object(GENERATION).get(_EOS))
        if stop.id in own:
            return ()
        ends = _with(own or known, stop)
        return rewrite(base, [Assignment(file=GENERATION, key=_EOS, value=ends, why=why)])
    if stop.id in known:
        return ()
    said = {key: _of(config, key) for key in _KEPT} | {_EOS: _with(known, stop)}
    content = {key: value for key, value in said.items() if value is not None}
    change = Change(subject=GENERATION, before=None, after=content, why=why)
    return (Rewrite(path=GENERATION, origin="made", content=encode(content), changes=(change,)),)


def _of(config: Mapping[str, Any], key: str) -> Any:
    """A key of a config, or of the text model's in it."""
    value = config.get(key)
    text = config.get("text_config")
    return text.get(key) if value is None and isinstance(text, dict) else value


def _ids(value: object) -> list[int]:
    listed = value if isinstance(value, list) else [value]
    return [i for i in listed if isinstance(i, int)]


def _with(ids: list[int], stop: Stop) -> int | list[int]:
    ends = ids if stop.id in ids else [*ids, stop.id]
    return ends if len(ends) > 1 else ends[0]
