"""The Hub's tokens that a bot's merges need elsewhere, and the variables whose values nobody may read."""

from __future__ import annotations

from collections.abc import Mapping

READ, WRITE = "HF_TOKEN", "HF_WRITE_TOKEN"
SECRETS = (READ, WRITE, "HUGGING_FACE_HUB_TOKEN")


def of_the_hub(environ: Mapping[str, str]) -> dict[str, str]:
    """Tokens by the variables that whoever merges finds them in: the environment's, and for reading what a login has kept."""
    from huggingface_hub import get_token

    found = {READ: environ.get(READ) or get_token(), WRITE: environ.get(WRITE)}
    return {name: token for name, token in found.items() if token}
