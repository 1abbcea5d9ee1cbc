"""GitHub's own description of its API, where `make test-github-api` has put it, and what it says of a call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft4Validator, FormatChecker

from tests.github.stub import Call

MODULES = Path(__file__).parents[2] / ".cache/github-api/node_modules"
DESCRIPTION = MODULES / "@octokit/openapi/generated/api.github.com.json"


@cache
def description() -> dict[str, Any]:
    with DESCRIPTION.open("rb") as file:
        found: dict[str, Any] = _with_nulls(json.load(file))
    return found


def _with_nulls(value: Any) -> Any:
    """OpenAPI 3.0 writes `nullable` where JSON Schema has the type `null`."""
    if isinstance(value, list):
        return [_with_nulls(v) for v in value]
    if not isinstance(value, dict):
        return value
    inner = {k: _with_nulls(v) for k, v in value.items()}
    if value.get("nullable") is True:
        return {"anyOf": [{"type": "null"}, inner]}
    return inner


def faults_of(call: Call, status: int, answer: Any) -> Iterator[str]:
    """What GitHub's description says against a request and its answer."""
    found = _operation(call)
    if found is None:
        yield f"GitHub has no `{call.method} {call.path}`"
        return
    known = {p["name"] for p in map(_resolved, found.get("parameters", [])) if p["in"] == "query"}
    yield from (f"`{name}` is no parameter" for name in sorted(set(call.query) - known))
    body = _resolved(found.get("requestBody", {})).get("content", {})
    if "application/json" in body and call.body:
        yield from _against(body["application/json"]["schema"], json.loads(call.body), "sent")
    elif call.body and not body:
        yield "no body is taken"
    answers = found["responses"]
    if str(status) not in answers:
        yield f"`{status}` is no answer"
        return
    said = _resolved(answers[str(status)]).get("content", {}).get("application/json")
    if said is not None:
        yield from _against(said["schema"], answer, "answered")


def _operation(call: Call) -> dict[str, Any] | None:
    fits = [
        (path.count("{"), methods)
        for path, methods in description()["paths"].items()
        if re.fullmatch(re.sub(r"\\\{[^}]*\}", "[^/]+", re.escape(path)), unquote(call.path))
    ]
    for _, methods in sorted(fits, key=lambda f: f[0]):
        if call.method.lower() in methods:
            found: dict[str, Any] = methods[call.method.lower()]
            return found
    return None


def _resolved(value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        at: Any = description()
        for part in value["$ref"].removeprefix("#/").split("/"):
            at = at[part.replace("~1", "/").replace("~0", "~")]
        value = at
    return value


def _against(schema: dict[str, Any], value: Any, what: str) -> Iterator[str]:
    whole = {**schema, "components": description()["components"]}
    validator = Draft4Validator(whole, format_checker=FormatChecker())
    for error in validator.iter_errors(value):
        where = "/".join(map(str, error.absolute_path))
        yield f"{what} `{where}`: {error.message[:300]}"
