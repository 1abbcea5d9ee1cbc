from __future__ import annotations

import subprocess
import sys

import pytest

from adapter_merge.bot import extra
from adapter_merge.bot.extra import require_extra
from adapter_merge.errors import RequestError


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_extra()
    monkeypatch.setattr(extra, "_NEEDED", ("json", "no_such_module"))
    with pytest.raises(RequestError, match="`no_such_module`, which") as raised:
        require_extra()
    assert "adapter-merge[bot]" in raised.value.hint


def test_the_command_line_starts_without_it() -> None:
    program = "import sys; import adapter_merge.cli.main as m; m.build(); print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(ran.stdout.split())
    assert not loaded & {"fastapi", "uvicorn", "persistqueue", "prometheus_client", "starlette"}
