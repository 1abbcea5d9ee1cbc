"""Mistakes on the command line: always exit 2, what is wrong and what to write instead."""

from __future__ import annotations

import shlex

import pytest

from adapter_merge.cli.usage import shown
from adapter_merge.publishing import Delivery
from adapter_merge.request import Settings
from tests.cli.conftest import Command

MISTAKES = [
    ("run", "no adapter is given", "adapter-merge run ./adapter"),
    ("plan", "no adapter is given", "adapter-merge plan ./adapter"),
    ("run ./a ./b", "several adapters need `--to`", "run --help"),
    ("run ./a --dtype int8", "`--dtype`: `int8` is not one of `keep`, `fp32`", "run --help"),
    ("run ./a --workers many", "`--workers`: `many` is not a number", "run --help"),
    ("run ./a --workers 0", "`--workers`: 0 is less than 1", "run --help"),
    ("run ./a --workers 999", "`--workers`: 999 is more than 256", "run --help"),
    ("run ./a --max-shard-size 7", "`--max-shard-size`: `7` is not a size", "run --help"),
    ("run ./a --device tpu", "`--device`", "run --help"),
    ("run ./a --ignore x1", "`--ignore`: `X1` is not a check code", "run --help"),
    ("run ./a --ignore all", "`all` can't be ignored", "run --help"),
    ("run ./a=0", "a weight must be a finite number other than 0", "run --help"),
    ("run a!b", "`ADAPTER`: `a!b` is neither a folder", "run --help"),
    ("run ./a --base a!b", "`--base`: `a!b` is neither a folder", "run --help"),
    ("run ./a --base", "`--base` needs a value", "run --help"),
    ("run ./a --to ./x --to ./y", "`--to` is given twice", "run --help"),
    ("run ./a --bsae ./b", "no option `--bsae`", "Did you mean `--base`?"),
    ("run ./a --max-shard 5GB", "no option `--max-shard`", "Did you mean `--max-shard-size`?"),
    ("run ./a --no-overwrite", "no option `--no-overwrite`", "Did you mean `--overwrite`?"),
    ("check", "`FOLDER` needs a value", "check --help"),
    ("check ./a --ignore x1", "`--ignore`: `X1` is not a check code", "check --help"),
    ("check ./a --adapter a!b", "`--adapter`: `a!b` is neither a folder", "check --help"),
    ("publish", "`FOLDER` needs a value", "publish --help"),
    ("publish ./a", "`--to` needs a value", "publish --help"),
    ("publish org/a --to org/b", "`org/a` is a Hub id", "`./a`"),
    (
        "publish ./a --to org/b --publish none",
        "`none` is not one of `commit` or `pr`",
        "publish --help",
    ),
    ("publish ./a --to org/b --private --public", "exclude each other", "publish --help"),
    ("revert", "`REPO` needs a value", "revert --help"),
    ("revert ./a", "`./a` is a folder", "`org/name`"),
    ("revert org/a --publish pr --branch b", "exclude each other", "revert --help"),
    ("check ./a --to ./b", "`adapter-merge check` has no option `--to`", "check --help"),
    ("verify ./a ./b", "`./b` is one argument too many", "verify --help"),
    ("schema card", "`NAME` doesn't take `card`", "schema --help"),
    ("verif ./a", "adapter-merge has no command `verif`", "Did you mean `verify`?"),
    ("xyz", "adapter-merge has no command `xyz`", "`run`, `plan`, `check`, `verify`"),
    ("localhub serv", "adapter-merge localhub has no command `serv`", "Did you mean `serve`?"),
]


@pytest.mark.parametrize(("line", "message", "hint"), MISTAKES)
def test_a_mistake_is_explained(command: Command, line: str, message: str, hint: str) -> None:
    ended = command(*line.split())
    assert ended.code == 2
    assert ended.out == ""
    assert message in ended.talk
    assert hint in ended.talk
    assert "pydantic" not in ended.err


@pytest.mark.parametrize(("line", "message", "hint"), MISTAKES)
def test_a_mistake_is_a_report_in_json(
    command: Command, line: str, message: str, hint: str
) -> None:
    report = command(*line.split(), "--json").report
    assert report["status"] == "failed"
    assert report["error"]["type"] == "RequestError"
    assert report["error"]["code"] == 2


@pytest.mark.parametrize(
    ("flag", "ours"),
    [
        ("--lora-model-dir", "adapter-merge run ./adapter"),
        ("--lora_model_dir", "adapter-merge run ./adapter"),
        ("--adapter_name_or_path", "adapter-merge run ./adapter"),
        ("--adapter", "adapter-merge run ./adapter"),
        ("--base-model", "`--base`"),
        ("--base_model_name_or_path", "`--base`"),
        ("--model_name_or_path", "`--base`"),
        ("--export-dir", "`--to`"),
        ("--export_dir", "`--to`"),
        ("--hub-model-id", "`--to`"),
        ("--output", "`--to`"),
        ("--out", "`--to`"),
        ("-o", "`--to`"),
        ("--torch_dtype", "`--dtype`"),
        ("--export_size", "`--max-shard-size`"),
        ("--force", "`--overwrite`"),
        ("--hub-private-repo", "`--private`"),
        ("--push_to_hub", "`--to org/name`"),
        ("--create_pr", "`--publish pr`"),
        ("--commit-message", "can't be chosen"),
        ("--revision", "`org/name@revision`"),
        ("--base_revision", "`org/name@revision`"),
        ("--subfolder", "`org/name/sub/folder`"),
    ],
)
@pytest.mark.parametrize("spelling", ["{flag} x", "{flag}=x"])
def test_the_flag_of_another_program_names_ours(
    command: Command, flag: str, ours: str, spelling: str
) -> None:
    ended = command("run", "./a", *spelling.format(flag=flag).split())
    assert ended.code == 2
    assert f"no option `{flag}`" in ended.talk
    assert ours in ended.talk


@pytest.mark.parametrize("line", ["run ./a", "plan ./a", "publish ./a --to org/a", "revert org/a"])
@pytest.mark.parametrize("flag", ["--token", "--hub_token", "--hf-token"])
@pytest.mark.parametrize("spelling", ["{flag} secret", "{flag}=secret", "{flag} hf_Secret0secret"])
def test_a_token_is_never_taken_nor_said(
    command: Command, line: str, flag: str, spelling: str
) -> None:
    ended = command(*line.split(), *spelling.format(flag=flag).split())
    assert ended.code == 2
    assert "`HF_TOKEN`" in ended.talk
    assert "`hf auth login`" in ended.talk
    assert "secret" not in ended.err.lower()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("run ./a --to hf_Secret0secret/x --bse", "run ./a --to ***/x --bse"),
        ("run ./a --token secret", "run ./a --token '***'"),
        ("run ./a --token", "run ./a --token"),
        ("run './my a' --bse", "run './my a' --bse"),
    ],
)
def test_what_looks_like_a_token_is_covered(line: str, text: str) -> None:
    assert shown(shlex.split(line)) == f"adapter-merge {text}"


@pytest.mark.parametrize("verb", ["run", "plan"])
def test_every_setting_is_a_flag(command: Command, verb: str) -> None:
    text = command(verb, "--help").out
    fields = {**Settings.model_fields, **Delivery.model_fields}
    flags = {f"--{name.replace('_', '-')}" for name in fields}
    assert {flag for flag in flags if f" {flag} " in text} == flags
