"""How a result is published, where its target is on a Hub; each field is an option of the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Mode = Literal["commit", "pr", "none"]
Visibility = Literal["auto", "private", "public"]

# What git takes for a name, and what no shell and no address has to quote.
_REF_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.+/-]*[A-Za-z0-9_+-])?")


class Publishing(BaseModel):
    """How a result gets to its target on a Hub."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    publish: Mode = Field(
        "commit",
        description="What a target on a Hub gets: one `commit`, one `pr` that proposes it, or `none`, "
        "where everything but the sending is done.",
    )
    branch: str | None = Field(
        None, description="Branch of the target that gets the commit; left out, `main`."
    )
    tag: str | None = Field(
        None, description="Tag of the commit; left out, `merge-` and the adapter's commit."
    )
    no_tag: bool = Field(False, description="Set no tag.")
    private: bool = Field(False, description="Make a new target private.")
    public: bool = Field(
        False,
        description="Make a new target public, or let others read in a standing one what is made of folders and private sources; "
        "left out, a new one is as open as base, adapters and its owner's default.",
    )
    gated: bool = Field(False, description="Let readers of a new target ask for access first.")

    @field_validator("branch", "tag")
    @classmethod
    def _is_name(cls, value: str | None) -> str | None:
        if value is not None and (_REF_NAME.fullmatch(value) is None or ".." in value):
            message = f"`{value}` is not a name for a branch or a tag"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _wishes_agree(self) -> Self:
        for one, other, both in (
            ("--private", "--public", self.private and self.public),
            ("--tag", "--no-tag", self.tag is not None and self.no_tag),
            ("--branch", "--publish pr", self.branch is not None and self.publish == "pr"),
            ("--tag", "--publish pr", self.tag is not None and self.publish == "pr"),
        ):
            if both:
                message = f"`{one}` and `{other}` exclude each other"
                raise ValueError(message)
        return self

    @property
    def visibility(self) -> Visibility:
        """Who may read a new target."""
        return "private" if self.private else "public" if self.public else "auto"


class Delivery(Publishing):
    """What a run does with a result whose target is on a Hub."""

    work_dir: Path | None = Field(
        None,
        description="Folder in which a result for a Hub is made; left out, it lies beside the Hub's cache.",
    )
