"""`codes` and `schema`: complete, and alone on stdout."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from adapter_merge import errors
from adapter_merge.checks import ALL_CHECKS, CHECKS, Explained
from adapter_merge.cli.codes import exit_codes
from adapter_merge.request import Request
from tests.cli.conftest import Command


def test_codes_lists_every_check_and_every_error(command: Command) -> None:
    ended = command("codes")
    assert ended.err == ""
    for check in CHECKS:
        assert check.code in ended.out
        assert check.title in ended.out
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.AdapterMergeError):
            assert name == "AdapterMergeError" or name in ended.out


def test_each_exit_code_stands_for_one_class() -> None:
    codes = [exit_code.code for exit_code in exit_codes()]
    assert codes == [2, 3, 4, 5, 6, 7, 8, 9, 10, 130]
    assert all(exit_code.meaning.endswith(".") for exit_code in exit_codes())


@pytest.mark.parametrize("name", ["request", "report", "receipt"])
def test_a_schema_is_one(command: Command, name: str) -> None:
    ended = command("schema", name)
    assert ended.err == ""
    Draft202012Validator.check_schema(ended.report)
    assert command("schema").report[name] == ended.report


@pytest.mark.parametrize(
    ("request_", "fits"),
    [
        ({"adapters": ["./a=0.5"], "base": "./b", "to": None}, True),
        (Request.model_validate({"adapters": ["./a"]}).model_dump(mode="json"), True),
        ({"adapters": [3]}, False),
        ({"adapters": []}, False),
        ({"adapters": ["./a"], "dtype": "int8"}, False),
    ],
)
def test_the_request_s_schema_takes_what_a_request_takes(
    command: Command, request_: dict[str, object], fits: bool
) -> None:
    schema = command("schema", "request").report
    assert Draft202012Validator(schema).is_valid(request_) == fits


@pytest.mark.parametrize("check", ALL_CHECKS, ids=lambda check: check.code)
def test_a_code_is_explained(command: Command, check: Explained) -> None:
    ended = command("codes", check.code.lower())
    assert (ended.code, ended.err) == (0, "")
    said = " ".join(ended.out.split())
    for text in (check.title, check.why, check.look, check.fix, check.ignore):
        assert text in said
    assert check.look.endswith(".")
    assert check.ignore.endswith(".")


def test_what_is_no_code_is_said(command: Command) -> None:
    ended = command("codes", "T999")
    assert (ended.code, ended.out) == (2, "")
    assert "no check has the code `T999`" in ended.talk
