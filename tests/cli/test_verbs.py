"""The verbs on a real pair of folders: exit codes, what is data and what is talk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.cli.conftest import Command, modules_after

TARGET = "encoder.h.weight"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `base` and `adapter`, which is the current one: refs are `./base`, `./adapter`."""
    rng = np.random.default_rng(0)
    _save(
        tmp_path / "base" / "model.safetensors",
        {
            TARGET: rng.standard_normal((6, 4), dtype=np.float32),
            "encoder.n.weight": np.ones(4, np.float32),
        },
    )
    _write(tmp_path / "base" / "config.json", {"model_type": "llama", "hidden_size": 4})
    prefix = "base_model.model.encoder.h"
    _save(
        tmp_path / "adapter" / "adapter_model.safetensors",
        {
            f"{prefix}.lora_A.weight": rng.standard_normal((2, 4), dtype=np.float32),
            f"{prefix}.lora_B.weight": rng.standard_normal((6, 2), dtype=np.float32),
        },
    )
    _write(
        tmp_path / "adapter" / "adapter_config.json",
        {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["h"]},
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _save(path: Path, tensors: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(exist_ok=True)
    save_file(tensors, path, metadata={"format": "pt"})


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


def test_run_merges_then_finds_nothing_to_do(home: Path, command: Command) -> None:
    first = command("run", "./adapter", "--base", "./base")
    assert (first.code, first.out) == (0, "")
    assert "merged ./adapter-merged" in first.talk
    assert "1 edited and 1 copied; 2 of 2 adapter tensors used" in first.talk
    assert (home / "adapter-merged" / "merge_receipt.json").exists()
    second = command("run", "./adapter", "--base", "./base")
    assert second.code == 0
    assert "unchanged ./adapter-merged" in second.talk


@pytest.mark.parametrize(
    "line",
    [
        "plan ./adapter --base ./base",
        "run ./adapter --base ./base",
        "verify ./adapter-merged",
        "codes",
    ],
)
def test_what_needs_no_weights_starts_without_torch(
    home: Path, command: Command, line: str
) -> None:
    command("run", "./adapter", "--base", "./base")
    assert "torch" not in modules_after(line, cwd=home)


def test_a_weight_multiplies_the_delta(home: Path, command: Command) -> None:
    assert command("run", "./adapter=-0.5", "--base", "./base", "--to", "./x").code == 0
    base = load_file(home / "base" / "model.safetensors")[TARGET]
    merged = load_file(home / "x" / "model.safetensors")[TARGET]
    factors = list(load_file(home / "adapter" / "adapter_model.safetensors").values())
    a, b = sorted(factors, key=lambda tensor: tensor.shape[0])
    np.testing.assert_allclose(merged - base, -0.5 * 2 * (b @ a), rtol=1e-5, atol=1e-6)


def test_quiet_says_nothing(home: Path, command: Command) -> None:
    ended = command("run", "./adapter", "--base", "./base", "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("run ./adapter --base ./base --to ./other", "merged"),
        ("run ./adapter --base ./base", "unchanged"),
        ("verify ./adapter-merged", "done"),
        ("check ./adapter-merged", "done"),
        ("check ./adapter-merged --base ./base --adapter ./adapter", "done"),
    ],
)
def test_json_is_the_report_alone(home: Path, command: Command, line: str, status: str) -> None:
    command("run", "./adapter", "--base", "./base")
    ended = command(*line.split(), "--json")
    assert ended.code == 0
    assert ended.report["status"] == status
    assert ended.report["schema"] == 1
    assert ended.report["error"] is None


def test_plan_shows_the_merge_and_writes_nothing(home: Path, command: Command) -> None:
    before = sorted(home.rglob("*"))
    ended = command("plan", "./adapter=2", "--base", "./base")
    assert ended.code == 0
    words = " ".join(ended.out.split())
    for part in (
        "adapter ./adapter (weight 2)",
        "base ./base",
        "to ./adapter-merged",
        "1 edited and 1 copied; 2 of 2 adapter tensors used",
        "method LORA, rank 2, alpha 4",
        "1 weight file (dtypes kept), 1 other file",
        "2 files: the merged weights hold what it says",
    ):
        assert part in words
    assert sorted(home.rglob("*")) == before


def test_what_is_left_behind_is_grouped_on_the_screen_and_whole_in_json(
    home: Path, command: Command
) -> None:
    for number in range(12):
        (home / "base" / f"part{number:02}.gguf").touch()
    line = ("plan", "./adapter", "--base", "./base")
    assert "12 files: weights in another form" in command(*line).out
    left = {file["path"] for file in command(*line, "--json").report["left_behind"]}
    assert {f"part{number:02}.gguf" for number in range(12)} <= left


def test_plan_as_json_names_each_edit(home: Path, command: Command) -> None:
    plan = command("plan", "./adapter", "--base", "./base", "--json").report
    method = {"peft_type": "LORA", "variant": "", "rank": 2, "alpha": 4}
    assert plan["adapters"] == [{"source": "./adapter", "weight": 1.0, "method": method}]
    assert plan["forecast"]["needed_bytes"] > plan["size"]
    (shard,) = plan["shards"]
    assert shard["size"] == (home / "base" / "model.safetensors").stat().st_size
    edits = {tensor["name"]: tensor["edit"] for tensor in shard["tensors"]}
    assert edits["encoder.n.weight"] is None
    assert edits[TARGET]["target"] == TARGET
    assert {used["name"] for used in edits[TARGET]["uses"]} == {
        "base_model.model.encoder.h.lora_A.weight",
        "base_model.model.encoder.h.lora_B.weight",
    }


def test_verify_and_check_find_a_changed_byte(home: Path, command: Command) -> None:
    command("run", "./adapter", "--base", "./base")
    weights = home / "adapter-merged" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 0x40
    weights.write_bytes(bytes(content))
    verified = command("verify", "./adapter-merged", "--json")
    assert verified.code == verified.report["error"]["code"] == 7
    checked = command("check", "./adapter-merged", "--base", "./base", "--adapter", "./adapter")
    assert checked.code == 7


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("line", "code", "kind"),
    [
        ("run gpt2", 3, "NotFound"),
        ("plan gpt2", 3, "NotFound"),
        ("run ./adapter --base ./base --to gpt2", 2, "RequestError"),
        ("run ./missing --base ./base", 3, "NotFound"),
        ("plan ./missing --base ./base", 3, "NotFound"),
        ("run ./adapter --base ./adapter", 4, None),
        ("verify ./missing", 3, "NotFound"),
        ("check ./missing", 3, "NotFound"),
        ("run ./adapter --base ./base --to ./foreign", 8, "TargetNotOurs"),
        ("run ./adapter --base ./base --probe require", 7, "CheckFailed"),
    ],
)
def test_a_failure_has_its_exit_code_and_one_shape(
    home: Path, command: Command, line: str, code: int, kind: str | None
) -> None:
    shutil.copytree(home / "base", home / "foreign")
    ended = command(*line.split(), "--json")
    error = ended.report["error"]
    assert ended.report["status"] == "failed"
    assert ended.code == error["code"] == code
    assert kind in (None, error["type"])
    assert " ".join(error["hint"].split()) in ended.talk
