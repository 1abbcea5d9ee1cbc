"""Every call of the API, one file a family."""

from __future__ import annotations

from adapter_merge.localhub.routes import (
    auth,
    collections,
    commits,
    discussions,
    files,
    info,
    jobs,
    lfs,
    refs,
    repos,
    webhooks,
    xet,
)
from adapter_merge.localhub.routes.route import Route

# The first that fits counts; none fits where another does.
ROUTES: tuple[Route, ...] = (
    *auth.ROUTES,
    *collections.ROUTES,
    *jobs.ROUTES,
    *webhooks.ROUTES,
    *repos.ROUTES,
    *info.ROUTES,
    *commits.ROUTES,
    *refs.ROUTES,
    *lfs.ROUTES,
    *xet.ROUTES,
    *discussions.ROUTES,
    *files.ROUTES,
)


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """The route of a call, with what its path says; a `HEAD` is a `GET` whose body isn't sent."""
    asked = "GET" if method == "HEAD" else method
    for route in ROUTES:
        parts = route.match(asked, path)
        if parts is not None:
            return route, parts
    return None
