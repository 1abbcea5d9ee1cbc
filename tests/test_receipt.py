"""`merge_receipt.json`: what it says, that it comes last, and that without it nothing is replaced."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from adapter_merge import work
from adapter_merge.errors import MergeError
from adapter_merge.finding import Finding, Outcome
from adapter_merge.folder import read_receipt, sha256
from adapter_merge.plan import Plan
from adapter_merge.receipt import RECEIPT_NAME, MethodRecord, Receipt
from adapter_merge.record import receipt_of
from adapter_merge.report import Inspection, Merged
from adapter_merge.sources import Sources
from adapter_merge.stages.draft import draft
from adapter_merge.stages.merge import merge
from adapter_merge.stages.resolve import resolve
from adapter_merge.stages.seal import seal
from adapter_merge.work import WorkFolder, work_folder
from tests.build import ALPHA, PREFIX, RANK, Case, change, contents, debris, make_case

WEIGHTS = "adapter_model.safetensors"
VERSIONS = {"adapter-merge": "1.2.3", "torch": "2.9"}
PASSED = Finding(code="T001", outcome=Outcome.PASS, subject="out", message="names are equal")
WARNED = Finding(
    code="T010",
    outcome=Outcome.WARN,
    subject="out",
    message="some of the delta was lost",
    evidence={"tensors": ["a", "b"], "share": 0.06},
)


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A merge that is done but for its seal."""

    plan: Plan
    sources: Sources
    merged: Merged
    work: WorkFolder

    def seal(self) -> Receipt:
        inspection = Inspection(findings=(PASSED, WARNED), relative_changes={"w": 0.25})
        made = receipt_of(self.plan, self.sources, self.merged, inspection, versions=VERSIONS)
        seal(made, "# Card\n", self.sources.target, work=self.work)
        return made


@contextmanager
def filled(case: Case) -> Iterator[Filled]:
    """Everything that a run does before it seals."""
    request = case.request()
    sources = resolve(request)
    plan = draft(request, sources)
    with work_folder(sources.target.root, size=plan.size) as work:
        merged = merge(
            plan, sources, work.path, workers=1, device="cpu", advance=lambda _count: None
        )
        yield Filled(plan=plan, sources=sources, merged=merged, work=work)


def sealed(case: Case) -> Receipt:
    with filled(case) as job:
        return job.seal()


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """An adapter that grows the vocabulary by one, so that there is a change to declare."""
    case = make_case(tmp_path)
    grown = {
        f"{PREFIX}{name}.weight": np.ones((13, 8), np.float32)
        for name in ("model.embed_tokens", "lm_head")
    }
    change(case.adapter / WEIGHTS, lambda t: t.update(grown))
    (case.adapter / "training_args.bin").write_bytes(b"state")
    return case


def nothing(case: Case) -> None:
    """No target stands there."""


def foreign(case: Case) -> None:
    case.to.mkdir()
    (case.to / "README.md").write_text("# Of another model")


def ours(case: Case) -> None:
    sealed(case)
    (case.to / "README.md").write_text("# Mine")


def test_it_stands_on_the_disk_as_it_was_given(case: Case) -> None:
    assert sealed(case) == read_receipt(case.to)


@pytest.mark.parametrize("before", [nothing, foreign])
def test_it_lists_every_file_beside_it(case: Case, before: Callable[[Case], None]) -> None:
    before(case)
    receipt = sealed(case)
    assert set(contents(case.to)) == {*receipt.files, RECEIPT_NAME, "README.md"}
    for path, recorded in receipt.files.items():
        file = case.to / path
        assert (recorded.size, recorded.sha256) == (file.stat().st_size, sha256(file))


def test_it_says_what_went_in(case: Case) -> None:
    with filled(case) as job:
        receipt = job.seal()
    base, (adapter,) = receipt.base, receipt.adapters
    assert (base.source, base.weight) == (str(case.base), None)
    assert base.digests["model.safetensors"].startswith("header:")
    assert (adapter.source, adapter.weight) == (str(case.adapter), 1.0)
    assert adapter.digests[WEIGHTS] == f"sha256:{sha256(case.adapter / WEIGHTS)}"
    assert (receipt.recipe, receipt.settings) == (job.plan.recipe, job.plan.settings)
    assert (receipt.counts, receipt.versions) == (job.plan.counts, VERSIONS)
    assert receipt.relative_changes == {"w": 0.25}
    assert (base.method, adapter.method) == (
        None,
        MethodRecord(peft_type="LORA", rank=RANK, alpha=ALPHA),
    )


def test_it_says_what_differs_and_what_stayed_behind(case: Case) -> None:
    receipt = sealed(case)
    (vocabulary,) = (c for c in receipt.changes if c.subject == "config.json: vocab_size")
    assert (vocabulary.before, vocabulary.after) == (12, 13)
    assert vocabulary.why
    assert receipt.left_behind[f"{case.adapter}: training_args.bin"]


def test_findings_come_back_from_it(case: Case) -> None:
    sealed(case)
    assert tuple(f.finding() for f in case.receipt().findings) == (PASSED, WARNED)


def test_it_is_the_last_file_that_is_written(case: Case) -> None:
    ours(case)
    with filled(case) as job:
        (job.work.path / "README.md").mkdir()
        with pytest.raises(MergeError, match=r"README\.md"):
            job.seal()
        assert not (job.work.path / RECEIPT_NAME).exists()


def in_the_way_of_the_receipt(job: Filled) -> None:
    (job.work.path / RECEIPT_NAME).mkdir()


def in_the_way_of_the_old_target(job: Filled) -> None:
    # A folder can be renamed onto an empty one, not onto one that holds something.
    aside = job.work.target.parent / f".out.old-{job.work.identity}"
    aside.mkdir()
    (aside / "file").write_text("in the way")


@pytest.mark.parametrize("spoil", [in_the_way_of_the_receipt, in_the_way_of_the_old_target])
def test_a_seal_that_fails_leaves_the_target_alone(
    case: Case, spoil: Callable[[Filled], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a system that can't exchange two folders in one step.
    monkeypatch.setattr(work, "_swap", lambda _one, _other: False)
    ours(case)
    before = contents(case.to)
    with filled(case) as job:
        spoil(job)
        with pytest.raises(MergeError) as caught:
            job.seal()
    assert (caught.value.exit_code, bool(caught.value.hint)) == (6, True)
    assert contents(case.to) == before
    # A finished result that could not be put in its place is kept.
    kept = [*case.to.parent.glob("out.finished-*")]
    assert len(kept) == (spoil is in_the_way_of_the_old_target)
    for folder in kept:
        shutil.rmtree(folder)
    sealed(case)
    assert debris(case.to.parent) == []


def test_a_first_seal_that_fails_makes_no_target(case: Case) -> None:
    with filled(case) as job:
        in_the_way_of_the_receipt(job)
        with pytest.raises(MergeError):
            job.seal()
    assert not case.to.exists()
    assert debris(case.to.parent) == []
