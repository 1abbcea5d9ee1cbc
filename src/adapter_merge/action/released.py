"""A release of the workflow's own repository that tells of a result."""

from __future__ import annotations

from adapter_merge.action.result import Kept
from adapter_merge.errors import RequestError
from adapter_merge.github.context import Context
from adapter_merge.kept import PAGE


def released(kept: Kept, show: str, context: Context, token: str | None) -> str:
    """Make it, or bring it up to date; the result is its page, or nothing where there is no result to tell of.

    Raises:
        RequestError: there is no token, or no repository.
        GithubUnavailable: GitHub doesn't answer; a rerun goes on from what is there.
        Refused: the token may not, or a release that isn't ours stands there.
    """
    if kept.stands is None or show not in {"draft", "publish"}:
        return ""
    if not token or not context.repository:
        raise RequestError(
            "input `release` needs the input `github-token` in a workflow's run",
            hint="Leave `github-token` as it is, and give the job `permissions: contents: write`.",
        )
    from adapter_merge.github.edge import connect
    from adapter_merge.github.releases import release, wanted

    page = kept.folder / PAGE
    assets = [path for path in (kept.receipt, kept.sums, page) if path is not None]
    wish = wanted(
        kept.report,
        assets,
        commit=context.sha,
        show="draft" if show == "draft" else "publish",
        run=context.url,
    )
    return release(connect(context.repository, api=context.api_url, token=token), wish)
