"""What the stages need from the outside, as protocols; the edges implement them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from adapter_merge.checkpoint import WeightFile
from adapter_merge.finding import Verdict
from adapter_merge.forecast import Cost, Forecast
from adapter_merge.plan import Plan
from adapter_merge.probed import Probed
from adapter_merge.receipt import Receipt
from adapter_merge.remote import (
    Commit,
    Model,
    Proposal,
    Publication,
    RemoteFile,
    RemoteTarget,
    RepoFacts,
    Sent,
    Topic,
)
from adapter_merge.report import Report
from adapter_merge.request import RepoRef
from adapter_merge.sources import Pinned, Sources


class Reporter(Protocol):
    """Shows a run to the person who waits for it; never part of the result."""

    def planned(self, plan: Plan, forecast: Forecast) -> None:
        """The plan is final."""
        ...

    def working(self, stage: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """A stage begins that handles `total` bytes; call the value with bytes done since."""
        ...

    def judged(self, verdict: Verdict) -> None:
        """All checks have run."""
        ...

    def finished(self, report: Report) -> None:
        """The run is over, well or not."""
        ...


class Encoder(Protocol):
    """Runs models: base with adapters, and what was made of them."""

    def cost(self, plan: Plan) -> Cost | None:
        """What that would take, guessed before anything is there; None where nothing would be run."""
        ...

    def probe(
        self, plan: Plan, sources: Sources, merged: Path, *, advance: Callable[[int], None]
    ) -> Probed:
        """Run both on the same inputs and measure; a model that can't be run is an answer, never an exception.

        `advance` gets bytes of the plan's tensors, all of them by the end.
        """
        ...


class Repository(Protocol):
    """A model repository that can't move: a folder, or one commit of a repository on a Hub.

    Paths are those of its subfolder where the ref names one.
    """

    @property
    def pinned(self) -> Pinned:
        """Where it is from; below its `root` lie the files that were asked for with `have`."""
        ...

    @property
    def files(self) -> Mapping[str, int]:
        """Every file, path -> bytes, whether or not it lies here."""
        ...

    def have(self, paths: Collection[str], advance: Callable[[int], None] | None = None) -> None:
        """See to it that these files lie below `root`, whole; `advance` gets their bytes.

        Raises:
            SourceError: one can't be had, or isn't what the listing promised.
        """
        ...

    def header(self, path: str) -> WeightFile:
        """The header of a safetensors file; the rest of it needn't lie here.

        Raises:
            SourceError: it can't be read, or is none.
        """
        ...

    def span(self, path: str, start: int, count: int) -> bytes:
        """Bytes of a file, from `start`; the file needn't lie here.

        Raises:
            SourceError: they can't be read.
        """
        ...

    def digest(self, path: str, weights: WeightFile | None = None) -> str:
        """What a recipe counts for a file; `weights` is its header where it holds the base's weights."""
        ...


class Hub(Protocol):
    """A Hub: where sources are pulled from, and results are published.

    Every method raises `HubUnavailable` where the Hub doesn't answer, `Gated` or `NotFound` where it says no.
    """

    def open(self, ref: RepoRef, *, hasty: bool = False) -> Repository:
        """Pin a ref and list its files; `hasty` where an answer is welcome, and not worth a wait.

        Raises:
            RevisionMissing: the repository has no such branch, tag or commit.
        """
        ...

    def target(self, ref: RepoRef, branch: str | None) -> RemoteTarget:
        """A target as it stands; one that isn't there yet is a value too."""
        ...

    def result(self, repo: str, commit: str) -> Repository:
        """What a target holds at one commit; who publishes there may see it, whoever reads the sources."""
        ...

    def files(self, repo: str, commit: str) -> Mapping[str, RemoteFile]:
        """Every file of a repository at one commit."""
        ...

    def receipt(self, repo: str, commit: str) -> Receipt | None:
        """The receipt at one commit; None where there is none that can be read."""
        ...

    def history(self, repo: str, revision: str) -> Iterator[Commit]:
        """The commits of a branch, tag or commit, newest first, read as they are asked for."""
        ...

    def pushes(self, repo: str, revision: str) -> Iterator[Commit]:
        """As `history`, of a source."""
        ...

    def models(self, owner: str) -> Iterator[Model]:
        """The model repositories of a user or an organisation that who reads may see; none where there is no such owner."""
        ...

    def tags(self, repo: str) -> Mapping[str, str]:
        """The tags of a source, name -> full commit."""
        ...

    def facts(self, repo: str, *, target: bool = False) -> RepoFacts | None:
        """What decides who reaches a source, or with `target` a target; None where it isn't there or can't be seen."""
        ...

    def authors(self, repo: str, commit: str, paths: Collection[str]) -> frozenset[str] | None:
        """The users who last changed these files of a source.

        None where the Hub does not say, and where no branch has the commit: anybody may push to a pull request.
        """
        ...

    def members(self, organization: str) -> frozenset[str] | None:
        """The members of an organization; None where there is none of that name, or the Hub does not list them."""
        ...

    def account(self) -> str | None:
        """The user whose token reads; None where there is no token, or it is not one of a user."""
        ...

    def proposals(self, repo: str) -> Iterator[Proposal]:
        """The pull requests of our own that aren't merged, newest first, looked at as they are asked for."""
        ...

    def require_write(self, target: RemoteTarget, *, pull_request: bool = False) -> None:
        """Ask whether this token may publish there, or propose it, before anything heavy.

        Raises:
            Refused: it may not.
        """
        ...

    def send(self, publication: Publication, advance: Callable[[int], None] | None = None) -> Sent:
        """Make one commit, once, whatever gets lost on the way, and read it back; `advance` gets bytes.

        Raises:
            Conflict: the branch has moved since `parent`.
            Refused: the Hub doesn't take it, or has something else than was sent.
        """
        ...

    def tag(self, repo: str, name: str, commit: str) -> None:
        """Tag a commit; done where the tag stands there already.

        Raises:
            Conflict: the tag stands at another commit.
        """
        ...

    def discuss(self, repo: str, title: str, revised: Callable[[str | None], Topic | None]) -> str:
        """Open the one discussion of that title, bring it up to date, or close it; the result is its page.

        `revised` gets what it says, None where there is none yet, and gives what it is to be; None leaves it alone.

        Raises:
            Refused: the token may not write there.
        """
        ...


class Unpickle(Protocol):
    """Makes safetensors of an adapter's weights that are a pickle, without running anything of it."""

    def __call__(self, pickle: Path, *, label: str) -> Path:
        """Where the safetensors file lies; `label` is what messages call the adapter.

        Raises:
            NotSafetensors: there is more in it than tensors, or it can't be read.
            MergeError: the result can't be written, or a library that this needs isn't there.
        """
        ...


# A Hub's client takes half a second to import: who merges folders never waits for it.
Connect: TypeAlias = Callable[[], Hub]


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """Where sources and targets are looked for, besides the folders that a request names.

    Attributes:
        cache: the folder of the Hub's cache on this machine; None where nothing says which.
        hub: connects, once it is needed; None where there is none to ask.
        work: the folder in which a result for a Hub is made, where the request doesn't say.
        unpickle: converts what a request allows; None where nothing does.
    """

    cache: Path | None = None
    hub: Connect | None = None
    work: Path | None = None
    unpickle: Unpickle | None = None

    def connected(self) -> Hub:
        """The Hub, where something was read there already."""
        assert self.hub is not None  # noqa: S101
        return self.hub()


class Silent:
    """A reporter that shows nothing."""

    def planned(self, plan: Plan, forecast: Forecast) -> None:
        """Show nothing."""

    def working(self, stage: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Show nothing."""
        return nullcontext(lambda _done: None)

    def judged(self, verdict: Verdict) -> None:
        """Show nothing."""

    def finished(self, report: Report) -> None:
        """Show nothing."""
