"""The bot: a keeper that looks, workers that merge, and what the web asks of both."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from adapter_merge.bot import wishes
from adapter_merge.bot.audit import Audit
from adapter_merge.bot.clock import Clock, utc
from adapter_merge.bot.config import Config
from adapter_merge.bot.keeper import Keeper
from adapter_merge.bot.ledger import Ledger
from adapter_merge.bot.look import Eyes, Sight
from adapter_merge.bot.order import Dispatch
from adapter_merge.bot.queue import Queue
from adapter_merge.bot.record import Record
from adapter_merge.bot.standing import Standing
from adapter_merge.bot.store import Store
from adapter_merge.bot.worker import Tally, Worker
from adapter_merge.errors import RequestError

_STOPS = 30.0  # seconds in which what runs has to end, with its debris cleaned


class Bot:
    """Implements what the web asks, `web.port.Bot` and `web.pages.Shown`.

    With `with` it holds its state folder, and works; the block's end stops it.
    """

    def __init__(
        self, config: Config, dispatch: Dispatch, *, eyes: Eyes | None = None, clock: Clock = utc
    ) -> None:
        self._config = config
        self._dispatch = dispatch
        self._eyes = eyes or Sight(merges=config.merges, clock=clock)
        self._clock = clock
        self._stop = threading.Event()
        self._threads: tuple[threading.Thread, ...] = ()
        self._tally = Tally()
        self._started = clock()

    def __enter__(self) -> Self:
        state = self._config.state
        self.audit = Audit(self._config.audit, clock=self._clock) if self._config.audit else None
        self._held = _hold(state)
        try:
            self._dispatch.clean()
            wishes.lay(state)
            self._store = Store(state / "merges")
            self._queue = Queue(state / "queue")
        except (OSError, sqlite3.Error) as e:
            os.close(self._held)
            raise RequestError(
                f"the bot can't work in `{state}`: {e}",
                hint="Make room there, and let it write there, or give `--state` another folder.",
            ) from e
        self._ledger = Ledger(
            store=self._store,
            clock=self._clock,
            first=self._config.first_wait,
            audit=self.audit or (lambda _: None),
        )
        self._ledger.recover(self._queue.dead())
        self._keeper = Keeper(
            eyes=self._eyes,
            queue=self._queue,
            ledger=self._ledger,
            clock=self._clock,
            every=self._config.every,
            retries=lambda: wishes.retries(state),
        )
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._keeper.wake()
        for thread in self._threads:
            thread.join(_STOPS)
        self._queue.close()
        os.close(self._held)

    def _start(self) -> None:
        jobs: list[tuple[str, Callable[[threading.Event], None]]] = [("keeper", self._keeper.run)]
        jobs += [(f"worker {n}", self._worker().run) for n in range(1, self._config.parallel + 1)]
        self._threads = tuple(
            threading.Thread(target=work, args=(self._stop,), name=name, daemon=True)
            for name, work in jobs
        )
        for thread in self._threads:
            thread.start()

    def _worker(self) -> Worker:
        return Worker(
            eyes=self._eyes,
            queue=self._queue,
            ledger=self._ledger,
            dispatch=self._dispatch,
            entry=self._keeper.entry,
            paused=self._rests,
            plans=self._dispatch.name == "jobs",
            tally=self._tally,
        )

    def _rests(self) -> bool:
        """Whether no merge is begun: people don't want it, or each would fail for lack of room and not be tried again."""
        free = _free(self._config.state)
        is_full = free is not None and free < self._config.floor_bytes
        return is_full or wishes.is_paused(self._config.state)

    def hint(self, repo: str) -> bool:
        """Have a repository looked at soon."""
        return self._keeper.hint(repo)

    def watches(self, repo: str, ref: str | None = None) -> bool:
        """Whether it counts that a ref moved there."""
        return self._keeper.roll.watches(repo, ref)

    def outputs(self, repo: str) -> bool:
        """Whether the bot itself writes there."""
        return self._keeper.roll.outputs(repo)

    def records(self) -> tuple[Record, ...]:
        """All merges that it looks after."""
        return self._store.records()

    def report(self, target: str) -> Mapping[str, Any] | None:
        """The newest run's report."""
        return self._store.report(target)

    def log(self, target: str) -> str:
        """The end of the newest run's log."""
        return self._store.log(target)

    def standing(self) -> Standing:
        """How the bot is."""
        rounds, tally = self._keeper.rounds, self._tally
        return Standing(
            started=self._started,
            interval=self._config.every,
            looked=rounds.looked,
            trouble=rounds.trouble,
            paused=wishes.is_paused(self._config.state),
            gone=tuple(t.name for t in self._threads if not t.is_alive()),
            free_bytes=_free(self._config.state),
            floor_bytes=self._config.floor_bytes,
            queued=len(self._queue),
            running=tally.running,
            dead=sum(record.state == "dead" for record in self._store.records()),
            ended=dict(tally.ended),
            seconds=dict(tally.seconds),
        )


def _hold(state: Path) -> int:
    """A lock on the state folder, which a kill lets go of.

    Raises:
        RequestError: it can't be made, or another bot has it.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        held = os.open(state, os.O_RDONLY)
    except OSError as e:
        raise RequestError(
            f"`{state}` can't be had: {e.strerror}", hint="Give `--state` another folder."
        ) from e
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise RequestError(
            f"another bot works in `{state}`", hint="Stop it, or give `--state` another folder."
        ) from None
    return held


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
