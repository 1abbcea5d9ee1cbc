"""Look at a folder that stands already: against what it was made from, or against its receipt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from adapter_merge.checks import CARD_CHECKS, CardSeen
from adapter_merge.checks.consumers import NAMES
from adapter_merge.errors import NotFound, RequestError
from adapter_merge.finding import Finding, Outcome
from adapter_merge.folder import list_files, read_readme, read_receipt, sha256
from adapter_merge.pipeline import Machine, as_asked, judge
from adapter_merge.plan import Plan
from adapter_merge.ports import Encoder, Reporter
from adapter_merge.probed import NotRun, Probed
from adapter_merge.receipt import RECEIPT_NAME, Receipt
from adapter_merge.record import probe_record, source_record
from adapter_merge.report import Report
from adapter_merge.request import AdapterRef, RepoRef, Request, Settings
from adapter_merge.sources import Sources
from adapter_merge.stages.describe import Subject, describe
from adapter_merge.stages.draft import draft
from adapter_merge.stages.resolve import folder_of, resolve
from adapter_merge.stages.validate import inspect

# Files that a folder may hold beside what its receipt lists: people and the Hub write them.
_BESIDE = frozenset({"README.md", ".gitattributes", RECEIPT_NAME})
_VERIFIED = "F007"  # the check of sizes, with digests
RESTORE = "Merge again, or restore the files from where they were published."


def check(
    folder: RepoRef,
    adapters: tuple[AdapterRef, ...],
    settings: Settings,
    *,
    wanted: frozenset[str],
    reporter: Reporter,
    machine: Machine,
) -> Report:
    """Run the checks on anybody's merge; without adapters, only those that need nothing else.

    Those that fail are among the report's findings.

    Args:
        folder: the merge.
        adapters: what was merged, with the base in `settings`.
        settings: how findings are weighed.
        wanted: programs that must be able to load it.
        reporter: told how far it is.
        machine: what it runs on.

    Raises:
        RequestError: a program is not one that there are rules for.
        AdapterMergeError: as `resolve` and `draft` do.
    """
    _known(wanted)
    root = _existing(folder)
    sources, plan = _made_from(folder, adapters, settings, machine.hub_cache)
    weights = (n for path, n in list_files(root).items() if path.endswith(".safetensors"))
    total = sum(weights)
    encoder = machine.encoder(settings)
    probed = None
    if encoder is not None:
        probed = as_asked(_probed(encoder, plan, sources, root, reporter), settings)
    with reporter.working("check", total) as advance:
        inspection = inspect(
            root,
            plan,
            sources,
            workers=settings.workers or machine.workers,
            advance=advance,
            wanted=wanted,
            probed=probed,
        )
    verdict = judge((*inspection.findings, *_of_card(root)), settings)
    reporter.judged(verdict)
    return Report(
        status="done",
        adapters=tuple(source_record(a) for a in sources.adapters) if sources else (),
        base=source_record(sources.base) if sources else None,
        to=folder.text,
        layout=plan.layout if plan else "merged",
        counts=plan.counts if plan else {},
        findings=verdict.findings,
        relative_changes=inspection.relative_changes,
        probe=probe_record(probed),
        versions=machine.versions,
    )


def _probed(
    encoder: Encoder, plan: Plan | None, sources: Sources | None, root: Path, reporter: Reporter
) -> Probed:
    if plan is None or sources is None:
        return NotRun(needs="to know what was merged: name it with `--base` and `--adapter`")
    total = sum(t.info.nbytes for t in plan.tensors.values())
    with reporter.working("probe", total) as advance:
        return encoder.probe(plan, sources, root, advance=advance)


def _known(wanted: frozenset[str]) -> None:
    unknown = sorted(wanted - {*NAMES})
    if unknown:
        raise RequestError(
            f"there are no rules for the program `{unknown[0]}`",
            hint=f"Name some of these with `--for`: {', '.join(NAMES)}.",
        )


def _of_card(root: Path) -> Iterator[Finding]:
    seen = CardSeen(
        name=root.resolve().name,
        readme=read_readme(root),
        receipt=read_receipt(root),
        foreign=True,
        people=True,
    )
    for check in CARD_CHECKS:
        yield from check.judge(seen)


def _existing(folder: RepoRef) -> Path:
    root = folder_of(folder)
    list_files(root)
    return root


def _made_from(
    folder: RepoRef, adapters: tuple[AdapterRef, ...], settings: Settings, hub_cache: Path
) -> tuple[Sources | None, Plan | None]:
    if not adapters:
        if settings.base is not None:
            raise RequestError(
                "`--base` alone says not what was merged",
                hint="Name the adapter too, with `--adapter`.",
            )
        return None, None
    receipt = read_receipt(folder_of(folder))
    stated = "merged" if receipt is None or not receipt.bundles else "bundled"
    layout = settings.layout if receipt is None else stated
    native = settings.native if receipt is None else receipt.settings.get("native") == "true"
    made = {"adapters": adapters, "to": folder, "layout": layout, "native": native}
    request = Request(**{**dict(settings), **made})
    sources = resolve(request, verb="check", cache=hub_cache)
    return sources, draft(request, sources)


def card(folder: RepoRef) -> str:
    """The model card of a folder of ours, with its block written anew; nothing is changed.

    Raises:
        NotFound: there is no folder, or no receipt in it.
    """
    root = _existing(folder)
    subject = Subject(
        title=root.resolve().name,
        folder=root,
        receipt=_receipt(root, folder, "so nothing is known of what was merged"),
        standing=read_readme(root),
        sources=None,
    )
    return describe(subject).text


def _receipt(root: Path, folder: RepoRef, so: str) -> Receipt:
    receipt = read_receipt(root)
    if receipt is None:
        raise NotFound(
            f"`{folder.text}` has no valid `{RECEIPT_NAME}`, {so}",
            hint="`adapter-merge check` looks at folders that other programs made.",
        )
    return receipt


def verify(folder: RepoRef, *, machine: Machine) -> Report:
    """Compare every file with the receipt, by size and sha256; one that differs is in the report's finding.

    Raises:
        NotFound: there is no folder, or no receipt in it.
    """
    root = _existing(folder)
    receipt = _receipt(root, folder, "so there is nothing to verify it against")
    wrong = dict(_mismatches(root, receipt))
    verdict = judge((_finding(root.name, receipt, wrong),), Settings.model_validate({}))
    return Report(
        status="done",
        adapters=receipt.adapters,
        base=receipt.base,
        to=folder.text,
        recipe=receipt.recipe,
        findings=verdict.findings,
        relative_changes=receipt.relative_changes,
        probe=receipt.probe,
        files=receipt.files,
        versions=machine.versions,
    )


def _mismatches(root: Path, receipt: Receipt) -> Iterator[tuple[str, str]]:
    """Every file that isn't what the receipt says, and in which way."""
    found = list_files(root)
    for path, recorded in receipt.files.items():
        if path not in found:
            yield path, "is missing"
        elif found[path] != recorded.size:
            yield path, f"has {found[path]} bytes instead of {recorded.size}"
        elif sha256(root / path) != recorded.sha256:
            yield path, "has other content"
    for path in sorted(found.keys() - receipt.files.keys() - _BESIDE):
        yield path, "is not listed"


def _finding(name: str, receipt: Receipt, wrong: Mapping[str, str]) -> Finding:
    if not wrong:
        message = f"all {len(receipt.files)} files equal the receipt by size and sha256"
        return Finding(code=_VERIFIED, outcome=Outcome.PASS, subject=name, message=message)
    shown: Sequence[str] = [f"`{p}` {why}" for p, why in wrong.items()]
    return Finding(
        code=_VERIFIED,
        outcome=Outcome.FAIL,
        subject=name,
        message="; ".join(shown[:4]) + (f"; {len(shown) - 4} more" if len(shown) > 4 else ""),
        evidence={"files": dict(wrong)},
    )
