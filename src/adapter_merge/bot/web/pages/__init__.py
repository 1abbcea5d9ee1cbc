"""What people see of the bot: pages of our own, drawn by the server, that change nothing.

`add(app, shown, now=...)` puts them into an application: `/`, `/merges/OWNER/NAME` with `/report` and `/log`, their style
and script, and a page for what isn't there.
"""

from __future__ import annotations

from adapter_merge.bot.web.pages.routes import add
from adapter_merge.bot.web.pages.shown import Shown

__all__ = ["Shown", "add"]
