"""One question to the Hub, with its answer held to a size."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from huggingface_hub import get_session
from huggingface_hub.utils import hf_raise_for_status

from adapter_merge.errors import HubUnavailable
from adapter_merge.hub.client import Client
from adapter_merge.hub.translate import Asked, translated

_CHUNK = 64 << 10
_SECONDS = 120.0  # for a whole answer; each of its pieces has a limit of its own


@contextmanager
def answering(
    client: Client, asked: Asked, url: str, headers: Mapping[str, str] | None = None
) -> Iterator[Any]:
    """The answer to a GET, its content still to be read.

    Raises:
        AdapterMergeError: see `translated`.
    """
    wanted = {**client.headers(), "Accept-Encoding": "identity", **(headers or {})}
    with translated(asked), get_session().stream("GET", url, headers=wanted) as response:
        hf_raise_for_status(response)
        yield response


def first_bytes(response: Any, most: int, asked: Asked) -> bytes:
    """The content, or as much of it as is `most`.

    Raises:
        HubUnavailable: it takes for ever.
    """
    content = bytearray()
    end = time.monotonic() + _SECONDS
    for chunk in response.iter_bytes(_CHUNK):
        content += chunk
        if len(content) >= most:
            break
        if time.monotonic() > end:
            raise HubUnavailable(
                f"{asked.host} took more than {_SECONDS:.0f} s for {len(content)} bytes of {asked.thing}",
                hint="Run the same command again later.",
            )
    return bytes(content[:most])


def parsed_json(content: bytes, asked: Asked) -> Any:
    """The content as a JSON value.

    Raises:
        HubUnavailable: it is none; a proxy's page is the usual reason.
    """
    with translated(asked):
        try:
            return json.loads(content)
        except RecursionError as e:
            raise ValueError from e
