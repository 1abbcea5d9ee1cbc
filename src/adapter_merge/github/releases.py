"""A GitHub release of a result: made as a draft, filled, and only then shown; a rerun brings it up to date.

What people write into the notes outside of our block stays; a release that isn't ours is left alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

from github.GitRelease import GitRelease
from github.GitReleaseAsset import GitReleaseAsset

from adapter_merge.card.markdown import quiet
from adapter_merge.errors import Refused
from adapter_merge.github.edge import Edge
from adapter_merge.github.notes import notes, title
from adapter_merge.github.summary import fitted
from adapter_merge.kept import PAGE
from adapter_merge.report import Report

BEGIN, END = "<!-- adapter-merge:begin -->", "<!-- adapter-merge:end -->"
_NEEDS = "contents: write"
_MOST = 120_000  # bytes of notes; GitHub takes 125,000 characters
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+|\.{2,}")  # git takes no two dots either


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A release.

    Attributes:
        tag: what tells it from others; GitHub makes the tag at `commit` when the release is published.
        block: our part of the notes.
        assets: files to hang on, each known by its name.
        stay: names of files that are left as they hang there, however they differ.
    """

    tag: str
    commit: str
    title: str
    block: str
    assets: tuple[Path, ...]
    show: Literal["draft", "publish"]
    stay: frozenset[str] = frozenset()


def wanted(
    report: Report,
    assets: Iterable[Path],
    *,
    commit: str,
    show: Literal["draft", "publish"],
    run: str = "",
) -> Wanted:
    """The release of a result: equal results have the same tag."""
    name = _UNSAFE.sub("-", (report.to or "merged").strip("./~")).strip("-.")[:100]
    return Wanted(
        tag=f"{name}-{(report.recipe or '')[:7]}".strip("-"),
        commit=commit,
        title=title(report),
        block=fitted(map(quiet, notes(report, run=run)), _MOST).strip(),
        assets=tuple(assets),
        show=show,
        # The page of the run that made the result is the one to keep.
        stay=frozenset({PAGE}) if report.status == "unchanged" else frozenset(),
    )


def release(edge: Edge, wish: Wanted) -> str:
    """Make it, or bring it up to date; the result is its page.

    A release that was published is never made a draft again.

    Raises:
        GithubUnavailable: GitHub doesn't answer; a rerun goes on from what is there.
        Refused: the token may not, or a release that isn't ours has that tag.
    """
    thing = f"the release `{wish.tag}`"

    def look() -> GitRelease | None:
        # A draft has no tag yet: only the list has it.
        found = edge.listed(edge.repo.get_releases())
        return next((r for r in found if r.tag_name == wish.tag), None)

    def make() -> GitRelease:
        return edge.repo.create_git_release(
            wish.tag,
            wish.title,
            _around("", wish.block),
            draft=True,
            target_commitish=wish.commit,
        )

    found = edge.settled(look, make, thing, _NEEDS)
    edge.own(found.url)
    if BEGIN not in (found.body or ""):
        raise Refused(
            f"{thing} is there, and this program didn't make it",
            hint=f"Rename or delete it: {found.html_url}.",
        )
    for path in wish.assets:
        _hang(edge, found, path, stays=path.name in wish.stay)
    return _brought(edge, found, wish, thing).html_url


def _brought(edge: Edge, found: GitRelease, wish: Wanted, thing: str) -> GitRelease:
    body = _around(found.body.replace("\r\n", "\n"), wish.block)
    draft = found.draft and wish.show == "draft"
    if (found.body.replace("\r\n", "\n"), found.draft) == (body, draft):
        return found
    name = found.name or wish.title

    def edit() -> GitRelease:
        return found.update_release(name, body, draft=draft, prerelease=found.prerelease)

    return edge.asked(edit, thing, _NEEDS)


def _around(body: str, block: str) -> str:
    """The notes with our block in its place, or behind what stands there."""
    ours = f"{BEGIN}\n{block}\n{END}"
    before, begin, rest = body.partition(BEGIN)
    if not begin:
        return f"{body}\n\n{ours}".strip()
    _, end, after = rest.partition(END)
    return f"{before}{ours}{after if end else ''}"


def _hang(edge: Edge, found: GitRelease, path: Path, *, stays: bool) -> None:
    """Hang a file on a release, in place of one with its name that has other bytes and doesn't stay."""
    content = path.read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    thing = f"`{path.name}` of the release `{found.tag_name}`"
    edge.own(found.upload_url.partition("{")[0])

    def look() -> GitReleaseAsset | None:
        named = (a for a in edge.listed(found.get_assets()) if a.name == path.name)
        standing = next(named, None)
        if standing is None:
            return None
        if standing.state == "uploaded" and (stays or _is(standing, digest, content)):
            return standing
        edge.own(standing.url)
        standing.delete_asset()
        return None

    def make() -> GitReleaseAsset:
        return found.upload_asset_from_memory(
            BytesIO(content), len(content), path.name, content_type="application/octet-stream"
        )

    edge.settled(look, make, thing, _NEEDS)


def _is(standing: GitReleaseAsset, digest: str, content: bytes) -> bool:
    """Whether an asset has these bytes; an older GitHub gives no digest, and what it has is replaced."""
    return standing.size == len(content) and standing.digest == digest
