"""What the bot's verbs have in common: which webhook is meant, and talk on stderr."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from adapter_merge.cli.show import on_stderr
from adapter_merge.errors import RequestError

Url = Annotated[
    str | None,
    Parameter(
        help="The address of `adapter-merge serve`, such as `https://bot.example.com/webhook`."
    ),
]
Asked = Annotated[bool, Parameter(help="The webhook that runs a Job of the Hub, without a server.")]

AsJson = Annotated[
    bool,
    Parameter(
        name="--json", help="Write what was found as JSON to stdout, and nothing else there."
    ),
]


def require_one(url: str | None, *, job: bool) -> None:
    """Make sure that one webhook is named.

    Raises:
        RequestError: none is, or both are.
    """
    if (url is None) is not job:
        raise RequestError(
            "a webhook tells one address, or runs a Job",
            hint="Give `--url https://.../webhook`, or `--job`.",
        )


def say(text: str) -> None:
    """Tell people a sentence."""
    on_stderr().print(text)
