"""The sources of a result, as far as publishing asks: what they are called, and who may read them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from adapter_merge.receipt import SourceRecord
from adapter_merge.record import source_record
from adapter_merge.remote import Access
from adapter_merge.request import RepoRef
from adapter_merge.sources import Sources

_WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Party:
    """One source.

    Attributes:
        name: `org/name`, or a folder's name without the way to it.
        repo, commit: None for a folder.
        subfolder: of the repository.
        access: None for a folder, which says nothing of who may read it.
        is_named: whether the operator named it; False for a base that an adapter chose.
        digest: sha256 of an adapter's weights, or of the digests of all files that were read.
    """

    name: str
    repo: str | None
    commit: str | None
    subfolder: str | None
    access: Access | None
    digest: str
    is_named: bool = True

    @property
    def pin(self) -> str:
        """What it was, so that nobody needs to ask again: `org/name@commit`, or a folder's digest."""
        if self.repo is None:
            return f"sha256:{self.digest}"
        below = f"/{self.subfolder}" if self.subfolder else ""
        return f"{self.repo}@{self.commit}{below}"

    @property
    def mark(self) -> str:
        """What tells this state of it from others."""
        return self.commit or self.digest


def parties_of(
    base: SourceRecord,
    adapters: Iterable[SourceRecord],
    access: Mapping[str, Access | None],
    *,
    base_is_named: bool = True,
) -> tuple[Party, ...]:
    """The base, then the adapters in their order; `access` by repository.

    A repository of which nothing is known counts as private.
    """
    first = replace(_party(base, access), is_named=base_is_named)
    return (first, *(_party(record, access) for record in adapters))


def parties_at_hand(sources: Sources) -> tuple[Party, ...]:
    """The same of sources that were read, with who may read them."""
    pins = (sources.base.pinned, *(a.pinned for a in sources.adapters))
    access = {pinned.repo: pinned.access for pinned in pins if pinned.repo is not None}
    records = [source_record(a) for a in sources.adapters]
    base = source_record(sources.base)
    return parties_of(base, records, access, base_is_named=sources.base_is_named)


def _party(record: SourceRecord, access: Mapping[str, Access | None]) -> Party:
    ref = RepoRef.model_validate(record.source)
    digest = _digest(record)
    if record.commit is None or ref.repo is None:
        name = Path(record.source).name or record.source
        return Party(name=name, repo=None, commit=None, subfolder=None, access=None, digest=digest)
    known = access.get(ref.repo)
    return Party(
        name=ref.repo,
        repo=ref.repo,
        commit=record.commit,
        subfolder=ref.subfolder,
        access=Access.PRIVATE if known is None else known,
        digest=digest,
    )


def _digest(record: SourceRecord) -> str:
    weights = record.digests.get(_WEIGHTS, "")
    if weights.startswith("sha256:"):
        return weights.removeprefix("sha256:")
    text = json.dumps(record.digests, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
