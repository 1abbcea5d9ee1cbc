"""The tag of a published result: people pin it, so it never moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count, islice, takewhile

from adapter_merge.errors import Conflict
from adapter_merge.publishing import Publishing
from adapter_merge.receipt import Receipt
from adapter_merge.sending.parties import Party

AUTOMATIC = "merge-"
_SHORT = 7  # letters of a digest; git's own habit


def chosen_tag(
    wish: Publishing,
    receipt: Receipt,
    parties: tuple[Party, ...],
    tags: Mapping[str, str],
    *,
    commit: str | None = None,
) -> str | None:
    """The tag that a result gets: at `commit`, or at one that is yet to be made; None is none.

    Raises:
        Conflict: the tag that was asked for stands at another commit.
    """
    if wish.no_tag or wish.publish != "commit":
        return None
    if wish.tag is None:
        return automatic_tag(receipt, parties, tags, commit=commit)
    require_free(wish, tags, commit=commit)
    return wish.tag


def require_free(wish: Publishing, tags: Mapping[str, str], *, commit: str | None = None) -> None:
    """See to it that a tag that was asked for can be set at `commit`, or at one that is yet to be made.

    Raises:
        Conflict: it stands at another commit.
    """
    if wish.tag is not None and tags.get(wish.tag) not in {None, commit}:
        raise Conflict(
            f"the tag `{wish.tag}` stands at another commit, {tags[wish.tag][:_SHORT]}, and tags never move",
            hint="Name another one with `--tag`, or leave it out.",
        )


def standing_tag(
    wish: Publishing,
    receipt: Receipt,
    parties: tuple[Party, ...],
    tags: Mapping[str, str],
    *,
    receipt_at: Callable[[str], Receipt | None],
) -> str | None:
    """The tag that a result which stands has already; `receipt_at` knows the receipt of a commit."""
    if wish.no_tag:
        return None
    standing = _standing(receipt, parties, tags) if wish.tag is None else (wish.tag,)
    known = ((name, receipt_at(tags[name])) for name in standing if name in tags)
    return next((name for name, found in known if _is_same(found, receipt)), None)


def _standing(
    receipt: Receipt, parties: tuple[Party, ...], tags: Mapping[str, str]
) -> Iterator[str]:
    """Names that a result may have; people may have taken away the first ones."""
    names = _names(receipt, parties)
    yield from islice(names, 2)
    yield from takewhile(lambda name: name in tags, names)


def _is_same(found: Receipt | None, receipt: Receipt) -> bool:
    # One recipe can give other bytes: another version of this program made them anew.
    return found is not None and (found.recipe, found.files) == (receipt.recipe, receipt.files)


def automatic_tag(
    receipt: Receipt,
    parties: tuple[Party, ...],
    tags: Mapping[str, str],
    *,
    commit: str | None = None,
) -> str:
    """`merge-` and the adapter's commit; of several adapters, and where that is taken, the recipe counts."""
    return next(name for name in _names(receipt, parties) if tags.get(name) in {None, commit})


def _names(receipt: Receipt, parties: tuple[Party, ...]) -> Iterator[str]:
    recipe = receipt.recipe[:_SHORT]
    _, first, *more = parties
    name = f"{AUTOMATIC}{recipe if more else first.mark[:_SHORT]}"
    yield name
    longer = name if more else f"{name}-{recipe}"
    yield longer
    # Taken once more: the same result was published, taken back, and is published again.
    yield from (f"{longer}-{number}" for number in count(2))
