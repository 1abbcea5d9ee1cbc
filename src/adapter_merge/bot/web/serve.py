"""A bot and its server, from the start to the end of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from adapter_merge.bot.bot import Bot
from adapter_merge.bot.log import say
from adapter_merge.bot.web.app import Beside, app
from adapter_merge.bot.web.server import address, listen, server


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """Where a bot is reached.

    Attributes:
        host, port: what is listened on; port 0 is any free one.
        secret: the webhook's.
        pages: whether there are pages for people.
    """

    host: str
    port: int
    secret: str
    pages: bool = True


def serve(bot: Bot, door: Door, ready: Callable[[str], None]) -> None:
    """Have a bot work and answer until the process is told to stop; `ready` gets its address.

    At SIGTERM or SIGINT nothing new is taken, what is being answered is, and then the bot stops, with the
    merges that it has running.

    Raises:
        RequestError: the address or the bot's state folder can't be had.
        KeyboardInterrupt: it was stopped, and all is over.
    """
    with listen(door.host, door.port) as listening, bot:
        beside = Beside(audit=bot.audit, shown=bot if door.pages else None)
        running = server(app(bot, door.secret, beside))
        url = address(listening)
        say("serving", url=url)
        ready(url)
        running.run(sockets=[listening])
