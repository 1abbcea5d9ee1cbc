"""`LocalHub`: a Hub on loopback, started and stopped as a context manager."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from adapter_merge.errors import NotFound, RequestError
from adapter_merge.localhub.faults import Fault
from adapter_merge.localhub.jobs import ENDED, Job
from adapter_merge.localhub.journal import Logged
from adapter_merge.localhub.limits import Limit
from adapter_merge.localhub.repos import MAIN, Commit, File, Kind, Repo, identity
from adapter_merge.localhub.routes.repos import make
from adapter_merge.localhub.server import HOST, Server
from adapter_merge.localhub.state import Settings, State
from adapter_merge.localhub.users import (
    Organisation,
    Role,
    Scope,
    Token,
    Visibility,
    namespace,
)
from adapter_merge.localhub.webhooks import Delivery, moved

_ADMIN = "localhub"


class LocalHub:
    """A Hub for demos and tests, on this machine alone: no TLS, tokens in the clear, jobs run here.

    Everything is kept below `data` and is there again after a restart, or a kill.

        with LocalHub(folder) as hub:
            hub.add_user("bot", "hf_bot")
            api = HfApi(endpoint=hub.url, token="hf_bot")
    """

    def __init__(
        self, data: Path, *, port: int = 0, xet: bool = True, settings: Settings | None = None
    ) -> None:
        self._data = data.absolute()  # clients elsewhere are told where its store is
        self._port = port
        self._settings = settings or Settings(xet=xet)
        self.url = ""

    def __enter__(self) -> Self:
        self._state = State(self._data, self._settings)
        try:
            self._server = Server(self._port, self._state)
        except OSError as e:
            self._state.close()
            raise RequestError(
                f"port {self._port} can't be had: {e.strerror}", hint="Give another port, or `0`."
            ) from e
        self._port = self._server.server_address[1]
        self._state.url = self.url = f"http://{HOST}:{self._port}"
        self._state.post.start()
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop()
        self._state.close()

    # -- Who there is -----------------------------------------------------------------------------

    def add_user(
        self,
        name: str,
        token: str,
        *,
        role: Role = "write",
        scopes: Mapping[str, Scope] | None = None,
    ) -> None:
        """Let somebody in by a token; again for a second token.

        Args:
            name: who it is.
            token: what they send.
            role: whether it may write at all.
            scopes: by repository or namespace, what a fine-grained token reaches.
        """
        with self._state.lock:
            people = self._state.people.value
            self._state.people.put(
                replace(
                    people,
                    users={name: identity(), **people.users},
                    tokens={**people.tokens, token: Token(user=name, role=role, scopes=scopes)},
                )
            )

    def remove_token(self, token: str) -> None:
        """Have a token be worth nothing."""
        with self._state.lock:
            people = self._state.people.value
            left = {name: held for name, held in people.tokens.items() if name != token}
            self._state.people.put(replace(people, tokens=left))

    def add_organisation(
        self, name: str, members: Mapping[str, Role], *, visibility: Visibility = "public"
    ) -> None:
        """Make an organisation; `visibility` is what new repositories get where nobody says."""
        made = Organisation(members=dict(members), visibility=visibility)
        with self._state.lock:
            people = self._state.people.value
            self._state.people.put(
                replace(
                    people,
                    users={name: identity(), **people.users},
                    organisations={**people.organisations, name: made},
                )
            )

    def add_resource_group(self, name: str, members: Iterable[str], repos: Iterable[str]) -> None:
        """Put models of one organization into a resource group, which only these members reach."""
        with self._state.lock:
            people = self._state.people.value
            for repo in repos:
                held = self._repo(repo, "model")
                self._state.repos.put(replace(held, resource_group=name))
                owner = namespace(repo)
                organisation = people.organisations[owner]
                groups = {**organisation.groups, name: frozenset(members)}
                changed = replace(organisation, groups=groups)
                people = replace(people, organisations={**people.organisations, owner: changed})
            self._state.people.put(people)

    def trust(self, repo: str, claims: Mapping[str, str]) -> None:
        """Give tokens for a repository to whoever's identity makes these claims."""
        with self._state.lock:
            people = self._state.people.value
            trusted = {**people.trusted, repo: dict(claims)}
            self._state.people.put(replace(people, trusted=trusted))

    # -- What there is ----------------------------------------------------------------------------

    def add_repo(
        self,
        name: str,
        files: Mapping[str, bytes] | None = None,
        *,
        kind: Kind = "model",
        private: bool = False,
    ) -> str:
        """Make a repository with these files; the result is its head. An id may lack an owner here, as `gpt2`."""
        with self._state.lock:
            repo = make(self._state, kind, name, private=private, author=_ADMIN)
            if not files:
                return repo.refs[MAIN]
            added = {path: self._state.objects.put(content) for path, content in files.items()}
            return self._commit(repo, added, MAIN)

    def add_file(
        self,
        repo: str,
        path: str,
        source: Path,
        *,
        sha256: str,
        branch: str = "main",
        kind: Kind = "model",
    ) -> str:
        """Commit a large file that lies on the disk, without reading it; the result is the commit.

        It is linked, so it may be sparse and of any size, and must stay as it is. Nobody checks its
        digest but the clients that download it.

        Raises:
            NotFound: the file or the repository isn't there.
        """
        if not source.is_file():
            raise NotFound(f"`{source}` isn't there", hint="Make the file first.")
        with self._state.lock:
            file = self._state.objects.adopt(source, sha256)
            held = self._repo(repo, kind)
            held = replace(held, lfs=held.lfs | {sha256})
            return self._commit(held, {path: file}, f"refs/heads/{branch}")

    def _commit(self, repo: Repo, files: Mapping[str, File], ref: str) -> str:
        parent = repo.refs[ref]
        tree = {**self._state.repos.commit(repo, parent).tree, **files}
        title = f"Add {', '.join(sorted(files))}"[:80]
        made = Commit(
            parents=(parent,), tree=tree, title=title, message="", author=_ADMIN, date=time.time()
        )
        new = self._state.repos.add_commit(repo, made)
        kept = self._state.move(repo, ref, new)
        self._state.repos.put(kept)
        self._state.tell(kept, moved(ref, parent, new))
        return new

    def read(self, repo: str, path: str, *, revision: str = "main", kind: Kind = "model") -> bytes:
        """A file's bytes, as they lie here."""
        held = self._repo(repo, kind)
        tree = self._state.at(held, revision)[1].tree
        return self._state.objects.read(tree[path])

    def head(self, repo: str, *, revision: str = "main", kind: Kind = "model") -> str:
        """The commit of a revision."""
        return self._state.resolve(self._repo(repo, kind), revision)

    def gate(
        self,
        repo: str,
        allowed: Iterable[str] = (),
        *,
        mode: Literal["auto", "manual"] = "auto",
        kind: Kind = "model",
    ) -> None:
        """Hold a repository's files back from all but its owner and these users."""
        with self._state.lock:
            held = self._repo(repo, kind)
            self._state.repos.put(replace(held, gated=mode, allowed=frozenset(allowed)))

    def _repo(self, name: str, kind: Kind) -> Repo:
        found = self._state.repos.get(kind, name)
        if found is None:
            raise NotFound(f"this Hub has no {kind} `{name}`", hint="Add it with `add_repo`.")
        return found

    # -- What goes wrong, and what went on --------------------------------------------------------

    def fail(self, fault: Fault) -> None:
        """Have something go wrong with requests to come."""
        self._server.faults.add(fault)

    def heal(self) -> None:
        """Have nothing go wrong any more."""
        self._server.faults.clear()

    def limit(self, requests: int | None, seconds: int = 300) -> None:
        """Let each caller make so many requests in so many seconds; None for as many as they like."""
        limit = None if requests is None else Limit(requests=requests, seconds=seconds)
        self._server.limits.limit = limit

    @property
    def requests(self) -> tuple[Logged, ...]:
        """All requests since the start, in the order in which they began."""
        return self._server.journal.read()

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """All that webhooks were told since the start."""
        return self._state.post.deliveries

    def wait_for_deliveries(self, count: int, *, seconds: float = 10) -> tuple[Delivery, ...]:
        """The first `count` deliveries, once they have arrived or failed.

        Raises:
            TimeoutError: there aren't so many in that time.
        """
        return self._state.post.wait(count, seconds)

    def replay(self, delivery: Delivery) -> None:
        """Tell a webhook once more what it was told."""
        self._state.send(delivery.hook, delivery.payload)

    def wait_for_jobs(self, count: int = 1, *, seconds: float = 30) -> list[Job]:
        """All jobs, once at least `count` have ended and none runs.

        Raises:
            TimeoutError: they haven't in that time.
        """

        def done(jobs: list[Job]) -> bool:
            return len(jobs) >= count and all(job.stage in ENDED for job in jobs)

        return self._state.jobs.wait(done, seconds)

    def job_log(self, job: Job) -> list[str]:
        """What a job has written."""
        return self._state.jobs.log(job.id)
