"""Look at a folder that stands already: against what it was made from, or against its receipt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from adapter_merge.checks import CARD_CHECKS, CardSeen
from adapter_merge.checks.consumers import NAMES
from adapter_merge.errors import NotFound, RequestError
from adapter_merge.finding import Finding, Outcome
from adapter_merge.flavours import Look
from adapter_merge.folder import list_files, read_readme, read_receipt, sha256
from adapter_merge.plan import Plan
from adapter_merge.ports import Encoder, Reporter, Repository, Surroundings
from adapter_merge.probed import NotRun, Probed
from adapter_merge.readme import README
from adapter_merge.receipt import RECEIPT_NAME, Receipt
from adapter_merge.record import probe_record, source_record
from adapter_merge.remote import OF_THE_HUB
from adapter_merge.report import Report
from adapter_merge.repository import opened, small_files
from adapter_merge.request import AdapterRef, RepoRef, Request, Settings
from adapter_merge.running import Machine
from adapter_merge.sources import Sources
from adapter_merge.stages.describe import Subject, describe
from adapter_merge.stages.draft import draft
from adapter_merge.stages.resolve import resolve
from adapter_merge.stages.validate import inspect
from adapter_merge.weighing import as_asked, judge

# Files that a folder may hold beside what its receipt lists: people and the Hub write them.
_BESIDE = frozenset({README, RECEIPT_NAME, *OF_THE_HUB})
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
    repository = _whole(folder, machine.around)
    root = repository.pinned.root
    sources, plan = _made_from(folder, adapters, settings, machine.around)
    weights = (n for path, n in list_files(root).items() if path.endswith(".safetensors"))
    total = sum(weights)
    encoder = machine.encoder(settings)
    probed = None
    if encoder is not None:
        probed = as_asked(_probed(encoder, plan, sources, root, reporter), settings)
    with reporter.working("check", total) as advance:
        inspection = inspect(
            repository,
            plan,
            sources,
            workers=settings.workers or machine.workers,
            advance=advance,
            wanted=wanted,
            probed=probed,
        )
    verdict = judge((*inspection.findings, *_of_card(repository)), settings)
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


def _of_card(repository: Repository) -> Iterator[Finding]:
    root = repository.pinned.root
    seen = CardSeen(
        name=repository.pinned.name,
        readme=read_readme(root),
        receipt=read_receipt(root),
        foreign=True,
        people=True,
    )
    for check in CARD_CHECKS:
        yield from check.judge(seen)


def _whole(ref: RepoRef, around: Surroundings) -> Repository:
    """The repository, with all of its files on this disk."""
    repository = opened(ref, around.hub)
    repository.have(tuple(repository.files))
    return repository


def _made_from(
    folder: RepoRef, adapters: tuple[AdapterRef, ...], settings: Settings, around: Surroundings
) -> tuple[Sources | None, Plan | None]:
    if not adapters:
        if settings.base is not None:
            raise RequestError(
                "`--base` alone says not what was merged",
                hint="Name the adapter too, with `--adapter`.",
            )
        return None, None
    receipt = read_receipt(opened(folder, around.hub).pinned.root)
    stated = "merged" if receipt is None or not receipt.bundles else "bundled"
    layout = settings.layout if receipt is None else stated
    native = settings.native if receipt is None else receipt.settings.get("native") == "true"
    made = {"adapters": adapters, "to": folder, "layout": layout, "native": native}
    recorded: Mapping[str, str] = {} if receipt is None else receipt.settings
    experts = {
        key: recorded[key]
        for key in ("expert_layout", "expert_orientation")
        if key in recorded and getattr(settings, key) == "auto"
    }
    request = Request(**{**dict(settings), **made, **experts})
    sources = resolve(request, verb="check", around=around)
    return sources, draft(request, sources)


def card(folder: RepoRef, *, around: Surroundings) -> str:
    """The model card of a folder of ours, with its block written anew; nothing is changed.

    Raises:
        NotFound: there is no folder, or no receipt in it.
    """
    repository = opened(folder, around.hub)
    repository.have(small_files(repository.files))
    root = repository.pinned.root
    subject = Subject(
        title=repository.pinned.name,
        look=Look.of(repository),
        receipt=_receipt(root, folder, "so nothing is known of what was merged"),
        standing=read_readme(root),
        sources=None,
        repo=folder.repo,
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
    repository = opened(folder, machine.around.hub)
    repository.have([RECEIPT_NAME] if RECEIPT_NAME in repository.files else [])
    root = repository.pinned.root
    receipt = _receipt(root, folder, "so there is nothing to verify it against")
    wrong = dict(_mismatches(repository, receipt))
    verdict = judge(
        (_finding(repository.pinned.name, receipt, wrong),), Settings.model_validate({})
    )
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


def _mismatches(repository: Repository, receipt: Receipt) -> Iterator[tuple[str, str]]:
    """Every file that isn't what the receipt says, and in which way."""
    found = repository.files
    for path, recorded in receipt.files.items():
        if path not in found:
            yield path, "is missing"
        elif found[path] != recorded.size:
            yield path, f"has {found[path]} bytes instead of {recorded.size}"
        elif _sha256(repository, path) != recorded.sha256:
            yield path, "has other content"
    for path in sorted(found.keys() - receipt.files.keys() - _BESIDE):
        yield path, "is not listed"


def _sha256(repository: Repository, path: str) -> str:
    """A Hub tells it of large files; small ones are read."""
    digest = repository.digest(path)
    if digest.startswith("sha256:"):
        return digest.removeprefix("sha256:")
    return sha256(repository.pinned.file(path))


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
