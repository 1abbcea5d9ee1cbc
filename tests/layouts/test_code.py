"""Python of strangers: refused, or copied with leave and pinned; run by nobody here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter_merge.layouts import Repo
from adapter_merge.layouts.code import code_of
from adapter_merge.sources import Pinned
from tests.build import Case, change_json, make_case, write_json

MAP = {"AutoConfig": "configuration_own.Own", "AutoModelForCausalLM": "modeling_own.OwnLM"}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A case whose base brings code, each file of which leaves a mark where it is run."""
    made = make_case(tmp_path)
    change_json(made.base / "config.json", auto_map=MAP)
    mark = f"open({str(tmp_path / 'mark')!r}, 'w')\n"
    for name, imports in {
        "configuration_own": "",
        "modeling_own": "from .configuration_own import Own\n    from .layers import x\n",
        "layers": "import .more\n",
        "more": "from . import nothing\n",
        "unnamed": "",
        "setup": "",
    }.items():
        (made.base / f"{name}.py").write_text(f"{mark}{imports}")
    return made


def repo(tmp_path: Path, files: dict[str, str]) -> Repo:
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    pinned = Pinned(source="./base", root=tmp_path)
    return Repo(origin="base", pinned=pinned, files={p: len(t) for p, t in files.items()})


@pytest.mark.parametrize(
    ("auto_map", "found"),
    [
        ({"AutoModel": "a.A"}, {"a.py", "b.py"}),
        ({"AutoModel": "b.B"}, {"b.py", "a.py"}),
        ({"AutoTokenizer": ["c.C", None]}, {"c.py"}),
        ({"AutoModel": "missing.M"}, set()),
        ({"AutoModel": "../out.M"}, set()),
        ({"AutoModel": "sub/d.D"}, set()),
        ({"AutoModel": "org/other--a.A"}, set()),
        ({"AutoModel": {"deep": ["c.C"]}}, {"c.py"}),
        ({"AutoModel": 7}, set()),
        ("c.C", {"c.py"}),
        ({}, set()),
    ],
)
def test_what_a_config_names_is_followed(auto_map: Any, found: set[str], tmp_path: Path) -> None:
    """As transformers does; it only ever reads one folder, so a path is no module."""
    files = {
        "a.py": "from .b import x\nfrom .. import y\n# from .c import z",
        "b.py": "from .a import y",
        "c.py": "import os\nfrom os.path import join",
        "config.json": json.dumps({"auto_map": auto_map}),
    }
    assert code_of(repo(tmp_path, files)) == found


def test_code_of_a_tokenizer_and_a_processor_counts(tmp_path: Path) -> None:
    files = {
        "t.py": "",
        "p.py": "",
        "tokenizer_config.json": json.dumps({"auto_map": {"AutoTokenizer": ["t.T", None]}}),
        "preprocessor_config.json": json.dumps({"auto_map": {"AutoImageProcessor": "p.P"}}),
    }
    assert code_of(repo(tmp_path, files)) == {"t.py", "p.py"}


def refusal(case: Case, **settings: Any) -> tuple[str, int, str, str]:
    error = case.run(**settings).error
    assert error is not None
    assert not case.to.exists()
    return error.type, error.code, error.message, error.hint


def test_a_base_with_code_is_refused_and_told_how_it_could_be(case: Case) -> None:
    kind, code, message, hint = refusal(case)
    assert (kind, code) == ("RemoteCode", 4)
    assert "`auto_map` in `config.json`" in message
    assert "--allow-remote-code" in hint


def test_with_leave_the_code_that_is_named_comes_along_and_nothing_runs_it(
    case: Case, tmp_path: Path
) -> None:
    (case.adapter / "modeling_own.py").write_text("evil")
    (case.adapter / "layers.py").write_text("evil")
    report = case.run(allow_remote_code=True, probe="auto")
    assert (report.status, report.error) == ("merged", None)
    found = {p.name: p.read_text() for p in case.to.glob("*.py")}
    named = ("configuration_own.py", "modeling_own.py", "layers.py", "more.py")
    assert found == {name: (case.base / name).read_text() for name in named}
    assert json.loads((case.to / "config.json").read_text())["auto_map"] == MAP
    assert not (tmp_path / "mark").exists()
    assert report.probe is not None
    assert report.probe.needs == "to run Python code that the base brings, which is never done"


def test_what_was_allowed_is_written_down(case: Case) -> None:
    assert case.run(allow_remote_code=True).error is None
    receipt = case.receipt()
    assert receipt.settings["allow_remote_code"] == "true"
    assert "modeling_own.py" in receipt.base.digests
    assert "unnamed.py" not in receipt.base.digests
    (change,) = (c for c in receipt.changes if "code" in c.subject)
    assert "layers.py, modeling_own.py" in change.after
    card = (case.to / "README.md").read_text()
    assert "--allow-remote-code" in card
    assert "trust_remote_code=True" in card
    assert case.run(allow_remote_code=True).status == "unchanged"
    (case.base / "unnamed.py").write_text("other")
    assert case.run(allow_remote_code=True).status == "unchanged"
    (case.base / "layers.py").write_text("other")
    assert case.run(allow_remote_code=True).status == "merged"
    assert (case.to / "layers.py").read_text() == "other"


def test_leave_that_is_not_needed_changes_nothing(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    (case.base / "modeling_own.py").write_text("x")
    assert case.run(allow_remote_code=True).error is None
    assert "allow_remote_code" not in case.receipt().settings
    assert not (case.to / "modeling_own.py").exists()
    assert case.run().status == "unchanged"


def test_code_of_another_repository_is_never_allowed(case: Case) -> None:
    change_json(case.base / "config.json", auto_map={"AutoModel": "org/other--modeling.M"})
    kind, code, message, _ = refusal(case, allow_remote_code=True)
    assert (kind, code) == ("RemoteCode", 4)
    assert "`org/other--modeling.M`" in message


def test_code_that_is_not_there_is_told(case: Case) -> None:
    (case.base / "modeling_own.py").unlink()
    kind, code, message, _ = refusal(case, allow_remote_code=True)
    assert (kind, code) == ("NotFound", 3)
    assert "`modeling_own.py`" in message


def _with_tokenizer(folder: Path, **config: object) -> None:
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "vocab.json", {"a": 0, folder.name: 1})
    (folder / "merges.txt").write_text("")


@pytest.mark.parametrize("reference", ["own_tokenizer.T", "evil/repo--tok.T"])
def test_an_adapter_can_not_name_code(case: Case, reference: str) -> None:
    _with_tokenizer(case.base)
    _with_tokenizer(case.adapter, auto_map={"AutoTokenizer": [reference, None]})
    kind, code, message, _ = refusal(case, allow_remote_code=True)
    assert (kind, code) == ("RemoteCode", 4)
    assert "`tokenizer_config.json` of the adapter" in message


def test_an_adapter_may_name_the_code_that_the_base_names(case: Case) -> None:
    own = {"AutoTokenizer": ["unnamed.T", None]}
    _with_tokenizer(case.base, auto_map=own)
    _with_tokenizer(case.adapter, auto_map=own)
    (case.adapter / "unnamed.py").write_text("evil")
    assert case.run(allow_remote_code=True).error is None
    assert (case.to / "unnamed.py").read_text() == (case.base / "unnamed.py").read_text()


def test_a_config_of_an_adapter_is_not_read(case: Case, tmp_path: Path) -> None:
    plain = make_case(tmp_path / "plain")
    write_json(plain.adapter / "config.json", {"auto_map": {"AutoModel": "evil.M"}})
    (plain.adapter / "evil.py").write_text("evil")
    assert plain.run(allow_remote_code=True).error is None
    assert not list(plain.to.glob("*.py"))
    assert "auto_map" not in (plain.to / "config.json").read_text()
