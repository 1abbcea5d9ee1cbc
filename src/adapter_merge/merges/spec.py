"""What merges.yaml says, as values: each key is an option of `run`, or says when a merge is due."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from adapter_merge.publishing import Delivery
from adapter_merge.request import AdapterRef, RepoRef, Request, Settings

MOST_ENTRIES = 1_000
_WHEN = r"settled|push|(?:tag|title):.+"
_TIME = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>s|min|h|d)")
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


def kebab(field: str) -> str:
    """A field's key."""
    return field.replace("_", "-")


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None and value not in {0, "0"}:
        message = f"`{value}` is not a time such as `15min`, `2h`, `1d` or `0`"
        raise ValueError(message)
    return timedelta(**{_UNITS[match["unit"]]: float(match["number"])}) if match else timedelta()


def _list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration, json_schema_input_type=str),
]
Globs = Annotated[tuple[str, ...], BeforeValidator(_list, json_schema_input_type=str | list[str])]
Codes = Annotated[tuple[str, ...], BeforeValidator(_list, json_schema_input_type=str | list[str])]


class Terms(BaseModel):
    """When a merge is due, and what it follows."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=kebab)

    when: str = Field(
        "settled",
        pattern=f"^(?:{_WHEN})$",
        description="Which commit of the adapter is merged: its head once it is `settled`, its head at every `push`, "
        "or the newest one with a tag (`tag:v*`) or a title (`title:End of training*`) like this.",
    )
    settle: Duration = Field(
        timedelta(minutes=15),
        json_schema_extra={"default": "15min"},
        description="How long a head must have stood still to count as settled, such as `15min`, `2h` or `0`.",
    )
    skip_commits: Globs = Field(
        ("Training in progress*",),
        description="Titles of commits that aren't merged, unless one of them has been the head for a day; "
        "for `settled` and `push`.",
    )
    follow_base: bool = Field(
        False,
        description="Merge again when the base has changed; otherwise the base of the result that stands is kept, "
        "and the report says that it has changed.",
    )

    @property
    def kind(self) -> Literal["settled", "push", "tag", "title"]:
        """What `when` goes by."""
        kind = self.when.partition(":")[0]
        return {"push": "push", "tag": "tag", "title": "title"}.get(kind, "settled")  # type: ignore[return-value]

    @property
    def glob(self) -> str:
        """The pattern of tags or titles."""
        return self.when.partition(":")[2]

    def skips(self, title: str) -> bool:
        """Whether commits with this title aren't merged."""
        return any(fnmatchcase(title, glob) for glob in self.skip_commits)


class Defaults(Terms, Settings, Delivery):
    """What holds for every entry that doesn't say otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=kebab)

    to: str | None = Field(  # type: ignore[assignment]
        None,
        description="Where the result goes; `{owner}` and `{name}` are those of the adapter's repository, as in "
        "`{owner}/{name}-merged`.",
    )
    ignore: Codes = Settings.model_fields["ignore"]  # type: ignore[assignment]
    strict: Codes = Settings.model_fields["strict"]  # type: ignore[assignment]


class Entry(Defaults):
    """One target, and the adapters that are merged into it."""

    adapter: Annotated[
        tuple[AdapterRef, ...],
        BeforeValidator(_list, json_schema_input_type=str | list[AdapterRef]),
    ] = Field(
        min_length=1,
        description="The adapter, or a list of them in the order in which their deltas are added: `org/name`, "
        "`org/name@revision`, `org/name/sub/folder`, each with `=WEIGHT` behind it where its scale is multiplied.",
    )
    supersedes: str | None = Field(
        None,
        description="A repository that the target takes the place of: its card says so with `new_version`.",
    )

    @field_validator("supersedes")
    @classmethod
    def _is_repository(cls, value: str | None) -> str | None:
        if value is not None and "/" not in (RepoRef.model_validate(value).repo or ""):
            message = f"`{value}` is not a repository such as `org/name`"
            raise ValueError(message)
        return value


class Merges(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=kebab)

    defaults: Defaults = Field(
        default_factory=Defaults, description="Keys that hold for every entry without them."
    )
    bases: dict[str, RepoRef] = Field(
        default_factory=dict,
        description="The base of adapters that write another one: pattern of what they write -> base. "
        "The first that fits counts; what names no base is the empty text.",
    )
    merges: tuple[Entry, ...] = Field(
        min_length=1, max_length=MOST_ENTRIES, description="What is to be merged, a target each."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """One entry with the defaults in it, ready to be run.

    Attributes:
        number: its place in the file, from 1.
        request: its adapters as they are written, which may still move.
        bases: see `Merges`.
        supersedes: the repository that the target takes the place of.
    """

    number: int
    request: Request
    terms: Terms
    bases: Mapping[str, RepoRef]
    supersedes: str | None

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.request.target.text

    def fits(self, glob: str) -> bool:
        """Whether a pattern names its target or one of its adapters."""
        names = (self.label, *(a.ref.text for a in self.request.adapters))
        return any(fnmatchcase(name, glob) for name in names)

    def again(self) -> Wanted:
        """The same, made anew where it stands already."""
        return replace(self, request=self.request.model_copy(update={"rebuild": True}))

    def mapped_base(self, written: str) -> RepoRef | None:
        """The base for what an adapter writes; None where no pattern fits."""
        return next((ref for glob, ref in self.bases.items() if fnmatchcase(written, glob)), None)


def options(entry: Defaults) -> dict[str, Any]:
    """The options of `run` that were written, by field."""
    known = (Settings.model_fields.keys() | Delivery.model_fields.keys()) - {"to"}
    return {f: getattr(entry, f) for f in entry.model_fields_set & known}
