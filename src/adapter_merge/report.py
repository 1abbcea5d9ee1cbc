"""What a run did, as one value: the same shape for success and failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from adapter_merge.errors import AdapterMergeError
from adapter_merge.finding import Finding
from adapter_merge.plan import Change, LeftBehind
from adapter_merge.probed import Probed
from adapter_merge.receipt import FileRecord, ProbeRecord, Receipt, SourceRecord
from adapter_merge.remote import Access, RemoteTarget, page_of
from adapter_merge.request import LayoutName


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """A filled work folder: every file of the plan, with size and digest taken while writing."""

    folder: Path
    files: Mapping[str, FileRecord]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What the checks said of a folder.

    Attributes:
        relative_changes: edited tensor -> Frobenius norm of its delta over that of the base's
            tensor, on sampled rows and before rounding; tensors without such a figure are left out.
        probed: what running it has shown; None where nobody asked to run it.
    """

    findings: tuple[Finding, ...]
    relative_changes: Mapping[str, float]
    probed: Probed | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorRecord:
    """An error as the report shows it: class name, exit code, what happened, what to do next."""

    type: str
    code: int
    message: str
    hint: str

    @classmethod
    def of(cls, error: AdapterMergeError) -> ErrorRecord:
        """The record of one of our errors."""
        return cls(
            type=type(error).__name__,
            code=error.exit_code,
            message=error.message,
            hint=error.hint,
        )

    @classmethod
    def of_bug(cls, error: Exception, *, hint: str) -> ErrorRecord:
        """The record of an error that this program does not expect."""
        return cls(
            type=type(error).__name__,
            code=AdapterMergeError.exit_code,
            message=f"this is a bug in adapter-merge: {error}",
            hint=hint,
        )


Visible = Literal["public", "gated", "private"]


def visibility(access: Access) -> Visible:
    """The word for who may read a repository."""
    words: dict[Access, Visible] = {Access.OPEN: "public", Access.GATED: "gated"}
    return words.get(access, "private")


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """What stands on a Hub now.

    Attributes:
        repo, branch, commit: where; a branch of None is `main`, and the commit of a pull request is its head.
        url: where people look at it.
        pull_request: its number; None for a commit on the branch.
        tag: the commit's; None where it has none.
        since_tag: the newest tag of ours at which the weights were other ones; None where there is none.
        moved: bytes of files that were handed over.
        kept: bytes of the result that the Hub had, or copied by itself.
        found: whether it stood there already.
        visibility: who may read the repository.
        why: why it is so, for people; empty where there is nothing to say.
        title: the first line of the commit that was made; empty where it stood there already.
    """

    repo: str
    branch: str | None
    commit: str
    url: str
    pull_request: int | None
    tag: str | None
    since_tag: str | None
    moved: int
    kept: int
    found: bool
    visibility: Visible
    why: str = ""
    title: str = ""

    @classmethod
    def standing(
        cls, target: RemoteTarget, receipt: Receipt, commit: str, pull_request: int | None = None
    ) -> Published:
        """A result that stands in a target already, on its branch or in a pull request."""
        assert target.access is not None  # noqa: S101 - it stands there
        return cls(
            repo=target.repo,
            branch=target.branch,
            commit=commit,
            url=page_of(target.page, commit, pull_request),
            pull_request=pull_request,
            tag=next((name for name, at in sorted(target.tags.items()) if at == commit), None),
            since_tag=None,
            moved=0,
            kept=sum(file.size for file in receipt.files.values()),
            found=True,
            visibility=visibility(target.access),
        )


Status = Literal["merged", "unchanged", "failed", "skipped", "done"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """The whole run.

    Attributes:
        schema: version of this shape.
        status: `merged`, `unchanged`, `failed`, `skipped` (not tried, with its reason) or `done`
            (a command that merges nothing).
        to: the target as the user wrote it, or its default.
        layout: what the result holds.
        adapters, base: without digests where they were not read.
        changes: the plan's declared changes.
        left_behind: files of the sources that the result doesn't get.
        published: what was sent to a Hub, of a failure too, or stands there unchanged; None where nothing is.
        waits: the folder in which a result waits to be sent to a Hub; None where none does.
        relative_changes: see `Inspection`; how far each edited tensor moved.
        probe: what running the result has shown; None where nobody asked to run it.
        files: every file of the result with size and sha256; empty unless merged or unchanged.
        seconds: wall-clock seconds by stage, and `total`.
        peak_rss_bytes: largest resident memory of the process so far.
        reason: why it was merged, left as it is or not tried, where several merges are looked at.
        notes: what else is to be known of it, such as a base that has changed.
        error: None where all is well; with `merged` the result stands, and its report couldn't be written.
    """

    status: Status
    adapters: tuple[SourceRecord, ...] = ()
    base: SourceRecord | None = None
    to: str | None = None
    layout: LayoutName = "merged"
    recipe: str | None = None
    published: Published | None = None
    waits: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    left_behind: tuple[LeftBehind, ...] = ()
    findings: tuple[Finding, ...] = ()
    relative_changes: Mapping[str, float] = field(default_factory=dict)
    probe: ProbeRecord | None = None
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_rss_bytes: int = 0
    reason: str = ""
    notes: tuple[str, ...] = ()
    error: ErrorRecord | None = None
    schema: Literal[1] = 1

    @property
    def is_untouched(self) -> bool:
        """Whether a command that failed surely left the target as it was: nothing was sent, nor tried to be."""
        return self.published is None and "publish" not in self.seconds
