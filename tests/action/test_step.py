from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapter_merge.action.step import (
    REQUEST_FIELDS,
    Asked,
    Step,
    input_name,
    read_step,
    variable,
)
from adapter_merge.cli.check import Against
from adapter_merge.errors import RequestError
from adapter_merge.request import Request
from tests.action.workflow import ROOT

_OF_THE_ACTION = {
    *("hf-token", "hf-write-token", "github-token"),
    *("torch", "torch-index-url", "python-version"),
}


def action() -> dict[str, Any]:
    value = yaml.safe_load((ROOT / "action.yml").read_text())
    assert isinstance(value, dict)
    return value


def fields() -> set[str]:
    return {*Step.model_fields, *REQUEST_FIELDS}


def read(**inputs: str) -> Request:
    return asked(**inputs).request()


def asked(**inputs: str) -> Asked:
    return read_step({f"INPUT_{name.upper()}": value for name, value in inputs.items()})


def test_every_field_is_an_input_and_no_other() -> None:
    assert {input_name(f) for f in fields()} | _OF_THE_ACTION == set(action()["inputs"])


def test_the_readme_names_inputs_and_outputs_that_there_are() -> None:
    section = (ROOT / "README.md").read_text().partition("\n## Inputs and outputs\n")[2]
    rows = re.findall(r"^\| (`.*?) \|", section.partition("\n## ")[0], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert len(named) > 10
    assert named <= {*action()["inputs"], *action()["outputs"]}


def test_every_input_is_handed_over_and_none_stands_in_a_script() -> None:
    steps = action()["runs"]["steps"]

    handed = {name: value for step in steps for name, value in step.get("env", {}).items()}

    for field in fields():
        assert handed[variable(field)] == f"${{{{ inputs.{input_name(field)} }}}}"
    assert not [step["run"] for step in steps if "${{" in step.get("run", "")]


def test_what_it_uses_is_pinned_by_commit() -> None:
    used = [step["uses"] for step in action()["runs"]["steps"] if "uses" in step]

    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", name) for name in used)


def test_defaults_of_the_action_are_those_of_the_request() -> None:
    inputs = action()["inputs"]
    defaults = {name: str(value["default"]) for name, value in inputs.items()}
    given = {f"INPUT_{n.replace('-', '_').upper()}": v for n, v in defaults.items()}

    request = read_step({**given, "INPUT_ADAPTER": "org/adapter"}).request()

    assert request == Request.model_validate({"adapters": ["org/adapter"]})


def test_reads_values_as_the_command_line_does() -> None:
    request = read(
        adapter="org/a=0.5\n\n  org/b \n",
        to="./out",
        dtype="bf16",
        workers="3",
        native="true",
        ignore="t001, C004\nD001",
    )

    assert [(a.ref.text, a.weight) for a in request.adapters] == [("org/a", 0.5), ("org/b", 1)]
    assert (request.dtype, request.workers, request.native) == ("bf16", 3, True)
    assert request.ignore == ("T001", "C004", "D001")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"dtype": "int4"}, "input `dtype`: `int4` is not one of `keep`, `fp32`"),
        ({"dtype": "it's"}, "input `dtype`: `it's` is not one of `keep`"),
        ({"workers": "many"}, "input `workers`: `many` is not a number"),
        ({"native": "perhaps"}, "input `native`: `perhaps` is neither `true` nor `false`"),
        ({"command": "merge"}, "input `command`: `merge` is not one of"),
        ({"max_shard_size": "5XB"}, "input `max-shard-size`: `5XB` is not a size"),
        ({"private": "true", "public": "true", "to": "o/m"}, "`private` and `public` exclude"),
        ({"branch": "b", "publish": "pr", "to": "o/m"}, "`branch` and `publish: pr` exclude"),
        ({"command": "verify", "folder": "./m"}, "input `adapter` means nothing to"),
    ],
)
def test_names_the_input_that_is_wrong(inputs: dict[str, str], said: str) -> None:
    with pytest.raises(RequestError, match=re.escape(said)):
        read(**{"adapter": "org/a", **inputs})


def test_says_which_input_is_missing() -> None:
    with pytest.raises(RequestError, match="input `adapter` is empty"):
        read()
    with pytest.raises(RequestError, match="input `folder` is empty"):
        asked(command="verify").folder()


def test_check_takes_what_the_command_line_takes() -> None:
    example = {"layout": "bundled", "probe": "require", "device": "cuda", "base": "org/b"}
    example |= {"expert_layout": "rank-major", "expert_orientation": "direct"}

    for field in Against.model_fields.keys() & REQUEST_FIELDS.keys():
        text = example.get(field, "T001" if field in {"ignore", "strict"} else "true")
        asked(command="check", folder="./m", **{field: text})


def test_refs_of_a_checked_folder() -> None:
    found = asked(command="check", folder="./m", base="./b", adapter="./a", **{"for": "vllm,tei"})

    assert [a.ref.folder for a in found.adapters()] == [Path("a")]
    assert found.settings().base is not None
    assert found.step.wanted == ("vllm", "tei")
    assert asked(command="check", folder="./m").adapters() == ()
