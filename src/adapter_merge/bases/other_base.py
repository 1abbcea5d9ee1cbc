"""A base of another name than the one that an adapter was trained on: equal shapes don't make equal weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from adapter_merge.plan import PlanWarning
from adapter_merge.sources import Adapter, Base
from adapter_merge.written import Written, read_written

# Endings of copies in another form, and what only some publishers put before a name (`Meta-Llama-3-8B`).
_FORM = re.compile(r"[-_](?:hf|bf16|fp16|fp32|16-?bit|safetensors)$")
_PUBLISHER = "meta-"
_TITLE = re.compile(r"^# +(\S+)\s*$", re.MULTILINE)


def other_base(adapters: Iterable[Adapter], base: Base) -> Iterator[PlanWarning]:
    """A warning for each adapter that names another model than the base.

    Only names count that say which model it is: a path of the machine that trained says nothing, and neither
    does the owner, as one model lies under several. A quantized name counts as that of its 16-bit twin.
    """
    own, where = _own_name(base)
    if own is None:
        return
    same = {_normal(name) for name in _names_of(base)} | {_normal(own.plain.name)}
    for adapter in adapters:
        named = [w for text in _texts(adapter) if (w := read_written(text)) is not None]
        clear = [w for w in named if not w.path]
        if not clear or any(_normal(w.plain.name) in same for w in named):
            continue
        trained, merged = clear[0].repo or clear[0].name, own.repo or own.name
        yield PlanWarning(
            code="T017",
            message=f"`{adapter.pinned.source}` names `{trained}` as its base, and it is merged into "
            f"`{merged}`{where}: equal shapes don't make them the same model",
        )


def _texts(adapter: Adapter) -> Iterator[str | None]:
    yield adapter.config.base_model_name_or_path
    if adapter.readme is not None:
        yield from adapter.readme.texts("base_model")


def _own_name(base: Base) -> tuple[Written | None, str]:
    """What the base is called for certain, and where that stands: its id, or what its own files say."""
    pinned = base.pinned
    known = read_written(pinned.repo) if pinned.repo is not None else None
    cached = known or read_written(str(pinned.root))
    if cached is not None and not cached.path:
        return cached, ""
    saved = base.config.get("_name_or_path")
    stated = read_written(saved) if isinstance(saved, str) else None
    if stated is not None and not stated.path and stated.repo is not None:
        return stated, " (by `_name_or_path` in its `config.json`)"
    title = _title(base)
    # A title may be any word; a name of a model has a number or several parts.
    if title is not None and re.search(r"[\d-]", title):
        return read_written(title), " (by the title of its card)"
    return None, ""


def _names_of(base: Base) -> Iterator[str]:
    """All that the base may be called: by its folder, its card, and what it is a quantized copy of."""
    folder = read_written(f"./{base.pinned.root.resolve().name}")
    if folder is not None:
        yield folder.plain.name
    saved = base.config.get("_name_or_path")
    texts = [saved if isinstance(saved, str) else None, _title(base)]
    if base.readme is not None and base.readme.text("base_model_relation") == "quantized":
        texts += base.readme.texts("base_model")
    for text in texts:
        written = read_written(text)
        if written is not None:
            yield written.plain.name


def _title(base: Base) -> str | None:
    found = _TITLE.search(base.readme.body) if base.readme is not None else None
    return found[1].strip("*`") if found else None


def _normal(name: str) -> str:
    """A name without what differs between copies of one model."""
    plain = _FORM.sub("", name.lower()).removeprefix(_PUBLISHER)
    return re.sub(r"[^a-z0-9]", "", plain)
