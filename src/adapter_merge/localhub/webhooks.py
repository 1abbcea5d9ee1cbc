"""Webhooks: who is told of what, in the Hub's third version of the payload."""

from __future__ import annotations

import json
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from adapter_merge.localhub.repos import Repo
from adapter_merge.localhub.users import namespace

Payload = Mapping[str, object]
_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """A repository, or all of a user or an organisation."""

    type: Literal["user", "org", "model", "dataset", "space"]
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """Who is told: an address, or a job that is run again (`job` is its id)."""

    id: str
    user: str
    watched: tuple[Watched, ...]
    domains: tuple[str, ...]
    url: str | None = None
    job: str | None = None
    secret: str | None = None
    secrets: Mapping[str, str] | None = None
    disabled: bool = False

    def wants(self, repo: Repo, scope: str) -> bool:
        """Whether it is told of such an event."""
        return (
            not self.disabled
            and scope.split(".", maxsplit=1)[0] in self.domains
            and any(_watches(w, repo) for w in self.watched)
        )


def _watches(watched: Watched, repo: Repo) -> bool:
    if watched.type in ("user", "org"):
        return watched.name == namespace(repo.id)
    return (watched.type, watched.name) == (repo.kind, repo.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """What happened to a repository; `more` is what the payload says of it beside the repository."""

    scope: str
    action: Literal["create", "update", "delete"] = "update"
    more: Payload | None = None


def moved(ref: str, old: str | None, new: str | None) -> Happening:
    """A ref that came, moved or went."""
    change = {"ref": ref, "oldSha": old, "newSha": new}
    return Happening(scope="repo.content", more={"updatedRefs": [change]})


def payload(happening: Happening, repo: Repo, *, url: str, head: str | None) -> Payload:
    """What all webhooks are told, but for which of them it is."""
    api = f"{url}/api/{repo.kind}s/{repo.id}"
    about: dict[str, object] = {
        "type": repo.kind,
        "name": repo.id,
        "id": repo.oid,
        "private": repo.private,
        "owner": {"id": repo.owner},
        "url": {"web": f"{url}/{repo.where}", "api": api},
    }
    if happening.scope.startswith("repo") and head is not None:
        about["headSha"] = head
    event = {"action": happening.action, "scope": happening.scope}
    return {"event": event, "repo": about, **(happening.more or {})}


def addressed(told: Payload, hook: Webhook) -> Payload:
    """A payload as one webhook gets it."""
    return {**told, "webhook": {"id": hook.id, "version": 3}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What a webhook was told, and its status; None until it is known, 0 where nobody answered."""

    id: int
    hook: Webhook
    payload: Payload
    status: int | None = None


class Post:
    """Delivers in order, one at a time, and once: who doesn't answer isn't asked again."""

    def __init__(self) -> None:
        self._deliveries: list[Delivery] = []
        self._waiting: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._changed = threading.Condition()

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """All so far, in order."""
        with self._changed:
            return tuple(self._deliveries)

    def start(self) -> None:
        """Deliver from now on."""
        threading.Thread(target=self._work, daemon=True).start()

    def stop(self) -> None:
        """Deliver what waits, and no more."""
        self._waiting.put(None)

    def send(self, hook: Webhook, told: Payload) -> None:
        """Have a payload delivered."""
        with self._changed:
            delivery = Delivery(id=len(self._deliveries), hook=hook, payload=told)
            self._deliveries.append(delivery)
        self._waiting.put(delivery)

    def note(self, hook: Webhook, told: Payload) -> None:
        """Keep what a webhook was told in another way."""
        with self._changed:
            made = Delivery(id=len(self._deliveries), hook=hook, payload=told, status=200)
            self._deliveries.append(made)
            self._changed.notify_all()

    def wait(self, count: int, seconds: float) -> tuple[Delivery, ...]:
        """The first `count` deliveries that are known to have arrived or failed.

        Raises:
            TimeoutError: there aren't so many in that time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._done()) >= count, seconds):
                raise TimeoutError(f"{len(self._done())} of {count} deliveries")
            return tuple(self._done()[:count])

    def _done(self) -> list[Delivery]:
        return [d for d in self._deliveries if d.status is not None]

    def _work(self) -> None:
        while (delivery := self._waiting.get()) is not None:
            status = _deliver(delivery)
            with self._changed:
                self._deliveries[delivery.id] = replace(delivery, status=status)
                self._changed.notify_all()


def _deliver(delivery: Delivery) -> int:
    headers = {"Content-Type": "application/json"}
    if delivery.hook.secret is not None:
        headers["X-Webhook-Secret"] = delivery.hook.secret
    body = json.dumps(delivery.payload).encode()
    try:
        request = urllib.request.Request(delivery.hook.url or "", body, headers)  # noqa: S310 - the Hub posts where it is told to
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as e:
        with e:
            return e.code
    except (OSError, ValueError):
        return 0
