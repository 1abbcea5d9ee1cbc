"""Parts of a file on a Hub, without the rest of it: a header, or the bytes of a tensor."""

from __future__ import annotations

import re
from dataclasses import dataclass

from huggingface_hub import hf_hub_url

from adapter_merge.checkpoint import WeightFile
from adapter_merge.errors import Corrupt, HubUnavailable
from adapter_merge.header import PREFIX, header_length, parse_header
from adapter_merge.hub.ask import answering, first_bytes
from adapter_merge.hub.client import Client
from adapter_merge.hub.listing import Place
from adapter_merge.hub.translate import Asked

# The header of a shard of a large model has 5 to 60 KB, that of a LoRA on all its modules 150 KB.
_GUESS = 128 << 10
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Remote:
    """One file at one commit of a repository on a Hub.

    Attributes:
        path: below the place; what messages call it.
        size: bytes that the Hub's list of files has for it.
    """

    client: Client
    place: Place
    path: str
    size: int

    def header(self) -> WeightFile:
        """Its safetensors header, mostly in one request.

        Raises:
            Corrupt: it is none, or doesn't describe a file of this size.
            HubUnavailable: it can't be had now.
        """
        start = self.span(0, min(self.size, _GUESS))
        length = PREFIX + header_length(start[:40], self.size, name=self.path)
        if length > len(start):
            start += self.span(len(start), length - len(start))
        return parse_header(start[:length], self.size, name=self.path)

    def span(self, start: int, count: int) -> bytes:
        """Bytes of it.

        Raises:
            Corrupt: the file there has another size.
            HubUnavailable: they can't be had now.
        """
        if start < 0 or count < 0 or start + count > self.size:
            raise self._short(f"it has {self.size} bytes, and {start + count} are asked for")
        if count == 0:
            return b""
        return self.client.patience.persist(lambda: self._span(start, count))

    def _span(self, start: int, count: int) -> bytes:
        inside = self.place.inside(self.path)
        asked = self.client.asked(self.place.repo, revision=self.place.commit, path=inside)
        url = hf_hub_url(
            self.place.repo, inside, revision=self.place.commit, endpoint=self.client.endpoint
        )
        wanted = {"Range": f"bytes={start}-{start + count - 1}"}
        with answering(self.client, asked, url, wanted) as response:
            size, at = _extent(response.status_code, response.headers)
            if at != start and at is not None:
                raise _no_parts(asked)
            if size is not None and size != self.size:
                raise self._short(f"the Hub's list says {self.size} bytes, and it sends {size}")
            content = first_bytes(response, count, asked)
        if len(content) != count:
            raise HubUnavailable(
                f"{asked.host} sent {len(content)} of {count} bytes of {asked.thing}",
                hint="Run the same command again.",
            )
        return content

    def _short(self, what: str) -> Corrupt:
        return Corrupt(
            f"`{self.path}` of `{self.place.repo}` isn't what it was listed as: {what}",
            hint="Run the same command again; if it stays so, take another revision.",
        )


def _extent(status: int, headers: dict[str, str]) -> tuple[int | None, int | None]:
    """What an answer says of itself: the file's size, and where in it the content begins."""
    if status != 206:
        length = headers.get("content-length", "")
        return (int(length) if length.isdecimal() else None), 0
    found = _RANGE.fullmatch(headers.get("content-range", ""))
    return (int(found[3]), int(found[1])) if found is not None else (None, -1)


def _no_parts(asked: Asked) -> HubUnavailable:
    return HubUnavailable(
        f"{asked.host} sends {asked.thing} as a whole, though a part was asked for",
        hint=f"`hf download {asked.repo} --revision {asked.revision}`, then run again with `HF_HUB_OFFLINE=1`.",
    )
