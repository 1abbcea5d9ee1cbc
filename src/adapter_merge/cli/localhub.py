"""`adapter-merge localhub serve`: a Hub on loopback, to try things on."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

app = App(
    name="localhub",
    sort_key=12,
    help="A Hub on this machine, for demos and tests. It is no Hub to offer to others.",
)


@app.command
def serve(
    *,
    data: Annotated[
        Path, Parameter(help="Folder that keeps everything; made where it is missing.")
    ],
    port: Annotated[int, Parameter(help="Port on 127.0.0.1; `0` takes a free one.")] = 0,
    user: Annotated[str, Parameter(help="A user who is let in.")] = "bot",
    token: Annotated[str, Parameter(help="Their token, which is no secret here.")] = "hf_bot",  # noqa: S107
    xet: Annotated[bool, Parameter(negative="--no-xet", help="Store large files by Xet.")] = True,
) -> int:
    """Serve a Hub on loopback until it is stopped, for demos and tests only.

    Prints `ready ADDRESS` once it answers; give that address to clients as `HF_ENDPOINT`. Tokens are
    kept in the clear, nothing is encrypted, and jobs run on this machine with your rights.
    """
    from adapter_merge.localhub import LocalHub

    with LocalHub(data.expanduser(), port=port, xet=xet) as hub, suppress(KeyboardInterrupt):
        hub.add_user(user, token)
        sys.stdout.write(f"ready {hub.url}\n")
        sys.stdout.flush()
        threading.Event().wait()
    return 0
