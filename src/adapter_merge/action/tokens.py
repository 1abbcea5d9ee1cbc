"""The tokens of a step: hidden in the log, put where the Hub's client looks, and nowhere else any more."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from adapter_merge.github.context import Context

_INPUTS = {"INPUT_HF_TOKEN": "HF_TOKEN", "INPUT_HF_WRITE_TOKEN": "HF_WRITE_TOKEN"}
_GITHUB = "INPUT_GITHUB_TOKEN"
# What a workflow may have set for the whole job.
_OTHERS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_WRITE_TOKEN", "GITHUB_TOKEN", "GH_TOKEN")
_KEYLESS = "HF_OIDC_RESOURCE"
_PAGE = "https://huggingface.co/settings/tokens"
_WITHOUT = (
    "What needs no token works there: `command: plan` for what anybody may read, and `command: sync`, which only plans on a "
    "pull request. Merge on `push`, `schedule` or `workflow_dispatch`"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """What a step may use; `secrets` is all of it, to be hidden."""

    github: str | None = field(repr=False)
    has_hub: bool
    secrets: tuple[str, ...] = field(repr=False)


def take_tokens(environment: MutableMapping[str, str]) -> Tokens:
    """Move the inputs' tokens to where the Hub's client looks for them; GitHub's is kept here alone."""
    for name, place in _INPUTS.items():
        if token := environment.pop(name, "").strip():
            environment[place] = token
    github = environment.pop(_GITHUB, "").strip()
    found = {environment[name].strip() for name in _OTHERS if environment.get(name, "").strip()}
    for name in (n for n in _OTHERS if not environment.get(n, "").strip()):
        environment.pop(name, None)  # an empty one isn't none to every client
    has_hub = any(environment.get(n) for n in (*_OTHERS[:3], _KEYLESS)) or _logged_in(environment)
    secrets = tuple(sorted(found | ({github} if github else set())))
    return Tokens(github=github or None, has_hub=has_hub, secrets=secrets)


def _logged_in(environment: MutableMapping[str, str]) -> bool:
    """Whether the runner's user has signed in with `hf auth login`."""
    home = environment.get("HF_HOME") or "~/.cache/huggingface"
    return Path(environment.get("HF_TOKEN_PATH") or f"{home}/token").expanduser().is_file()


def why_none(context: Context) -> str:
    """Why a step has no token for the Hub, and what to do."""
    if why := context.why_no_secrets():
        return f"There was no token: {why}. {_WITHOUT}."
    return (
        "There was no token: the input `hf-token` is empty, as it is where the secret that it names doesn't exist. "
        f"Make a token at `{_PAGE}`, save it as the secret `HF_TOKEN` of this repository, and write "
        "`hf-token: ${{ secrets.HF_TOKEN }}`."
    )
