"""Keep one thread away from the Hub while it builds a class: a stranger's config may name a backbone there.

Other threads may ask the Hub at the same time, so nothing that they share is changed. Every HTTP client of
huggingface_hub gets a hook that looks at a variable of the thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event, Lock
from typing import Any

_BUILDS: ContextVar[bool] = ContextVar("builds", default=False)
_LOCK = Lock()
_GUARDED = Event()  # set once huggingface_hub makes clients with the hook


def install_clients(factory: Callable[[], Any]) -> None:
    """Have huggingface_hub use the clients of `factory`, each with the hook; the one in use is closed.

    They are clients of the HTTP library that huggingface_hub uses, with `event_hooks`.
    """
    with _LOCK:
        _install(factory)


@contextmanager
def without_hub() -> Iterator[None]:
    """Refuse every request of this thread to a Hub, as in offline mode; other threads are not concerned."""
    with _LOCK:
        if not _GUARDED.is_set():
            from huggingface_hub.utils._http import default_client_factory

            _install(default_client_factory)
    token = _BUILDS.set(True)
    try:
        yield
    finally:
        _BUILDS.reset(token)


def _install(factory: Callable[[], Any]) -> None:
    from huggingface_hub import set_client_factory

    def guarded() -> Any:
        client = factory()
        hooks = client.event_hooks
        client.event_hooks = {**hooks, "request": [_refuse, *hooks.get("request", ())]}
        return client

    set_client_factory(guarded)
    _GUARDED.set()


def _refuse(request: Any) -> None:
    if _BUILDS.get():
        from huggingface_hub.errors import OfflineModeIsEnabled

        raise OfflineModeIsEnabled(
            f"{request.url} is not asked for: a class is built without the Hub"
        )
