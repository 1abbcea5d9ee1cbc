"""Give a target on a Hub what an earlier receipt lists, as one more commit."""

from __future__ import annotations

from dataclasses import replace

from adapter_merge.ports import Hub
from adapter_merge.publishing import Publishing
from adapter_merge.remote import RemoteTarget
from adapter_merge.report import Published, Report, Status
from adapter_merge.request import RepoRef
from adapter_merge.running import Machine, Run, failures
from adapter_merge.stages.revert import revert as restored
from adapter_merge.targets import remote_of


def revert(ref: RepoRef, wish: Publishing, *, machine: Machine) -> Report:
    """Restore the state at the ref's revision, or the one before this; the report says what stands there then."""
    target = f"hf://{ref.repo}" if ref.repo is not None and ref.subfolder is None else ref.text
    proposed = wish.publish == "pr"
    report = Report(status="failed", to=ref.repo or ref.text, versions=machine.versions)
    state = Run(machine=machine, start=machine.now(), report=report)
    with failures(state):
        with state.timed("resolve"):
            remote = remote_of(RepoRef.model_validate(target), wish.branch, machine.around)
            hub = machine.around.connected()
        with state.timed("allow"):
            hub.require_write(remote, pull_request=proposed)
        with state.timed("publish"):
            published = restored(remote, hub=hub, to=ref.revision, pull_request=proposed)
        status: Status = "unchanged" if published.found else "done"
        state.report = replace(state.report, status=status, published=published)
        state.report = _told(state.report, remote, published, hub)
    return state.finished()


def _told(report: Report, target: RemoteTarget, published: Published, hub: Hub) -> Report:
    receipt = hub.receipt(target.repo, published.commit)
    if receipt is None:
        return report
    return replace(
        report,
        layout="bundled" if receipt.bundles else "merged",
        adapters=receipt.adapters,
        base=receipt.base,
        recipe=receipt.recipe,
        probe=receipt.probe,
        relative_changes=receipt.relative_changes,
        files=receipt.files,
    )
