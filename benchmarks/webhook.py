"""Post a thousand deliveries in ten seconds to a bot that merges, and write how soon they were answered.

    make bench-bot

Fifty adapters are pushed once each. Their deliveries come twenty times, out of order, some with older commits,
some of tags and of others' repositories, over connections of their own; merges go on meanwhile.
"""

from __future__ import annotations

import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import results

from adapter_merge.localhub import LocalHub

ADAPTERS, TIMES, SECONDS = 50, 20, 10.0
OWNER, TOKEN, SECRET = (
    "acme",
    "hf_bot",
    "a secret of this bench alone",
)  # of a Hub that lives for minutes
SENDERS = 16
MOST_MINUTES = 20
AIM_MS = 50


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How long an answer took, and its status."""

    seconds: float
    status: int


def fill(hub: LocalHub, root: Path) -> None:
    """Put a small base and all adapters onto the Hub; no two of them change the base alike."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=256, num_attention_heads=4, **sizes))
    model.save_pretrained(root / "base")
    (root / "base" / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
    put(hub, f"{OWNER}/base", root / "base")
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear"))
    for number in range(ADAPTERS):
        torch.manual_seed(number)
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.01)
        folder = root / f"adapter-{number}"
        adapted.save_pretrained(folder)
        config = folder / "adapter_config.json"
        said = json.loads(config.read_text()) | {"base_model_name_or_path": f"{OWNER}/base"}
        config.write_text(json.dumps(said))
        put(hub, adapter(number), folder)


def put(hub: LocalHub, repo: str, folder: Path) -> None:
    """Make a repository of a folder."""
    hub.add_repo(repo, {f.name: f.read_bytes() for f in folder.iterdir() if f.is_file()})


def adapter(number: int) -> str:
    """An adapter's id."""
    return f"{OWNER}/adapter-{number}"


def merges() -> str:
    """What the bot looks after."""
    entries = "".join(f"  - adapter: {adapter(n)}\n" for n in range(ADAPTERS))
    to = "{owner}/{name}-merged"
    return f'defaults:\n  when: push\n  probe: "off"\n  to: "{to}"\nmerges:\n{entries}'


@contextmanager
def bot(hub: LocalHub, root: Path) -> Iterator[str]:
    """The real command, on a Hub; the value is its address."""
    (root / "merges.yaml").write_text(merges())
    command = [sys.executable, "-m", "adapter_merge", "serve", str(root / "merges.yaml")]
    options = ["--state", str(root / "state"), "--port", "0", "--log", "json"]
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("HF_")},
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(root / "home"),
        "ADAPTER_MERGE_WEBHOOK_SECRET": SECRET,
    }
    with (root / "log.txt").open("w") as log:
        child = subprocess.Popen(
            [*command, *options], env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert child.stdout is not None
        word, _, url = child.stdout.readline().strip().partition(" ")
        assert word == "ready", (root / "log.txt").read_text()
        yield url
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(60)


def payloads(hub: LocalHub) -> list[bytes]:
    """All deliveries, shuffled: most of the head, some of older commits, tags, strangers and our own results."""
    kinds = ("main",) * 14 + ("old",) * 3 + ("tag", "foreign", "own")
    heads = {number: hub.head(adapter(number)) for number in range(ADAPTERS)}
    told = [payload(n, kind, heads[n]) for n in range(ADAPTERS) for kind in kinds[:TIMES]]
    random.Random(7).shuffle(told)  # noqa: S311
    return told


def payload(number: int, kind: str, head: str) -> bytes:
    """One delivery."""
    name = {"foreign": f"stranger/adapter-{number}", "own": f"{adapter(number)}-merged"}
    ref = f"refs/tags/v{number}" if kind == "tag" else "refs/heads/main"
    sha = head[::-1] if kind == "old" else head
    about = {"type": "model", "name": name.get(kind, adapter(number)), "headSha": sha}
    said = {
        "event": {"action": "update", "scope": "repo.content"},
        "repo": about,
        "updatedRefs": [{"ref": ref, "oldSha": None, "newSha": sha}],
        "webhook": {"id": "1", "version": 3},
    }
    return json.dumps(said).encode()


def post(url: str, body: bytes, at: float) -> Answer:
    """Deliver at a time, over a new connection, and read the whole answer."""
    time.sleep(max(0.0, at - time.perf_counter()))
    start = time.perf_counter()
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        headers = {"X-Webhook-Secret": SECRET, "Content-Type": "application/json"}
        connection.request("POST", "/webhook", body, headers)
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    return Answer(seconds=time.perf_counter() - start, status=answer.status)


def posted(url: str, told: list[bytes]) -> tuple[list[Answer], float]:
    """All deliveries, evenly over ten seconds; and how long that really took."""
    begin = time.perf_counter() + 0.2
    times = [begin + SECONDS * n / len(told) for n in range(len(told))]
    with ThreadPoolExecutor(SENDERS) as pool:
        answers = list(pool.map(post, [url] * len(told), told, times))
    return answers, time.perf_counter() - begin


def merged(hub: LocalHub) -> dict[int, int]:
    """How often each target that stands was merged: each merge is a commit."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    api = HfApi(endpoint=hub.url, token=TOKEN)
    found = {}
    for number in range(ADAPTERS):
        try:
            commits = api.list_repo_commits(f"{adapter(number)}-merged")
        except RepositoryNotFoundError:
            continue
        found[number] = len(commits) - 1  # the first one made the repository
    return found


def followed(hub: LocalHub) -> tuple[dict[int, int], float]:
    """Wait until all targets are merged and nothing goes on; and how long that took."""
    start = time.perf_counter()
    while time.perf_counter() - start < 60 * MOST_MINUTES:
        found = merged(hub)
        if sum(1 for times in found.values() if times) == ADAPTERS:
            took = time.perf_counter() - start
            time.sleep(10)  # a second merge of one would show by now
            return merged(hub), took
        time.sleep(2)
    return merged(hub), time.perf_counter() - start


def percentile(values: list[float], share: float) -> float:
    """The value that so many are at most."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def text(answers: list[Answer], took: float, times: dict[int, int], minutes: float) -> str:
    """The section of `RESULTS.md`."""
    ms = [1000 * a.seconds for a in answers]
    half, most, worst = percentile(ms, 0.5), percentile(ms, 0.99), max(ms)
    wrong = sum(a.status != 202 for a in answers)
    lost = ADAPTERS - sum(1 for n in times.values() if n)
    twice = sum(n > 1 for n in times.values())
    return (
        "## The bot's webhook\n\n"
        f"Written by `make bench-bot`. {len(answers):,} deliveries in {took:.1f} s for {ADAPTERS} adapters, with duplicates "
        "and out of order, each over its own connection, to `adapter-merge serve` on a Hub on loopback, which merges "
        "meanwhile; bot, merges, Hub and senders share the machine.\n\n"
        f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}, Python "
        f"{platform.python_version()}; {datetime.now(UTC):%Y-%m-%d}.\n\n"
        "| answers | median ms | 99 of 100 ms | slowest ms | not 202 |\n"
        "| --- | --- | --- | --- | --- |\n"
        f"| {len(answers):,} | {half:.1f} | {most:.1f} | {worst:.1f} | {wrong} |\n\n"
        f"- 99 of 100 are answered within {most:.1f} ms (aim: {AIM_MS} ms).\n"
        f"- Of {ADAPTERS} targets {ADAPTERS - lost - twice} were merged once, {twice} more often, {lost} never; all stood "
        f"{minutes:.1f} minutes after the last delivery.\n"
    )


def main() -> None:
    """Build, deliver, wait, write the bot's part of `benchmarks/RESULTS.md`."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        root = Path(name)
        with LocalHub(root / "hub") as hub:
            hub.add_user("bot", TOKEN)
            hub.add_organisation(OWNER, {"bot": "write"})
            print(f"building {ADAPTERS} adapters", flush=True)
            fill(hub, root)
            with bot(hub, root) as url:
                answers, took = posted(url, payloads(hub))
                print("delivered; waiting for the merges", flush=True)
                times, seconds = followed(hub)
        said = text(answers, took, times, seconds / 60)
    print(said)
    results.write(said)


if __name__ == "__main__":
    main()
