"""Every workflow of README and guides: linted as our own are, and with inputs that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapter_merge.merges import read_merges
from tests.docs.test_guides import PAGES, ROOT, blocks

BIN = Path(sys.executable).parent
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REUSABLE = ".github/workflows/merge.yml"
_PLACEHOLDERS = {"@COMMIT": f"@{COMMIT}", "OWNER/": "owner/", "vX.Y.Z": "v1.2.3"}
_OUTPUT = re.compile(r"(?:needs|steps)\.merge\.outputs\.([\w-]+)")
_LINTS = (
    ("actionlint",),
    ("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
    ("zizmor", "--offline", "--quiet", "--config", str(ROOT / ".github/zizmor.yml")),
)


def written(page: str, *keys: str) -> Iterator[str]:
    """The blocks of a page with one of these keys at the top."""
    for block in blocks(page):
        if block.language == "yaml" and set(keys) & yaml.safe_load(block.text).keys():
            yield block.text


WORKFLOWS = {f"{page}-{n}": t for page in PAGES for n, t in enumerate(written(page, "jobs"))}
LISTS = {f"{page}-{n}": t for page in PAGES for n, t in enumerate(written(page, "merges", "watch"))}


def filled(text: str) -> str:
    """A workflow with an owner and a release."""
    for placeholder, value in _PLACEHOLDERS.items():
        text = text.replace(placeholder, value)
    return text


def lint(text: str, folder: Path) -> str:
    """What the linters say; empty where they like it."""
    file = folder / ".github" / "workflows" / "guide.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(filled(text))
    labels = folder / "actionlint.yaml"
    labels.write_text("self-hosted-runner: {labels: [gpu]}\n")
    said = ""
    for name, *words in _LINTS:
        more = ["-config-file", str(labels)] if name == "actionlint" else []
        command = [str(BIN / name), *words, *more, str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said += done.stdout + done.stderr if done.returncode else ""
    return said


def loaded(path: str) -> Any:
    # `on` is a boolean to YAML 1.1.
    return yaml.load((ROOT / path).read_text(), yaml.BaseLoader)  # noqa: S506


def known() -> Mapping[str, tuple[Any, Any]]:
    """What can be used of us -> its inputs, its outputs."""
    action, call = loaded("action.yml"), loaded(REUSABLE)["on"]["workflow_call"]
    return {
        "owner/adapter-merge": (action["inputs"], action["outputs"]),
        f"owner/adapter-merge/{REUSABLE}": (call["inputs"], call["outputs"]),
    }


def faults(text: str) -> list[str]:
    """Inputs, secrets and outputs of ours that don't exist, and rights that nobody asked for."""
    workflow = yaml.load(filled(text), yaml.BaseLoader)  # noqa: S506
    found = [] if workflow.get("permissions") == {} else ["permissions"]
    for job in workflow["jobs"].values():
        for user in (job, *job.get("steps", ())):
            ours = known().get(user.get("uses", "").partition("@")[0])
            if ours is None:
                continue
            found += [name for name in user.get("with", ()) if name not in ours[0]]
    outputs = set().union(*(outs for _, outs in known().values()))
    return found + [name for name in _OUTPUT.findall(text) if name not in outputs]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_of_a_page_is_clean(name: str, tmp_path: Path) -> None:
    assert (lint(WORKFLOWS[name], tmp_path), faults(WORKFLOWS[name])) == ("", [])


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_a_page_can_be_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "merges.yaml").write_text(LISTS[name])
    found = read_merges(tmp_path / "merges.yaml")
    assert found.entries or found.watches


def test_every_guide_has_its_workflows() -> None:
    pages = [name.rpartition("-")[0] for name in WORKFLOWS]
    assert {p: pages.count(p) for p in pages} == {
        "README.md": 1,
        "docs/guides/after-a-merge.md": 2,
        "docs/guides/github-action.md": 5,
        "docs/guides/keep-in-sync.md": 4,
    }


def test_the_first_ones_are_as_short_as_they_say() -> None:
    assert len(WORKFLOWS["README.md-0"].splitlines()) <= 15
    assert len(WORKFLOWS["docs/guides/keep-in-sync.md-0"].splitlines()) <= 15
    assert "checkout" not in WORKFLOWS["README.md-0"]


GOOD = WORKFLOWS["README.md-0"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@COMMIT", "@v1"),
        ("runs-on:", "run-on:"),
        ("with:", "run: echo ${{ github.head_ref }}\n        with:"),
    ],
)
def test_a_bad_workflow_is_seen(old: str, new: str, tmp_path: Path) -> None:
    assert lint(GOOD.replace(old, new), tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("adapter:", "adaptor:", ["adaptor"]),
        ("permissions: {}", "permissions: write-all", ["permissions"]),
        ("secrets.HF_TOKEN", "steps.merge.outputs.token", ["token"]),
    ],
)
def test_a_wrong_name_is_seen(old: str, new: str, fault: list[str]) -> None:
    assert faults(GOOD.replace(old, new)) == fault
