"""`repository_dispatch` with the type `adapter-pushed`: a hint that an adapter has a new commit.

Nothing in it is believed: what is merged is read from the Hub, at a commit that the Hub names.
Limits: GitHub's docs, "Create a repository dispatch event".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from adapter_merge.errors import RequestError
from adapter_merge.request import RepoRef

if TYPE_CHECKING:  # whoever only reads one needs no PyGithub
    from adapter_merge.github.edge import Edge

EVENT = "adapter-pushed"
_BYTES = 64_000
_PROPERTIES = 10


class AdapterPushed(BaseModel):
    """The event's `client_payload`.

    Attributes:
        adapter: its id on the Hub, as `org/name`.
        revision: the commit that was pushed; a hint that may be old when it is read.
        ref: the branch that it was pushed to.
    """

    # Who sends it may say more than we ask for, within GitHub's limits.
    model_config = ConfigDict(frozen=True, extra="ignore")

    adapter: str = Field(min_length=3, max_length=200)
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$")
    ref: str = Field("refs/heads/main", pattern=r"^refs/heads/[\w./-]{1,200}$")

    @field_validator("adapter")
    @classmethod
    def _is_on_a_hub(cls, value: str) -> str:
        ref = RepoRef.model_validate(f"hf://{value}")
        if ref.repo != value:
            message = f"`{value}` is not an id on the Hub, as `org/name`"
            raise ValueError(message)
        return value


def read_pushed(payload: Mapping[str, Any] | None) -> AdapterPushed:
    """What an event says.

    Raises:
        RequestError: it isn't what this type of event holds.
    """
    try:
        _within(payload or {})
        return AdapterPushed.model_validate(payload or {})
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RequestError(
            f"the event's `client_payload` has no usable `{where}`: {first['msg']}",
            hint=f'Send `{EVENT}` with `{{"adapter": "org/name"}}`.',
        ) from e


def _within(payload: Mapping[str, Any]) -> None:
    size = len(json.dumps(payload).encode())
    if size >= _BYTES or len(payload) > _PROPERTIES:
        raise RequestError(
            f"the event's `client_payload` has {size} bytes and {len(payload)} names, more than GitHub sends",
            hint=f'Send `{EVENT}` with `{{"adapter": "org/name"}}`.',
        )


def dispatch(edge: Edge, pushed: AdapterPushed) -> None:
    """Start the workflows of a repository that wait for this event.

    One that arrives twice does nothing twice: equal contents are merged once.

    Raises:
        GithubUnavailable, Refused: see `Edge.asked`.
    """
    # PyGithub's own call gives False, whatever went wrong.
    sent = {"event_type": EVENT, "client_payload": pushed.model_dump(exclude_none=True)}
    post = edge.repo.requester.requestJsonAndCheck
    where = f"{edge.repo.url}/dispatches"
    edge.asked(
        lambda: post("POST", where, input=sent), f"an event of `{edge.name}`", "contents: write"
    )
