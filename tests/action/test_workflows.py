"""Our own workflows: what they use, what the reusable one hands over, and the scripts of a release with a `gh` that writes down what it is asked."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.action.workflow import ROOT

FILES = (
    "action.yml",
    "README.md",
    *(str(p.relative_to(ROOT)) for p in sorted((ROOT / ".github/workflows").iterdir())),
    *(str(p.relative_to(ROOT)) for p in sorted((ROOT / "docs/guides").glob("*.md"))),
)
_USES = re.compile(r"uses: (?P<name>[\w.-]+/[\w./-]+)@(?P<at>.*)$", re.MULTILINE)
_PIN = re.compile(r"[0-9a-f]{40} # v\d+\.\d+\.\d+|COMMIT # vX\.Y\.Z")
# Answers what is in the file that its first two words name, and fails where there is none.
_GH = """\
#!/bin/sh
echo "$@" >>"$ASKED"
cat "$ANSWERS/$1-$2" 2>/dev/null
"""


def loaded(name: str) -> Any:
    # `on` is a boolean to YAML 1.1.
    return yaml.load((ROOT / name).read_text(), yaml.BaseLoader)  # noqa: S506


def pins(text: str) -> list[tuple[str, str]]:
    return [(m["name"], m["at"]) for m in _USES.finditer(text)]


def test_everything_used_is_pinned_by_one_commit_with_its_version_beside_it() -> None:
    found = [pin for name in FILES for pin in pins((ROOT / name).read_text())]

    assert len(found) > 30
    assert [pin for pin in found if not _PIN.fullmatch(pin[1])] == []
    assert len({name for name, _ in found}) == len(set(found))


def test_the_reusable_workflow_hands_over_what_it_is_given() -> None:
    workflow, action = loaded(".github/workflows/merge.yml"), loaded("action.yml")
    call, (job,) = workflow["on"]["workflow_call"], workflow["jobs"].values()
    (step,) = (s for s in job["steps"] if s.get("id") == "merge")

    of_the_job = {"runner", "image", "image-options", "timeout-minutes"}
    given = {name: f"${{{{ inputs.{name} }}}}" for name in call["inputs"].keys() - of_the_job}
    secrets = {name: f"${{{{ secrets.{name} }}}}" for name in call["secrets"]}
    assert step["with"] == given | secrets
    assert step["with"].keys() <= action["inputs"].keys()
    assert job["outputs"].keys() == call["outputs"].keys() <= action["outputs"].keys()
    for name in given:
        assert call["inputs"][name].get("default", "") == action["inputs"][name]["default"], name
    assert job["permissions"] == {"contents": "read"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A checkout with a changelog and a package, and a `gh` before all others."""
    for name in ("bin", "answers", "dist", ".ci"):
        (tmp_path / name).mkdir()
    for path, text in ((tmp_path / "bin/gh", _GH), (tmp_path / ".ci/notes", "#!/bin/sh\n")):
        path.write_text(text)
        path.chmod(0o755)
    (tmp_path / "dist/one.whl").write_text("")
    return tmp_path


def asked(place: Path, step: str, tag: str = "v1.2.0") -> list[str]:
    """What the release's step asks of `gh`, each as one line."""
    steps = loaded(".github/workflows/release.yml")["jobs"]["release"]["steps"]
    (script,) = (s["run"] for s in steps if s.get("name", "").startswith(step))
    log = place / "asked"
    log.unlink(missing_ok=True)
    env = {
        "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "ASKED": str(log),
        "ANSWERS": str(place / "answers"),
        "GITHUB_REPOSITORY": "org/adapter-merge",
        "GITHUB_REF": f"refs/tags/{tag}",
        "GITHUB_REF_NAME": tag,
        "GITHUB_SHA": "a" * 40,
    }
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    subprocess.run(words, cwd=place, env=env, check=True)
    return log.read_text().splitlines()


@pytest.mark.parametrize(
    ("standing", "then"),
    [("", ["create", "upload", "edit"]), ("true", ["upload", "edit"]), ("false", [])],
)
def test_a_release_that_broke_off_is_made_whole(
    place: Path, standing: str, then: list[str]
) -> None:
    for verb in ("create", "upload", "edit"):
        (place / f"answers/release-{verb}").touch()
    if standing:
        (place / "answers/release-view").write_text(f"{standing}\n")

    assert [line.split()[1] for line in asked(place, "Release")] == ["view", *then]


@pytest.mark.parametrize(
    ("tag", "moves"),
    [("v1.10.0", True), ("v1.9.3", False), ("v1.10.0-rc.1", False)],
)
def test_the_major_tag_moves_to_the_newest_alone(place: Path, tag: str, moves: bool) -> None:
    refs = ("v1.9.3", "v1.10.0", "v1.10.0-rc.1", "v1.9.0")
    (place / "answers/api---paginate").write_text("".join(f"refs/tags/{r}\n" for r in refs))
    (place / "answers/api---method").touch()

    calls = asked(place, "Move", tag)

    assert "git/matching-refs/tags/v1. " in calls[0]
    moved = ["api --method PATCH repos/org/adapter-merge/git/refs/tags/v1 -f sha=" + "a" * 40]
    assert [line.partition(" -F")[0] for line in calls[1:]] == (moved if moves else [])
