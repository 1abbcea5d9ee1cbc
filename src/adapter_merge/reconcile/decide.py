"""Decide what an entry asks for now: a merge, nothing, or patience; no question is asked here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal

from adapter_merge.layouts import Wishes
from adapter_merge.merges import Wanted
from adapter_merge.proposing import Proposed
from adapter_merge.receipt import Receipt, SourceRecord
from adapter_merge.reconcile.bases import ChosenBase, is_of
from adapter_merge.reconcile.exposed import exposed
from adapter_merge.reconcile.found import Found
from adapter_merge.reconcile.look import Standing
from adapter_merge.reconcile.propose import NOTE, proposes
from adapter_merge.reconcile.ready import Waits
from adapter_merge.report import Published
from adapter_merge.request import AdapterRef, RepoRef, Request
from adapter_merge.sending import parties_of, standing_tag

# What a receipt keeps of a request, as far as the request alone decides it.
_OPTIONS = (
    "layout",
    "dtype",
    "max_shard_size",
    "native",
    "chat_template",
    "generation_config",
    "compat",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What becomes of an entry.

    Attributes:
        request: nothing in it moves any more where it is `due`, but a base that only its adapter names.
        reason: why, in one sentence.
        notes: what else is to be known.
        until: when a `skipped` one may be due if nothing else happens; None where something has to.
        published: what stands on a Hub, where it is `unchanged`.
        same: of what is `due`: whether what stands was made of the same contents, so that at most its card is new.
    """

    what: Literal["due", "skipped", "unchanged"]
    wanted: Wanted
    request: Request
    reason: str
    notes: tuple[str, ...] = ()
    until: datetime | None = None
    published: Published | None = None
    same: bool = False


def waiting(wanted: Wanted, waits: Waits) -> Decision:
    """The decision on an entry whose adapter isn't finished."""
    return Decision(
        what="skipped",
        wanted=wanted,
        request=wanted.request,
        reason=waits.reason,
        notes=wanted.notes,
        until=waits.until,
    )


def decided(
    wanted: Wanted, adapters: tuple[Found, ...], base: ChosenBase, standing: Standing
) -> Decision:
    """The decision on an entry whose adapters are there, against what its target holds.

    Raises:
        RequestError: a file that a setting names can't be used.
    """
    request = _request(wanted, adapters, base, standing)
    notes = (*wanted.notes, *([base.note] if base.note else []), *exposed(adapters, standing))
    decision = partial(Decision, wanted=wanted, request=request, notes=notes)
    if request.rebuild:
        return decision(what="due", reason="it was asked to be made again")
    why = _difference(request, standing)
    if why is None:
        reason = "the result that stands was made from the same"
        return decision(what="unchanged", reason=reason, published=_published(standing))
    for proposed in standing.proposals:
        if not _is_same(proposed.receipt, request, adapters):
            continue
        if proposed.is_open:
            there = _published(standing, proposed)
            return decision(what="unchanged", reason=proposed.opened, published=there)
        return decision(what="skipped", reason=proposed.closed)
    if request.publish != wanted.request.publish:
        decision = partial(decision, notes=(*notes, NOTE))
    return decision(what="due", reason=why, same=_says_same(request, adapters, standing))


def _says_same(request: Request, adapters: tuple[Found, ...], standing: Standing) -> bool:
    """Whether a listing is enough to know that the contents are the same; a folder's would have to be read."""
    listed = all(found.ref.repo is not None for found in adapters)
    return listed and standing.whole and _is_same(standing.receipt, request, adapters)


def _request(
    wanted: Wanted, adapters: tuple[Found, ...], base: ChosenBase, standing: Standing
) -> Request:
    """What would be run: its sources pinned, and where other embeddings would come, proposed."""
    refs = tuple(
        AdapterRef(ref=found.ref, weight=asked.weight)
        for found, asked in zip(adapters, wanted.request.adapters, strict=True)
    )
    asked = wanted.request
    rule = asked.base_rule.model_copy(update={"read_from_adapter": base.by_adapter})
    request = asked.model_copy(update={"adapters": refs, "base": base.ref, "base_rule": rule})
    if proposes(request, standing.remote) and not _is_same(standing.receipt, request, adapters):
        return request.model_copy(update={"publish": "pr"})
    return request


def _published(standing: Standing, proposed: Proposed | None = None) -> Published | None:
    """What stands on a Hub, on the branch or in a pull request; None of a folder."""
    remote, receipt = standing.remote, standing.receipt
    if remote is None:
        return None
    if proposed is not None:
        return Published.standing(remote, proposed.receipt, proposed.commit, proposed.number)
    assert receipt is not None  # noqa: S101 - it stands
    return Published.standing(remote, receipt, str(remote.head))


def _difference(request: Request, standing: Standing) -> str | None:
    """Why what stands isn't what is wanted; None where it is."""
    receipt = standing.receipt
    if receipt is None:
        return "the target has no result yet"
    if (why := _made_of(request, receipt)) is not None:
        return why
    if not standing.whole:
        return "files of the result are missing in the target, or others are there"
    if request.probe == "require" and (receipt.probe is None or not receipt.probe.ran):
        return "the result was never run, which `probe: require` asks for"
    return None if _is_tagged(request, receipt, standing) else "the result has no tag yet"


def _is_same(receipt: Receipt | None, request: Request, adapters: tuple[Found, ...]) -> bool:
    """Whether a result was made of the same contents: new words in a card are no reason for another proposal."""
    if receipt is None:
        return False
    same = request
    if len(receipt.adapters) == len(adapters):
        same = request.model_copy(
            update={
                "adapters": tuple(
                    asked.model_copy(update={"ref": _as_before(found, record)})
                    for asked, found, record in zip(
                        request.adapters, adapters, receipt.adapters, strict=True
                    )
                )
            }
        )
    return _made_of(same, receipt) is None


def _as_before(found: Found, record: SourceRecord) -> RepoRef:
    """An adapter at the commit that a receipt has, where it is still the same there."""
    if any(found.digest(path) != digest for path, digest in record.digests.items()):
        return found.ref
    return found.ref.model_copy(update={"revision": record.commit})


def _made_of(request: Request, receipt: Receipt) -> str | None:
    """Why a receipt isn't that of the request; None where it is.

    Commits are compared, not contents: where another commit holds the same, the merge itself finds that out,
    and gives the card its new words.
    """
    if len(receipt.adapters) != len(request.adapters):
        return "the adapters are others"
    for asked, record in zip(request.adapters, receipt.adapters, strict=True):
        if (why := _moved(asked, record)) is not None:
            return why
    if (why := _rebased(request.base, receipt.base)) is not None:
        return why
    changed = next(_changed(request, receipt), None)
    return None if changed is None else f"`{changed.replace('_', '-')}` is another one"


def _moved(asked: AdapterRef, record: SourceRecord) -> str | None:
    ref = asked.ref
    if not is_of(record, ref):
        return f"the adapter is `{ref.text}`, and was `{record.source}`"
    if (record.weight or 1.0) != asked.weight:
        return f"the weight of `{ref.text}` is another one"
    if ref.repo is None:
        return f"`{ref.text}` is a folder, and may have changed"
    if record.commit != ref.revision:
        now = (ref.revision or "")[:7]
        return f"`{ref.text}` is at {now}, and was at {(record.commit or '')[:7]}"
    return None


def _rebased(base: RepoRef | None, record: SourceRecord) -> str | None:
    if base is None or base.repo is None:
        return "the base isn't on a Hub, and may have changed"
    if not is_of(record, base):
        return f"the base is `{base.text}`, and was `{record.source}`"
    if base.revision != record.commit:
        return f"the base is at {(base.revision or '')[:7]}, and was at {(record.commit or '')[:7]}"
    return None


def _changed(request: Request, receipt: Receipt) -> Iterator[str]:
    """Options whose value the receipt has otherwise; what other versions of this program keep isn't compared."""
    wanted = settings_of(request)
    yield from (name for name in _OPTIONS if wanted.get(name) != receipt.settings.get(name))
    if request.layout == "bundled" and request.bundle_id != receipt.settings.get("bundle_as"):
        yield "bundle_as"
    for leave in ("allow_pickle", "allow_remote_code"):
        if leave in receipt.settings and not getattr(request, leave):
            yield leave


def settings_of(request: Request) -> dict[str, str]:
    """What a plan's settings have of a request, before its sources are known.

    Raises:
        RequestError: a file that a setting names can't be used.
    """
    return {
        "layout": request.layout,
        "dtype": request.dtype,
        "max_shard_size": str(request.shard_bytes or "keep"),
        **({"native": "true"} if request.native else {}),
        **Wishes.of(request).recipe,
    }


def _is_tagged(request: Request, receipt: Receipt, standing: Standing) -> bool:
    """Whether the result has its tag, as far as names tell; a folder, and a proposal, has none."""
    if request.target.folder is not None or request.publish != "commit" or request.no_tag:
        return True
    parties = parties_of(receipt.base, receipt.adapters, {})
    tags = standing.tags
    return standing_tag(request, receipt, parties, tags, receipt_at=lambda _: receipt) is not None
