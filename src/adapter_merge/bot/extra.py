"""What only the bot needs, which an installation may lack."""

from __future__ import annotations

from importlib.util import find_spec

from adapter_merge.errors import RequestError

_NEEDED = ("fastapi", "persistqueue", "prometheus_client", "psutil", "uvicorn")


def require_extra() -> None:
    """Make sure that everything is there, without importing it.

    Raises:
        RequestError: something isn't.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise RequestError(
            f"the bot needs {', '.join(f'`{name}`' for name in missing)}, which aren't installed",
            hint="Install them: `pip install 'adapter-merge[bot]'`.",
        )
