"""The keys of the card's metadata that are ours, from the cards and configs of adapters and base."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from adapter_merge.licence import Terms
from adapter_merge.readme import Readme, is_of_adapter
from adapter_merge.request import RepoRef
from adapter_merge.sources import Adapter, Sources
from adapter_merge.written import Written, read_written

# Written in this order; a rerun writes them again, and leaves all other keys alone.
OURS = (
    "base_model",
    "base_model_relation",
    "library_name",
    "pipeline_tag",
    "license",
    "license_name",
    "license_link",
    "language",
    "datasets",
    "tags",
)
# Keys of a single adapter's card that speak of what it does, and so of the merged model too.
_CARRIED = ("metrics", "model-index", "widget", "thumbnail")
_TAG = "adapter-merge"
# Tags of a base's card that speak of its task and library, which a new head replaces.
_OF_TASK = frozenset(
    {
        "colbert",
        "cross-encoder",
        "feature-extraction",
        "fill-mask",
        "image-text-to-text",
        "masked-lm",
        "mteb",
        "multi-vector",
        "pylate",
        "reranker",
        "sentence-similarity",
        "sentence-transformers",
        "sparse-encoder",
        "splade",
        "text-classification",
        "text-embeddings-inference",
        "text-generation",
        "text-generation-inference",
        "text-ranking",
        "token-classification",
        "visual-document-retrieval",
    }
)
BESIDE = "adapter"  # the relation of an adapter that isn't merged
_MOST = 40  # values of one list
_LONGEST = 200  # characters of one value
_DEEPEST, _LARGEST = 12, 10_000  # levels, and characters and values of a carried key


def keys_of(
    sources: Sources,
    *,
    task: Mapping[str, str | None],
    terms: Terms,
    bundled: bool = False,
    new_head: bool = False,
) -> Mapping[str, object]:
    """Our keys; one that nothing tells is left out.

    `task` has the flavour's `library_name` and `pipeline_tag`; a card that states a task knows better.
    With a `new_head` the base's card doesn't: it speaks of the task that the base has.
    `base_model_relation` is `finetune`, as `merge` would speak of several bases; of a bundle it is `adapter`.
    """
    own = [a.readme for a in sources.adapters if a.readme is not None]
    base_card = [sources.base.readme] if sources.base.readme is not None else []
    cards, base = [*own, *base_card], base_id(sources)
    stated = next(_values(own if new_head else cards, "pipeline_tag"), None)
    tagged = [*_values(own, "tags")]
    tagged += [t for t in _values(base_card, "tags") if not (new_head and t.lower() in _OF_TASK)]
    found: dict[str, object] = {
        "base_model": base,
        "base_model_relation": _relation(bundled=bundled) if base else None,
        **task,
        **({"pipeline_tag": stated} if stated else {}),
        **terms.keys,
        "language": list(dict.fromkeys(_values(cards, "language"))),
        "datasets": list(dict.fromkeys(_values(cards, "datasets"))),
        "tags": tags(tagged, bundled=bundled),
    }
    return {key: found[key] for key in OURS if found.get(key)}


def _relation(*, bundled: bool) -> str:
    return BESIDE if bundled else "finetune"


def tags(given: Iterable[str], *, bundled: bool = False) -> list[str]:
    """Tags that hold for merged weights, or for a bundle, and ours."""
    kept = (t for t in given if t != _TAG and not is_of_adapter(t, bundled=bundled))
    return [*list(dict.fromkeys(kept))[:_MOST], _TAG]


def _values(cards: Iterable[Readme], key: str) -> Iterator[str]:
    """The texts of a key in all cards, in their order; long ones and lists' ends are left out."""
    for card in cards:
        yield from (text for text in card.texts(key)[:_MOST] if len(text) <= _LONGEST)


def base_id(sources: Sources) -> str | None:
    """The base's id on the Hub; None where nothing names it, or where the folder's name contradicts.

    A local path is never one, and a quantised name counts for what it was made from.
    """
    pinned = sources.base.pinned
    if pinned.commit is not None:
        return RepoRef.model_validate(pinned.source).repo
    cached = read_written(str(pinned.root))
    if cached is not None and not cached.path:
        return cached.repo
    folder = read_written(f"./{pinned.root.resolve().name}")
    named = [n for n in map(_named, sources.adapters) if n is not None and _agrees(folder, n)]
    # Adapters of different bases can be merged, but then nothing tells whose base the folder is.
    return named[0].repo if len({str(n.repo).lower() for n in named}) == 1 else None


def _named(adapter: Adapter) -> Written | None:
    """The base that an adapter's config names by its id, or else its card."""
    cards = adapter.readme.texts("base_model") if adapter.readme is not None else ()
    for text in (adapter.config.base_model_name_or_path, *cards):
        written = read_written(text)
        if written is not None and not written.path and written.plain.repo is not None:
            return written.plain
    return None


def _agrees(folder: Written | None, named: Written) -> bool:
    return folder is None or folder.plain.name.lower() == named.name.lower()


def carried_keys(adapters: Iterable[Readme | None]) -> Mapping[str, object]:
    """Further keys of the card of a single adapter; several adapters would contradict each other."""
    cards = list(adapters)
    if len(cards) != 1 or cards[0] is None:
        return {}
    metadata = cards[0].metadata
    return {k: metadata[k] for k in _CARRIED if k in metadata and _is_small(metadata[k])}


def _is_small(value: object) -> bool:
    """Whether a value is plain and small; YAML's references can make little text large."""
    level, seen = [value], 0
    for _ in range(_DEEPEST):
        seen += sum(len(value) if isinstance(value, str) else 1 for value in level)
        if seen > _LARGEST:
            return False
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return True
    return False


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return list(value) if isinstance(value, list) else []
