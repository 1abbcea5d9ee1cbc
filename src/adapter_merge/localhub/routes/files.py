"""Files: what a tree lists, what a path is, and the bytes."""

from __future__ import annotations

import hmac
from urllib.parse import parse_qs, urlencode

from adapter_merge.localhub import trees
from adapter_merge.localhub.repos import File, Repo
from adapter_merge.localhub.routes.route import route
from adapter_merge.localhub.state import State
from adapter_merge.localhub.trees import Entry
from adapter_merge.localhub.wire import Answer, Ask, Problem, ranged, reply


def root(state: State, ask: Ask) -> Answer:
    """The tree of a revision."""
    return _tree(state, ask, "")


def below(state: State, ask: Ask) -> Answer:
    """The tree below a folder."""
    return _tree(state, ask, ask.parts[3].strip("/"))


def _tree(state: State, ask: Ask, folder: str) -> Answer:
    kind, name, revision = ask.parts[:3]
    repo = state.reach(ask, kind, name)
    commit, held = state.at(repo, revision)
    entries = list(trees.listing(held.tree, folder, recursive=ask.asks("recursive")))
    if folder and not entries:
        raise Problem(404, f"{folder} does not exist on {revision}", "EntryNotFound")
    start = int(ask.only("cursor") or 0)
    end = start + state.settings.page
    headers = {"X-Repo-Commit": commit}
    if end < len(entries):
        query = {key: said for key in ("recursive", "expand") if (said := ask.only(key))}
        more = f"{state.url}{ask.path}?{urlencode({**query, 'cursor': end})}"
        headers["Link"] = f'<{more}>; rel="next"'
    page = entries[start:end]
    if ask.asks("expand"):
        page = [_expanded(state, repo, commit, entry) for entry in page]
    return reply(page, headers=headers)


def _expanded(state: State, repo: Repo, commit: str, entry: Entry) -> Entry:
    return trees.expanded(entry, commit, lambda name: state.repos.commit(repo, name))


def paths(state: State, ask: Ask) -> Answer:
    """What each of the paths of a form is; those that aren't there are left out."""
    kind, name, revision = ask.parts
    repo = state.reach(ask, kind, name)
    commit, held = state.at(repo, revision)
    form = parse_qs(ask.body.whole().decode())
    found = [e for path in form.get("paths", []) if (e := trees.find(held.tree, path))]
    if form.get("expand", [""])[0].lower() == "true":
        found = [_expanded(state, repo, commit, entry) for entry in found]
    return reply(found)


def resolve(state: State, ask: Ask) -> Answer:
    """A file's bytes, or for a large one the address where they are.

    That address has another host name, as on the real Hub: a client that followed it as one of the
    same host would lose the headers of this answer.
    """
    kind, name, revision, path = ask.parts
    repo = state.reach(ask, kind, name, "files")
    commit, held = state.at(repo, revision)
    file = held.tree.get(path)
    headers = {"X-Repo-Commit": commit}
    if file is None:
        raise Problem(404, "Entry not found", "EntryNotFound", headers=headers)
    headers["ETag"] = f'"{file.digest}"'
    if file.sha256 is None:
        return ranged(state.objects.path(file), ask.headers.get("range"), headers)
    return Answer(status=302, headers={**headers, **_elsewhere(state, repo, commit, file)})


def _elsewhere(state: State, repo: Repo, commit: str, file: File) -> dict[str, str]:
    """Where a large file's bytes are, over HTTP and in the Xet store."""
    digest = file.digest
    port = state.url.rpartition(":")[2]
    query = urlencode({"key": state.sign(digest)})
    headers = {
        "X-Linked-Etag": f'"{digest}"',
        "X-Linked-Size": str(file.size),
        "Location": f"http://localhost:{port}/_cdn/{digest}?{query}",
    }
    if file.xet is not None and state.settings.xet:
        token = f"{state.url}/api/{repo.kind}s/{repo.id}/xet-read-token/{commit}"
        headers["X-Xet-Hash"] = file.xet
        headers["X-Xet-Refresh-Route"] = token
        headers["Link"] = f'<{token}>; rel="xet-auth"'
    return headers


def large(state: State, ask: Ask) -> Answer:
    """A large file's bytes, for whoever was sent here."""
    (digest,) = ask.parts
    check_key(state, ask, digest)
    file = state.objects.large(digest)
    if file is None:
        raise Problem(404, "Not found")
    return ranged(state.objects.path(file), ask.headers.get("range"), {"ETag": f'"{digest}"'})


def check_key(state: State, ask: Ask, digest: str) -> None:
    """Hold an address against our signature.

    Raises:
        Problem: we didn't give it.
    """
    if not hmac.compare_digest(state.sign(digest), ask.only("key") or ""):
        raise Problem(403, "the address is not signed by this Hub")


ROUTES = (
    route("GET /api/{kind}/{repo}/tree/{rev}", root),
    route("GET /api/{kind}/{repo}/tree/{rev}/", root),
    route("GET /api/{kind}/{repo}/tree/{rev}/{path}", below),
    route("POST /api/{kind}/{repo}/paths-info/{rev}", paths),
    route("GET /{at}{repo}/resolve/{rev}/{path}", resolve),
    route("GET /api/{kind}/{repo}/resolve/{rev}/{path}", resolve),
    route("GET /_cdn/{digest}", large),
)
