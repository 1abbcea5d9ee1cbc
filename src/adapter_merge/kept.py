"""What a command did, as files that stay when the terminal is gone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import TypeAdapter

from adapter_merge.errors import ReportNotWritten, RequestError
from adapter_merge.report import Report
from adapter_merge.request import RepoRef

PAGE = "report.html"


def report_json(report: Report) -> str:
    """A report as JSON text."""
    return TypeAdapter(Report).dump_json(report, indent=2).decode()


def report_line(report: Report) -> str:
    """The same on one line."""
    return TypeAdapter(Report).dump_json(report).decode()


def prepare(folder: Path, *, apart_from: Iterable[RepoRef]) -> None:
    """Make the folder before any work is done, so that a wrong one costs no merge.

    Raises:
        RequestError: it can't be made or written, or it lies in the target or in a source.
    """
    root = folder.expanduser().resolve()
    for ref in apart_from:
        if ref.folder is not None and root.is_relative_to(ref.folder.expanduser().resolve()):
            raise RequestError(
                f"the report's folder `{folder}` lies in `{ref.text}`, where only the model's own files belong",
                hint="Name a folder of its own: `--report ./report`.",
            )
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise RequestError(
            f"the report's folder `{folder}` can't be made: {e.strerror}",
            hint="Name another one: `--report ./report`.",
        ) from e
    if not os.access(root, os.W_OK | os.X_OK):
        raise RequestError(
            f"the report's folder `{folder}` can't be written",
            hint="Check its rights, or name another one: `--report ./report`.",
        )


def keep(report: Report, folder: Path) -> Path:
    """Write the files, each whole or not at all; the result is the page.

    Raises:
        ReportNotWritten: the system refuses.
    """
    root = folder.expanduser().resolve()
    try:
        for name, text in _files(report).items():
            if text is None:
                (root / name).unlink(missing_ok=True)
                continue
            part = root / f".{name}.part"
            part.write_text(text, encoding="utf-8")
            part.replace(root / name)
    except OSError as e:
        raise ReportNotWritten(
            f"the report can't be written in `{folder}`: {e.strerror}",
            hint="Make room there, or name another folder with `--report`, and run the command again.",
        ) from e
    return folder / PAGE


def _files(report: Report) -> Mapping[str, str | None]:
    """Text by name; None for a picture that has nothing to show: no weight moves in a bundle, or nothing ran."""
    from adapter_merge.pages import (  # templates: only where they are asked for
        page,
        picture,
        probes,
    )

    return {
        "report.json": f"{report_json(report)}\n",
        PAGE: page(report),
        "changes.svg": picture(report.relative_changes) if report.layout == "merged" else None,
        "probes.svg": probes(report.probe),
    }
