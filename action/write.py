"""Write `action.yml` from the values that its inputs become; with `--check`, only say whether it is up to date."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

from adapter_merge.action.step import (
    REQUEST_FIELDS,
    Step,
    described,
    input_name,
    variable,
    written,
)

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "action.yml"

# Inputs that never get to the program, or only as tokens: name -> what it says, default.
AROUND = {
    "hf-token": (
        "Token for the Hub, to read and to publish; left out, what anybody may read. A secret, never the token itself.",
        "",
    ),
    "hf-write-token": ("Token for publishing, where `hf-token` may only read.", ""),
    "github-token": (
        "Token for this repository: comments, checks and releases, as far as the job's `permissions` go.",
        "${{ github.token }}",
    ),
    "torch": (
        "Which torch: `auto` takes the one that the runner's Python imports, else the build for CPUs; `cpu`, `cuda` (gigabytes), or `skip`, which is enough for `plan` and `verify`.",
        "auto",
    ),
    "torch-index-url": ("Index that torch comes from; left out, PyTorch's own.", ""),
    "python-version": (
        "Python that `actions/setup-python` sets up first; left out, the runner's, which has to be 3.11 to 3.13.",
        "",
    ),
}
OUTPUTS = {
    "status": "`merged`, `unchanged`, `planned`, `done` (a look at a result, or a sending), `skipped` or `failed`.",
    "merged-repo": "The target that holds the result; of `sync` one a line, as in all that follow.",
    "merged-revision": "The commit of the target that holds it, where it is on the Hub.",
    "url": "Where people look at what was sent.",
    "pr-url": "The pull request on the Hub, with `publish: pr`.",
    "report": "Folder with `report.json`, `report.html` and its pictures; of `plan` with `plan.json`.",
    "receipt": "Copy of `merge_receipt.json`, which says what the result was made of.",
    "checksums": "`SHA256SUMS` of the result, as `actions/attest-build-provenance` takes it for `subject-checksums`.",
    "release-url": "The release of this repository that tells of it.",
    "matrix": "What is due, with `matrix: true`, as a job's `strategy.matrix` takes it by `fromJSON`; empty where nothing is.",
}
_HEAD = """\
# Written by action/write.py (`make docs`); edit that, or the fields that it reads.
name: Merge a PEFT adapter
description: Merge a PEFT adapter into its base model, prove the result, and publish it with its provenance.
author: The adapter-merge maintainers
branding:
  icon: git-merge
  color: purple

inputs:
"""
_PYTHON = "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0"
_CACHE = "actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5"
_STEPS = """\
runs:
  using: composite
  steps:
    - if: inputs.python-version != ''
      uses: {python}
      with:
        python-version: ${{{{ inputs.python-version }}}}

    # Isolated (`-I`), here and below: what lies in the user's checkout is never imported.
    - id: prepare
      shell: bash
      env:
        ACTION_PATH: ${{{{ github.action_path }}}}
        INPUT_TORCH: ${{{{ inputs.torch }}}}
        INPUT_TORCH_INDEX_URL: ${{{{ inputs.torch-index-url }}}}
      run: |
        if ! python3 -I -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'; then
          echo '::error title=adapter-merge::The runner has no Python 3.11 to 3.13 as python3. Give the step `python-version: "3.12"`.'
          exit 2
        fi
        python3 -I "$ACTION_PATH/action/prepare.py" key

    # A runner of one's own keeps its environments; CUDA's libraries are too large for a cache.
    - if: steps.prepare.outputs.ready != 'true' && runner.environment == 'github-hosted' && inputs.torch != 'cuda'
      uses: {cache}
      with:
        path: ${{{{ steps.prepare.outputs.place }}}}
        key: adapter-merge-${{{{ runner.os }}}}-${{{{ runner.arch }}}}-${{{{ steps.prepare.outputs.key }}}}

    - shell: bash
      env:
        ACTION_PATH: ${{{{ github.action_path }}}}
        INPUT_TORCH: ${{{{ inputs.torch }}}}
        INPUT_TORCH_INDEX_URL: ${{{{ inputs.torch-index-url }}}}
      run: |
        echo '::group::install'
        python3 -I "$ACTION_PATH/action/prepare.py" install
        echo '::endgroup::'

    - id: work
      shell: bash
      env:
        ENVIRONMENT: ${{{{ steps.prepare.outputs.place }}}}
{variables}
      run: |
        "$ENVIRONMENT/bin/python" -I -m adapter_merge.action
"""


def text() -> str:
    """The whole file."""
    steps = _STEPS.format(
        python=_PYTHON, cache=_CACHE, variables=indent("\n".join(_variables()), " " * 8)
    )
    inputs = indent("\n".join(_inputs()), "  ")
    return f"{_HEAD}{inputs}\n\noutputs:\n{indent(chr(10).join(_outputs()), '  ')}\n\n{steps}"


def fields() -> Iterator[tuple[str, str, str]]:
    """Inputs that become values: field, what it says, default; the command comes first."""
    for known in (Step.model_fields, REQUEST_FIELDS):
        for name, field in known.items():
            yield name, described(name), written(field.default)


def _ordered() -> list[tuple[str, str, str]]:
    first = ("command", "adapters", "base", "to")
    found = {name: (input_name(name), says, default) for name, says, default in fields()}
    around = [(name, says, default) for name, (says, default) in AROUND.items()]
    rest = [found[name] for name in found if name not in first]
    return [*(found[name] for name in first), *around[:3], *rest, *around[3:]]


def _inputs() -> Iterator[str]:
    for name, says, default in _ordered():
        yield f"{name}:\n  description: {_quoted(says)}\n  default: {_quoted(default)}"


def _outputs() -> Iterator[str]:
    for name, says in OUTPUTS.items():
        yield f"{name}:\n  description: {_quoted(says)}\n  value: ${{{{ steps.work.outputs.{name} }}}}"


def _variables() -> Iterator[str]:
    for name in ("hf-token", "hf-write-token", "github-token"):
        yield f"INPUT_{name.replace('-', '_').upper()}: ${{{{ inputs.{name} }}}}"
    for name, _, _ in fields():
        yield f"{variable(name)}: ${{{{ inputs.{input_name(name)} }}}}"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def main(arguments: list[str]) -> int:
    """Write the file, or check it; the result is the exit code."""
    if arguments == ["--check"]:
        fresh = TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text()
        print("action.yml is up to date" if fresh else "action.yml is not: run `make docs`")
        return 0 if fresh else 1
    TARGET.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
