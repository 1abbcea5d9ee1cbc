from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from adapter_merge.action.result import checksums
from adapter_merge.receipt import FileRecord
from adapter_merge.report import Report

CHECK = ["sha256sum", "--check", "--strict"]
NAMES = ("a.json", "1_Dense/b.json", " lead *x", "é ü", "a\\b", "a\nb", "#")


def test_sha256sum_takes_the_digests_of_any_name(tmp_path: Path) -> None:
    files = dict[str, FileRecord]()
    for name in NAMES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files[name] = FileRecord(size=path.stat().st_size, sha256=digest)
    sums = checksums(Report(status="merged", files=files))

    done = subprocess.run(
        CHECK,
        input=sums,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK") == len(NAMES)


def test_a_file_that_is_another_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    sums = checksums(Report(status="merged", files={"a": FileRecord(size=3, sha256="0" * 64)}))
    done = subprocess.run(
        CHECK,
        input=sums.encode(),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
