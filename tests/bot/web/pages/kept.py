"""A bot that only shows: what it says is set by a test, at any time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from adapter_merge.bot.order import Progress
from adapter_merge.bot.record import Past, Record
from adapter_merge.bot.standing import Standing
from adapter_merge.bot.web.pages.view import address
from adapter_merge.report import Report
from tests.pages.test_page import MERGED as REPORT

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
COMMIT = "c0ffee0123456789abcdef0123456789abcdef01"
# Letters that run from the right, and marks that turn a line around.
TURNED = "אב\u202egpj.exe\u2066"
EVIL = f"<script>alert('1')</script>\"><img src=x onerror=alert(2)>{TURNED}\x00"


def ago(**length: float) -> datetime:
    """A time before now."""
    return NOW - timedelta(**length)


@dataclass(kw_only=True)
class Told:
    """Implements `Shown`."""

    stands: Standing
    known: tuple[Record, ...] = ()
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    logs: Mapping[str, str] = field(default_factory=dict)

    def standing(self) -> Standing:
        """As it was set."""
        return self.stands

    def records(self) -> tuple[Record, ...]:
        """As they were set."""
        return self.known

    def report(self, target: str) -> Mapping[str, Any] | None:
        """As it was set."""
        return self.reports.get(target)

    def log(self, target: str) -> str:
        """As it was set."""
        return self.logs.get(target, "")


def well() -> Standing:
    """A bot that does what it should."""
    every = timedelta(minutes=5)
    return Standing(started=ago(days=2), interval=every, looked=ago(minutes=2))


RUNNING = Record(
    target="acme/qwen3-support-merged",
    adapters=(f"acme/qwen3-support-lora@{COMMIT}",),
    base=f"Qwen/Qwen3-8B@{COMMIT[::-1]}",
    state="running",
    reason="`acme/qwen3-support-lora` is at c0ffee0, and was at 1234567",
    at=ago(minutes=3),
    started=ago(minutes=3),
    progress=Progress(stage="merge", done=6_100_000_000, total=16_400_000_000),
    past=(Past(at=ago(days=3), state="merged", reason="the target has no result yet"),),
)
MERGED = Record(
    target="acme/mail-merged",
    adapters=(f"acme/mail-lora@{COMMIT}",),
    base="sentence-transformers/all-MiniLM-L6-v2",
    state="merged",
    reason="`acme/mail-lora` is at c0ffee0, and was at 7654321",
    notes=("the base has changed; `follow-base: true` would follow it",),
    at=ago(hours=2),
    started=ago(hours=2, minutes=4),
    url="https://huggingface.co/acme/mail-merged",
    commit=COMMIT,
    past=(
        Past(at=ago(days=1), state="failed", reason="`acme/mail-merged`: the Hub said no"),
        Past(at=ago(days=9), state="merged", reason="the target has no result yet"),
    ),
)
WAITING = Record(
    target="acme/llama-chat-merged",
    adapters=("acme/llama-chat-lora",),
    reason="its head has stood still for 4 minutes of 15",
    at=ago(minutes=4),
    until=NOW + timedelta(minutes=11),
)
DEAD = Record(
    target="acme/old-merged",
    adapters=("acme/old-a", "acme/old-b=0.5"),
    state="dead",
    reason="`acme/old-a` has no tensor for `h.0`. Run `adapter-merge bot retry acme/old-merged`.",
    at=ago(days=4),
    tries=5,
)
FOLDER = Record(target="./out/here", adapters=("./a",), state="unchanged", at=ago(days=40))
HOSTILE = Record(
    target=EVIL,
    adapters=(EVIL, f"{EVIL}@{COMMIT}"),
    base=EVIL,
    state="failed",
    reason=f"`{EVIL}` says {EVIL}",
    notes=(EVIL,),
    at=ago(seconds=5),
    url="javascript:alert(3)",
    commit=EVIL,
    past=(Past(at=ago(days=1), state="failed", reason=EVIL),),
)
EVERY = (MERGED, RUNNING, WAITING, DEAD, FOLDER, HOSTILE)
LOG = "".join(f"12:00:{n:02} merge: wrote model-{n:05}-of-00017.safetensors\n" for n in range(17))
# Every page, and one that isn't there.
ALL = ("/", *(address(record.target) for record in EVERY), "/nowhere")


def as_json(report: Report) -> Mapping[str, Any]:
    """A report as a store has it."""
    found: Mapping[str, Any] = json.loads(TypeAdapter(Report).dump_json(report))
    return found


def known() -> Told:
    """A bot with a merge in most states, and a stranger's names in one."""
    hostile = replace(REPORT, to=EVIL, reason=EVIL, notes=(EVIL,), versions={EVIL: EVIL})
    return Told(
        stands=well(),
        known=EVERY,
        reports={MERGED.target: as_json(REPORT), HOSTILE.target: as_json(hostile)},
        logs={RUNNING.target: LOG, HOSTILE.target: f"{EVIL}\x1b[31m\r\nnext\tcolumn\n"},
    )
