"""Bring files of one commit into the Hub's cache, and believe nothing of them but what their digests say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Event, Lock

from huggingface_hub.utils._xet import abort_xet_session

from adapter_merge.errors import Corrupt
from adapter_merge.hub.cache import Shelf, content_digest
from adapter_merge.hub.client import Client
from adapter_merge.hub.listing import Place
from adapter_merge.hub.meter import Meter
from adapter_merge.hub.translate import offline, translated
from adapter_merge.remote import RemoteFile

_AT_ONCE = 8
_TRIES = 2  # the client has its own; these are for an error in the middle of a file


@lru_cache(maxsize=4096)
def _digest(file: Path, listed: RemoteFile, _stamp: tuple[int, ...]) -> str:
    """The digest of a file's content, computed once in a process while the file is not written."""
    return content_digest(file, listed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """Files that are wanted from one place."""

    client: Client
    place: Place
    shelf: Shelf
    files: Mapping[str, RemoteFile]

    def bring(self, advance: Callable[[int], None]) -> None:
        """Have them all on the shelf, whole; `advance` gets every byte of them, also of those that lay there.

        Raises:
            Corrupt: one isn't what was listed, twice.
            DiskFull: there is no room.
            AdapterMergeError: see `translated`.
        """
        if not self.client.offline:
            self.shelf.require_room(
                sum(f.size for p, f in self.files.items() if not self.shelf.has(p, f))
            )
        stop, lock = Event(), Lock()
        meters = {p: Meter(f.size, advance, stop=stop, lock=lock) for p, f in self.files.items()}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            work = [pool.submit(self._settle, path, meters[path]) for path in self.files]
            try:
                for one in work:
                    one.result()
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                with suppress(Exception):
                    abort_xet_session()
                raise

    def _settle(self, path: str, meter: Meter) -> None:
        """One file: look at it if it is here, fetch it if not, and a wrong one once more."""
        listed = self.files[path]
        for _ in range(2):
            if not self.shelf.lies(path, listed.size):
                self.shelf.remove(path)
                self._fetch(path, meter)
            if self._is_right(path, listed):
                meter.finish()
                return
            if self.client.offline:
                raise Corrupt(
                    f"`{path}` of `{self.place.repo}` in the cache has other bytes than its name says",
                    hint="Run the same command without `HF_HUB_OFFLINE`: it downloads the file again.",
                )
            self.shelf.remove(path)
        raise Corrupt(
            f"`{path}` of `{self.place.repo}` has other bytes than the Hub's list of files says",
            hint="Run the same command again; behind a proxy or a mirror, ask for the file without it.",
        )

    def _is_right(self, path: str, listed: RemoteFile) -> bool:
        if not self.shelf.lies(path, listed.size):
            return False
        file = self.shelf.root / path
        found = file.stat()
        stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        return _digest(file.resolve(), listed, stamp) == listed.digest

    def _fetch(self, path: str, meter: Meter) -> None:
        inside = self.place.inside(path)
        asked = self.client.asked(self.place.repo, revision=self.place.commit, path=inside)
        if self.client.offline:
            raise offline(asked)

        def act() -> None:
            with translated(asked):
                self.client.reader.hf_hub_download(
                    self.place.repo,
                    inside,
                    revision=self.place.commit,
                    cache_dir=self.shelf.cache,
                    tqdm_class=meter.bar(),
                )

        patience = replace(self.client.patience, tries=min(self.client.patience.tries, _TRIES))
        patience.persist(act)
