"""GitHub's REST API on loopback, as far as our edge asks it, with faults on purpose."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from adapter_merge.localhub.faults import Cut, Effect, Faults, Lost, Slow, Status
from tests.github.shapes import (
    annotation_shape,
    asset_shape,
    check_shape,
    comment_shape,
    job_shape,
    release_shape,
    repository_shape,
    run_shape,
    status_shape,
    user_shape,
)

TOKEN = "ghs_0123456789abcdefghijABCDEFGHIJ012345"
REPO = "org/models"
Thing = dict[str, Any]


class Problem(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Call:
    """One request as it came: what a validator needs of it."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: bytes

    def json(self) -> Thing:
        found: Thing = json.loads(self.body)
        return found


@dataclass
class Workflow:
    """One run of a workflow with one job; errors are titles and messages that the job shows."""

    id: int
    title: str
    steps: list[str]
    status: str = "queued"
    conclusion: str | None = None
    ended: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class State:
    """What stands on GitHub; `url` is where clients reach it, `login` the token's user, or None for an app's.

    `started` and `cancelled` are told of an event, and of a run that shall end.
    """

    url: str = ""
    login: str | None = None
    denied: set[str] = field(default_factory=set)
    statuses: dict[str, list[Thing]] = field(default_factory=dict)
    checks: list[Thing] = field(default_factory=list)
    comments: dict[int, list[Thing]] = field(default_factory=dict)
    releases: list[Thing] = field(default_factory=list)
    uploads: dict[int, bytes] = field(default_factory=dict)
    events: list[Thing] = field(default_factory=list)
    runs: list[Workflow] = field(default_factory=list)
    started: Callable[[Thing], None] = lambda _: None
    cancelled: Callable[[Workflow], None] = lambda _: None
    calls: list[tuple[Call, int, Any]] = field(default_factory=list)
    last: int = 0

    def number(self) -> int:
        self.last += 1
        return self.last

    def author(self) -> Thing:
        return user_shape(self.url, self.login or "github-actions[bot]", bot=self.login is None)

    def of(self, things: list[Thing], number: str) -> Thing:
        for thing in things:
            if thing["id"] == int(number):
                return thing
        raise Problem(404, "Not Found")

    # Each of these answers one call: its status and its value.

    def user(self, call: Call) -> Any:
        if self.login is None:
            raise Problem(403, "Resource not accessible by integration")
        return 200, user_shape(self.url, self.login, whole=True)

    def repository(self, call: Call) -> Any:
        return 200, repository_shape(self.url, REPO, whole=True)

    def list_statuses(self, call: Call, sha: str) -> Any:
        return 200, self.paged(call, self.statuses.get(sha, []))

    def add_status(self, call: Call, sha: str) -> Any:
        made = status_shape(self.url, self.number(), sha, call.json(), self.author())
        self.statuses.setdefault(sha, []).insert(0, made)
        return 201, made

    def list_checks(self, call: Call, sha: str) -> Any:
        name = call.query.get("check_name", [""])[0]
        found = [c for c in self.checks if c["head_sha"] == sha and c["name"] == name]
        return 200, {"total_count": len(found), "check_runs": self.paged(call, found)}

    def add_check(self, call: Call) -> Any:
        made = check_shape(self.url, REPO, self.number(), call.json())
        self.checks.append(made)
        return 201, made

    def edit_check(self, call: Call, number: str) -> Any:
        thing = self.of(self.checks, number)
        sent = call.json()
        sent["output"] = {**thing["output"], **sent.get("output", {})}
        thing.update(sent)
        return 200, thing

    def list_comments(self, call: Call, issue: str) -> Any:
        return 200, self.paged(call, self.comments.get(int(issue), []))

    def add_comment(self, call: Call, issue: str) -> Any:
        made = self.said(int(issue), call.json()["body"], self.author())
        return 201, made

    def said(self, issue: int, body: str, author: Thing) -> Thing:
        made = comment_shape(self.url, REPO, self.number(), issue, body, author)
        self.comments.setdefault(issue, []).append(made)
        return made

    def edit_comment(self, call: Call, number: str) -> Any:
        thing = self.of([c for several in self.comments.values() for c in several], number)
        thing["body"] = call.json()["body"]
        return 200, thing

    def list_releases(self, call: Call) -> Any:
        return 200, self.paged(call, self.releases)

    def add_release(self, call: Call) -> Any:
        sent = call.json()
        if any(r["tag_name"] == sent["tag_name"] and not r["draft"] for r in self.releases):
            raise Problem(422, "Validation Failed")
        made = release_shape(self.url, REPO, self.number(), sent, self.author())
        self.releases.insert(0, made)
        return 201, made

    def edit_release(self, call: Call, number: str) -> Any:
        thing = self.of(self.releases, number)
        thing.update(call.json())
        if not thing["draft"]:
            thing["published_at"] = thing["created_at"]
        return 200, thing

    def list_assets(self, call: Call, number: str) -> Any:
        return 200, self.paged(call, self.of(self.releases, number)["assets"])

    def add_asset(self, call: Call, number: str) -> Any:
        name = call.query["name"][0]
        assets = self.of(self.releases, number)["assets"]
        if any(a["name"] == name for a in assets):
            raise Problem(422, "already_exists")
        digest = f"sha256:{hashlib.sha256(call.body).hexdigest()}"
        made = asset_shape(self.url, REPO, self.number(), name, len(call.body), digest)
        made["uploader"] = self.author()
        self.uploads[made["id"]] = call.body
        assets.append(made)
        return 201, made

    def delete_asset(self, call: Call, number: str) -> Any:
        for made in self.releases:
            made["assets"][:] = [a for a in made["assets"] if a["id"] != int(number)]
        return 204, None

    def add_event(self, call: Call) -> Any:
        self.events.append(call.json())
        self.started(call.json())
        return 204, None

    def run(self, number: str) -> Workflow:
        for run in self.runs:
            if run.id == int(number):
                return run
        raise Problem(404, "Not Found")

    def list_runs(self, call: Call) -> Any:
        found = [run_shape(self.url, REPO, run) for run in reversed(self.runs)]
        return 200, {"total_count": len(found), "workflow_runs": self.paged(call, found)}

    def one_run(self, call: Call, number: str) -> Any:
        return 200, run_shape(self.url, REPO, self.run(number))

    def cancel_run(self, call: Call, number: str) -> Any:
        run = self.run(number)
        if run.status == "completed":
            raise Problem(409, "Cannot cancel a workflow run that is completed.")
        self.cancelled(run)
        return 202, {}

    def list_jobs(self, call: Call, number: str) -> Any:
        run = self.run(number)
        jobs = [job_shape(self.url, REPO, run)] if run.status != "queued" else []
        return 200, {"total_count": len(jobs), "jobs": self.paged(call, jobs)}

    def list_annotations(self, call: Call, number: str) -> Any:
        run = self.run(number)
        found = [annotation_shape(self.url, REPO, *error) for error in run.errors]
        return 200, self.paged(call, found)

    def paged(self, call: Call, things: list[Thing]) -> list[Thing]:
        size = int(call.query.get("per_page", ["30"])[0])
        start = (int(call.query.get("page", ["1"])[0]) - 1) * size
        return things[start : start + size]

    def answer(self, call: Call, token: str) -> tuple[int, Any]:
        try:
            return self._answer(call, token)
        except Problem as e:
            told = {"message": e.message, "documentation_url": "https://docs.github.com/rest"}
            return e.status, told

    def _answer(self, call: Call, token: str) -> tuple[int, Any]:
        if token not in {f"token {TOKEN}", f"Bearer {TOKEN}"}:
            raise Problem(401, "Bad credentials")
        for method, pattern, act in _ROUTES:
            match = re.fullmatch(pattern, call.path)
            if method == call.method and match is not None:
                if method != "GET" and any(d in call.path for d in self.denied):
                    raise Problem(403, "Resource not accessible by integration")
                status, value = act(self, call, *match.groups())
                return int(status), value
        raise Problem(404, "Not Found")


_R = f"/repos/{REPO}"
_N = r"(\d+)"
_SHA = r"([0-9a-f]{40})"
_ROUTES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("GET", "/user", State.user),
    ("GET", _R, State.repository),
    ("GET", f"{_R}/commits/{_SHA}/statuses", State.list_statuses),
    ("POST", f"{_R}/statuses/{_SHA}", State.add_status),
    ("GET", f"{_R}/commits/{_SHA}/check-runs", State.list_checks),
    ("POST", f"{_R}/check-runs", State.add_check),
    ("PATCH", f"{_R}/check-runs/{_N}", State.edit_check),
    ("GET", f"{_R}/issues/{_N}/comments", State.list_comments),
    ("POST", f"{_R}/issues/{_N}/comments", State.add_comment),
    ("PATCH", f"{_R}/issues/comments/{_N}", State.edit_comment),
    ("GET", f"{_R}/releases", State.list_releases),
    ("POST", f"{_R}/releases", State.add_release),
    ("PATCH", f"{_R}/releases/{_N}", State.edit_release),
    ("GET", f"{_R}/releases/{_N}/assets", State.list_assets),
    ("POST", f"{_R}/releases/{_N}/assets", State.add_asset),
    ("DELETE", f"{_R}/releases/assets/{_N}", State.delete_asset),
    ("POST", f"{_R}/dispatches", State.add_event),
    ("GET", f"{_R}/actions/runs", State.list_runs),
    ("GET", f"{_R}/actions/runs/{_N}", State.one_run),
    ("POST", f"{_R}/actions/runs/{_N}/cancel", State.cancel_run),
    ("GET", f"{_R}/actions/runs/{_N}/jobs", State.list_jobs),
    ("GET", f"{_R}/check-runs/{_N}/annotations", State.list_annotations),
)


@dataclass
class Stub:
    """A running stub: `state` is what stands there, `faults` what goes wrong next."""

    state: State
    faults: Faults = field(default_factory=Faults)

    @property
    def url(self) -> str:
        return self.state.url

    def asked(self, line: str) -> int:
        """How many calls' `METHOD /path` has this pattern."""
        return sum(
            re.search(line, f"{c.method} {c.path}") is not None for c, _, _ in self.state.calls
        )


@contextmanager
def github_stub() -> Iterator[Stub]:
    stub, lock = Stub(State()), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = Call(self.command, parts.path, parse_qs(parts.query), body)
            effect = stub.faults.take(f"{self.command} {self.path}")
            time.sleep(effect.seconds if isinstance(effect, Slow) else 0)
            with lock:
                self._exchange(call, effect)

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815

        def _exchange(self, call: Call, effect: Effect | None) -> None:
            if isinstance(effect, Cut):
                self.close_connection = True
                return
            if isinstance(effect, Status):
                self._send(effect.status, effect.body, dict(effect.headers))
                return
            status, value = stub.state.answer(call, self.headers.get("Authorization", ""))
            stub.state.calls.append((call, status, json.loads(json.dumps(value))))
            if isinstance(effect, Lost):
                self.close_connection = True
                return
            self._send(status, b"" if value is None else json.dumps(value).encode(), {})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            content = {"Content-Type": "application/json; charset=utf-8"} if body else {}
            for name, text in {**content, **headers}.items():
                self.send_header(name, text)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stub.state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
