"""`plan org/adapter` as a person without a token types it: what it moves, says and takes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from adapter_merge.localhub import LocalHub
from tests.build import write_adapter, write_base
from tests.hub.large import LAYERS, add_adapter, add_shards

_PROBE = """
import sys
from adapter_merge.cli.main import main
code = main(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""
_CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8192,
    "tie_word_embeddings": False,
}


def spent() -> float:
    """Seconds of the processor that ended children took: others that run beside them don't count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def plan(hub: LocalHub, home: Path, *line: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-c", _PROBE, "plan", *line],
        cwd=home,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )


def test_a_plan_of_70_billion_parameters_moves_less_than_a_hundredth(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub", xet=False) as hub:
        hub.add_repo("org/large", {"config.json": json.dumps(_CONFIG).encode()})
        lora = {"peft_type": "LORA", "r": 16, "lora_alpha": 32}
        lora |= {"base_model_name_or_path": "org/large", "target_modules": "all-linear"}
        hub.add_repo("org/adapter", {"adapter_config.json": json.dumps(lora).encode()})
        total = sum(add_shards(hub, "org/large", tmp_path).values())
        total += add_adapter(hub, "org/adapter", tmp_path)
        start = spent()
        ended = plan(hub, tmp_path, "org/adapter", "--to", "org/merged")
        took = spent() - start
        assert sum(r.sent for r in hub.requests) < total / 100
        assert {r.user for r in hub.requests} == {None}
        assert not [r for r in hub.requests if r.method not in {"GET", "HEAD"}]
        machine = json.loads(
            plan(hub, tmp_path, "org/adapter", "--to", "org/merged", "--json").stdout
        )
    assert "torch" not in ended.stderr.split()
    screen = " ".join(ended.stdout.split())
    for said in (
        "pulls 139.8 GB that aren't here yet, of repositories with 139.8 GB",
        "publishes 139.0 GB to `org/merged`, public",
        f"in {LAYERS} layers of `model.layers`",
        f"{2 * 7 * LAYERS} of {2 * 7 * LAYERS} adapter tensors used",
        "writes 139.0 GB: 30 weight files",
        " GB free",
    ):
        assert said in screen, screen
    assert machine["forecast"]["traffic"]["added_bytes"] > 130e9
    assert took < 3, took


def test_a_small_plan_takes_seconds(tmp_path: Path) -> None:
    write_base(tmp_path / "base")
    write_adapter(tmp_path / "adapter", base_model_name_or_path="org/base")
    with LocalHub(tmp_path / "hub", xet=False) as hub:
        for name in ("base", "adapter"):
            files = {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()}
            hub.add_repo(f"org/{name}", files)
        start = spent()
        plan(hub, tmp_path, "org/adapter")
        assert spent() - start < 3
