"""Every error that a user can meet: one class and one exit code for each kind of cause.

A message says what happened and to which thing, the hint what to do next. The class names are part of
the report (`error.type`), so they are never renamed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from adapter_merge.finding import Verdict


class AdapterMergeError(Exception):
    """The root of the tree; `exit_code` is what the process ends with."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RequestError(AdapterMergeError):
    """The request itself is wrong: an option, a spelling, two options that exclude each other."""

    exit_code = 2


class BaseNotNamed(RequestError):
    """Only an adapter names the base model, and such a base may be merged only where the operator names it."""


class SourceError(AdapterMergeError):
    """An adapter or a base can't be read."""

    exit_code = 3


class NotFound(SourceError):
    """A repository, a folder or a file that the merge needs isn't there."""


class Gated(SourceError):
    """The repository is gated, and the token has no access to it."""


class NotSafetensors(SourceError):
    """The weights exist, but not as safetensors."""


class Corrupt(SourceError):
    """A file is there and can't be what it claims to be."""


class RevisionMissing(SourceError):
    """The repository is there, the revision isn't."""


class UnsupportedError(AdapterMergeError):
    """The inputs are fine, but this program doesn't merge them."""

    exit_code = 4


class AdapterKind(UnsupportedError):
    """The adapter's method, or an option of it, can't be merged."""


class QuantisedBase(UnsupportedError):
    """The base's weights are quantised: a delta can't be added to them."""


class Layout(UnsupportedError):
    """The repository's layout leaves open which tensors count."""


class RemoteCode(UnsupportedError):
    """The base brings Python code of its own."""


class PlanError(AdapterMergeError):
    """Adapter and base don't fit together."""

    exit_code = 5


class Unclaimed(PlanError):
    """An adapter tensor that nothing would use."""


class MissingTarget(PlanError):
    """An adapted module whose tensor the base doesn't have."""


class ShapeMismatch(PlanError):
    """An adapter tensor whose shape doesn't fit its target."""


class Ambiguous(PlanError):
    """More than one way to join adapter and base."""


class MergeError(AdapterMergeError):
    """Computing or writing failed; nothing half-written is left behind."""

    exit_code = 6


class NotFinite(MergeError):
    """A NaN, an infinity, or a value that the target dtype can't hold."""


class OutOfMemory(MergeError):
    """The machine or its GPU has too little memory for the merge."""


class ShortRead(MergeError):
    """A source file ended, or changed, while it was read."""


class DiskFull(MergeError):
    """There is not enough room for the result."""


class CheckFailed(AdapterMergeError):
    """A check failed; the verdict says which."""

    exit_code = 7

    def __init__(self, message: str, *, hint: str, verdict: Verdict) -> None:
        super().__init__(message, hint=hint)
        self.verdict = verdict


class PublishError(AdapterMergeError):
    """The result is fine, and can't be put where it should go."""

    exit_code = 8


class Conflict(PublishError):
    """The target moved while the merge ran."""


class Refused(PublishError):
    """The target doesn't accept the result."""


class TargetNotOurs(PublishError):
    """The target holds something that this program didn't make."""


class ReportNotWritten(PublishError):
    """The command did its work, but the pages about it can't be written."""


class LicenceConflict(PublishError):
    """A licence forbids publishing the result there."""


class HubUnavailable(AdapterMergeError):
    """The Hub didn't answer; the one error that is safe to retry."""

    exit_code = 9


class GithubUnavailable(HubUnavailable):
    """GitHub didn't answer; as safe to retry."""


class SomeFailed(AdapterMergeError):
    """Some of several merges failed."""

    exit_code = 10


class Interrupted(AdapterMergeError):
    """The user stopped the run."""

    exit_code = 130
