"""Merge a real model well and badly, have the program prove each, and write what it found into the concepts page.

    make bench-fidelity

What is good is judged by `run`. What is spoilt is judged by `check`, without a receipt, as another program's
merge; what `check` says of the good one too isn't counted as found.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from chains import Pair, pooled, vectors
from spoil import FAULTS

from adapter_merge.probed import SCORES

PAGE = Path(__file__).parent.parent / "docs" / "concepts" / "how-a-merge-is-proved.md"
BEGIN, END = "<!-- bench-fidelity:begin -->", "<!-- bench-fidelity:end -->"
DTYPES = {"fp32": "merged, fp32 file", "fp16": "merged, fp16 file", "bf16": "merged, bf16 file"}
RECEIPT = "merge_receipt.json"
_FOUND = {0, 7}  # exit codes: all is well, a check failed
_NOISE = 1e-5  # smaller numbers differ from machine to machine


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What the program said: groups of outputs by name, and outcomes of the checks that aren't content."""

    groups: Mapping[str, Mapping[str, Any]]
    codes: Mapping[str, str]

    def error(self, *groups: str) -> float:
        """The largest effect error."""
        return max(float(self.groups[g]["error"]) for g in groups)

    def angle(self, *groups: str) -> float:
        """The largest of 1 - cosine."""
        return 1 - min(float(c) for g in groups for c in self.groups[g]["cosines"])


def ask(*arguments: str | Path) -> Proof:
    """Run the program and read its report."""
    command = [sys.executable, "-m", "adapter_merge", *map(str, arguments)]
    done = subprocess.run(
        [*command, "--probe", "require", "--json", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in _FOUND:
        sys.exit(f"`{' '.join(command)}` ended with status {done.returncode}: {done.stderr}")
    report = json.loads(done.stdout)
    return Proof(
        groups={g["group"]: g for g in report["probe"]["groups"]},
        codes={f["code"]: f["outcome"] for f in report["findings"] if _tells(f)},
    )


def _tells(finding: Mapping[str, Any]) -> bool:
    """Of bytes or outputs, and not content: licences and programs that load a base aren't what is asked."""
    return finding["code"][0] in {"T", "E"} and finding["outcome"] in {"fail", "warn"}


def proofs(pair: Pair, scratch: Path) -> Iterator[tuple[str, Proof]]:
    """A proof for each row of the table that this pair can have."""
    for dtype, row in DTYPES.items():
        yield (
            row,
            ask(
                "run", pair.adapter, "--base", pair.base, "--to", scratch / dtype, "--dtype", dtype
            ),
        )
    usual = {dtype: _as_foreign(scratch / dtype, pair) for dtype in DTYPES}
    for row, fault in FAULTS.items():
        bad = scratch / "bad"
        shutil.copytree(scratch / fault.dtype, bad)
        if fault.plant(pair.base, bad):
            proof = _checked(bad, pair)
            known = usual[fault.dtype].codes
            found = {c: o for c, o in proof.codes.items() if known.get(c) != o}
            yield row, Proof(groups=proof.groups, codes=found)
        shutil.rmtree(bad)


def _as_foreign(folder: Path, pair: Pair) -> Proof:
    (folder / RECEIPT).unlink()
    return _checked(folder, pair)


def _checked(folder: Path, pair: Pair) -> Proof:
    return ask("check", folder, "--base", pair.base, "--adapter", pair.adapter)


def table(of_sentences: Mapping[str, Proof], of_tokens: Mapping[str, Proof]) -> str:
    """The results as Markdown."""
    lines = (
        "| | sentences: 1 - cosine | effect error | tokens: 1 - cosine | effect error | MaxSim error | `check` finds it by |",
        "|---|---|---|---|---|---|---|",
        *(
            _row(name, of_sentences.get(name), of_tokens.get(name))
            for name in (*DTYPES.values(), *FAULTS)
        ),
        "",
        f"Measured with {_versions()}.",
    )
    return "\n".join(lines)


def _row(name: str, sentences: Proof | None, tokens: Proof | None) -> str:
    pooled = ("query.pooled", "text.pooled")
    vectors = ("query.vectors", "text.vectors")
    numbers = (
        sentences and sentences.angle(*pooled),
        sentences and sentences.error(*pooled),
        tokens and tokens.angle(*vectors),
        tokens and tokens.error(*vectors),
        tokens and tokens.error(f"{SCORES}text.vectors"),
    )
    codes = {k: v for proof in (sentences, tokens) if proof for k, v in proof.codes.items()}
    return f"| {' | '.join((name, *map(_number, numbers), _found(codes)))} |"


def _number(value: Any) -> str:
    if not isinstance(value, float):
        return ""
    shown = np.format_float_positional(max(value, _NOISE), precision=2, fractional=False, trim="-")
    return shown if value >= _NOISE else f"< {shown}"


def _found(codes: Mapping[str, str]) -> str:
    failing = [f"`{c}`" for c, outcome in sorted(codes.items()) if outcome == "fail"]
    warning = [f"`{c}`" for c, outcome in sorted(codes.items()) if outcome == "warn"]
    parts = [" ".join(failing)] * bool(failing)
    parts += [f"warns: {' '.join(warning)}"] * bool(warning)
    return "; ".join(parts)


def _versions() -> str:
    names = ("torch", "transformers", "peft", "sentence-transformers")
    return ", ".join(f"{n} {version(n)}" for n in names)


def put(text: str, page: str) -> str:
    """The page with another text between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def main() -> None:
    """Build, merge, spoil, prove, and write the table."""
    with tempfile.TemporaryDirectory(prefix="bench-fidelity-") as name:
        root = Path(name)
        sentences = pooled(root)
        tokens = vectors(root, sentences)
        found: list[dict[str, Proof]] = []
        for number, pair in enumerate((sentences, tokens)):
            found.append({})
            for row, proof in proofs(pair, root / f"merged-{number}"):
                print(f"  {pair.base.parent.name}, {row}: {dict(proof.codes)}", flush=True)
                found[-1][row] = proof
    text = table(*found)
    print(text)
    PAGE.write_text(put(text, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
