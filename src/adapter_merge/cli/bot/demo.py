"""`adapter-merge bot demo`: a bot on a Hub of this machine, and an adapter pushed as a Trainer pushes it."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from adapter_merge.cli import minilm
from adapter_merge.cli.loopback import USER, Loopback, loopback
from adapter_merge.cli.show import grid, on_stderr
from adapter_merge.errors import CheckFailed
from adapter_merge.finding import Verdict

ADAPTER, MERGED = f"{USER}/house-words", f"{USER}/house-words-merged"
_MERGES = f"""\
defaults:
  settle: 5s
watch:
  - owner: {USER}
    match: "house-*"
    except: "*-merged"
    to: "{{owner}}/{{name}}-merged"
"""
_SAVES = (
    (5, "Training in progress, step 5"),
    (10, "Training in progress, step 10"),
    (15, "Training in progress, step 15"),
    (minilm.STEPS, "End of training"),
)
_SECONDS = 180.0
_QUIET = 6.0  # seconds in which a second merge would begin
_STOPS = 40.0


def demo(
    *, folder: Annotated[Path, Parameter(name="--dir", help="Work folder.")] = Path("demo")
) -> int:
    """Push an adapter four times as a Trainer does, and watch the bot merge it once.

    A Hub, the bot and its webhook run on this machine; nothing leaves it, and all of it ends by itself.
    """
    from adapter_merge.bot.extra import require_extra

    require_extra()
    root = folder.expanduser().resolve() / "bot"
    root.mkdir(parents=True, exist_ok=True)
    _say("1. The base model, and an adapter at four saves of its training")
    minilm.fetch(root / "base")
    saves = tuple(_save(root, steps) for steps, _ in _SAVES)
    shutil.rmtree(root / "state", ignore_errors=True)
    (root / "merges.yaml").write_text(_MERGES, encoding="utf-8")
    with loopback(root, owner=minilm.MODEL.partition("/")[0]) as hub:
        hub.hf("upload", minilm.MODEL, str(root / "base"), "--commit-message", "The base")
        _say(f"2. A Hub at {hub.url}, the bot, and the webhook that wakes it")
        with _serving(hub, root) as bot:
            return _push(hub, bot, saves)


@dataclass(frozen=True, kw_only=True)
class _Bot:
    url: str
    root: Path

    @property
    def audit(self) -> Iterator[Mapping[str, Any]]:
        """Each decision so far, in order."""
        for line in (self.root / "audit.jsonl").read_text(encoding="utf-8").splitlines():
            yield json.loads(line)

    def reached(self, state: str) -> bool:
        """Whether a merge has come to a state."""
        return any(told.get("state") == state for told in self.audit)


def _save(root: Path, steps: int) -> Path:
    folder = root / f"save-{steps}"
    if not folder.exists():
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        minilm.train(root / "base", part, lambda _step, _loss: None, steps=steps)
        part.rename(folder)
    return folder


@contextmanager
def _serving(hub: Loopback, root: Path) -> Iterator[_Bot]:
    """The bot in a process of its own, with its webhook; both are gone at the end."""
    (root / "audit.jsonl").unlink(missing_ok=True)
    secret = {"ADAPTER_MERGE_WEBHOOK_SECRET": secrets.token_hex(16)}
    merges = str(root / "merges.yaml")
    words = ("serve", merges, "--state", str(root / "state"), "--audit", str(root / "audit.jsonl"))
    _say(f"   $ adapter-merge serve {_spell(root / 'merges.yaml')} --state ... --audit ...")
    with (
        (root / "bot.log").open("wb") as log,
        hub.started(*words, "--port", "0", more=secret, log=log) as process,
    ):
        try:
            url = _ready(process)
            if hub.command("bot", "install", merges, "--url", f"{url}/webhook", more=secret):
                raise _failed("the webhook couldn't be made")
            yield _Bot(url=url, root=root)
        finally:
            process.terminate()
            process.wait(_STOPS)


def _ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    word, _, url = process.stdout.readline().strip().partition(" ")
    if word != "ready":
        raise _failed("the bot didn't start; `bot.log` in the demo's folder says why")
    return url


def _push(hub: Loopback, bot: _Bot, saves: Iterable[Path]) -> int:
    _say(f"3. Four pushes, as a Trainer makes them; {bot.url} shows what becomes of them")
    for folder, (_, title) in zip(saves, _SAVES, strict=True):
        _say(f'   $ hf upload {ADAPTER} {_spell(folder)} --commit-message "{title}"')
        hub.hf("upload", ADAPTER, str(folder), "--commit-message", title)
    _wait(bot)
    _say("4. What the bot heard, decided and did")
    on_stderr().print(grid(_timeline(bot.audit)))
    merges = [t for t in bot.audit if t.get("state") == "running"]
    if len(merges) != 1:
        raise _failed(f"the adapter was merged {len(merges)} times, not once")
    _say(f"5. {hub.url}/{MERGED} was made once, of the last push.")
    return 0


def _wait(bot: _Bot) -> None:
    """Until it was merged, and a little longer.

    Raises:
        CheckFailed: it failed, or didn't come to an end.
    """
    end = time.monotonic() + _SECONDS
    while not bot.reached("merged"):
        if bot.reached("failed"):
            raise _failed("the merge failed; the timeline is in `audit.jsonl` of the demo's folder")
        if time.monotonic() > end:
            raise _failed(f"nothing was merged in {_SECONDS:.0f} s")
        time.sleep(0.2)
    time.sleep(_QUIET)


def _timeline(told: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """A line for each event: seconds since the first, what it was, and why."""
    start: datetime | None = None
    for event in told:
        at = datetime.fromisoformat(event["at"])
        start = start or at
        what = event.get("state") or f"webhook: {event.get('result')}"
        yield f"   {(at - start).total_seconds():5.1f} s", str(what), str(event.get("reason", ""))


def _spell(path: Path) -> str:
    here = Path.cwd()
    return f"./{path.relative_to(here)}" if path.is_relative_to(here) else str(path)


def _say(line: str) -> None:
    on_stderr().print(line, soft_wrap=True)


def _failed(message: str) -> CheckFailed:
    return CheckFailed(
        message,
        hint="Delete the demo's folder and run it again; then report it.",
        verdict=Verdict(findings=()),
    )
