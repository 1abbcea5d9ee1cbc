"""Write the pages of docs/reference from the code; with `--check`, only say whether they and all links hold."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from adapter_merge.checks import ALL_CHECKS
from adapter_merge.cli.codes import exit_codes
from adapter_merge.request import Settings

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_NOTE = "<!-- Written by docs/generate.py (`make docs`); edit the code that it describes. -->"


def pages() -> dict[str, str]:
    """Every generated page: file name -> content."""
    return {"codes.md": _codes(), "options.md": _options()}


def _codes() -> str:
    return "\n".join(
        [
            _NOTE,
            "# Codes",
            "",
            "## Checks",
            "",
            "`F` looks at files, `T` at tensors, `L` at licences, `D` at the programs that load the result, `E` at outputs. `--ignore CODE` turns a failure into a warning,",
            "`--strict CODE` a warning into a failure.",
            "",
            "| code | what must hold | why | what to do |",
            "|---|---|---|---|",
            *(f"| `{c.code}` | {c.title} | {c.why} | {c.fix} |" for c in ALL_CHECKS),
            "",
            "## Exit codes",
            "",
            "The report's `error.type` is the class, `error.code` the exit code.",
            "",
            "| exit code | class | meaning |",
            "|---|---|---|",
            "| 0 |  | Done. |",
            "| 1 |  | A bug in adapter-merge. |",
            *_exit_lines(),
            "",
        ]
    )


def _exit_lines() -> Iterator[str]:
    for exit_code in exit_codes():
        yield f"| {exit_code.code} | `{exit_code.name}` | {exit_code.meaning} |"
        for name, meaning in exit_code.kinds:
            yield f"| {exit_code.code} | `{name}` | {meaning} |"


def _options() -> str:
    return "\n".join(
        [
            _NOTE,
            "# Options of `run` and `plan`",
            "",
            "Adapters stand without a flag: `ADAPTER[=WEIGHT]...`, in the order in which their deltas are",
            "added; WEIGHT multiplies the adapter's scale and is 1 where it is left out.",
            "",
            "| option | default | meaning |",
            "|---|---|---|",
            *(_option(name, field) for name, field in Settings.model_fields.items()),
            "| `--json` |  | Write the result as JSON to stdout, and nothing else there. |",
            "| `--quiet` |  | Show nothing but errors. |",
            "| `--report` |  | Not for `plan`: folder that gets `report.json`, `report.html` and `changes.svg`, of a failure too. It may not lie in the target or in a source; other files in it are left alone. Where the three can't be written, a run that went well keeps its status and ends with exit code 8. |",
            "",
        ]
    )


def _option(name: str, field: FieldInfo) -> str:
    default = f"`{field.default}`" if isinstance(field.default, str) else ""
    return f"| `--{name.replace('_', '-')}` | {default} | {field.description} |"


def stale() -> list[str]:
    """The generated pages that differ from the code."""
    return [name for name, content in pages().items() if _read(REFERENCE / name) != content]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def dead_links() -> list[str]:
    """Links of our pages that lead to no file, as `page: target`."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    return [
        f"{page.relative_to(ROOT)}: {target}"
        for page in sorted(found)
        for target in _LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target.partition("#")[0]).exists()
    ]


def main(arguments: list[str]) -> int:
    """Write the pages, or check them; the result is the exit code."""
    if arguments == ["--check"]:
        faults = [f"docs/reference/{name} is not up to date: run `make docs`" for name in stale()]
        faults += [f"dead link in {link}" for link in dead_links()]
        print("\n".join(faults) or "docs are up to date")
        return 1 if faults else 0
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, content in pages().items():
        (REFERENCE / name).write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
