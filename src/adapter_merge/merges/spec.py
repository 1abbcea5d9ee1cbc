"""What merges.yaml says, as values: each key is an option of `run`, or says when a merge is due."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from adapter_merge.publishing import Delivery
from adapter_merge.request import AdapterRef, RepoRef, Settings

MOST_ENTRIES = 1_000
MOST_WATCHES = 50
_WHEN = r"settled|push|(?:tag|title):.+"
_TIME = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>s|min|h|d)")
_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9])?")
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


def _fits(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


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
    only_bases: Globs = Field(
        (),
        description="Patterns of base models that an adapter's config may choose, such as `org/*`; every other one is refused. "
        "Left out, any public base, any gated one in an entry, and a private one only of the same owner.",
    )

    @field_validator("only_bases")
    @classmethod
    def _are_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(pattern.strip() for pattern in value):
            message = "a pattern is empty"
            raise ValueError(message)
        return value

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
        return _fits(title, self.skip_commits)


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
    from_watch: bool = Field(
        False,
        description="Treat the adapter as one that a watch has found, see `only-bases`. The bot sets it for its Jobs.",
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


class Watch(Defaults):
    """All adapters of one owner, those that come later too, each with a target of its own."""

    owner: str = Field(description="The user or the organisation whose adapters are merged.")
    match: Globs = Field(
        ("*",),
        min_length=1,
        description="Patterns of the names of its repositories, without the owner; left out, all.",
    )
    besides: Globs = Field(
        (), alias="except", description="Patterns of names that are left out of these."
    )

    @field_validator("owner")
    @classmethod
    def _is_owner(cls, value: str) -> str:
        if _OWNER.fullmatch(value) is None:
            message = f"`{value}` is not the name of a user or an organisation"
            raise ValueError(message)
        return value

    def takes(self, name: str) -> bool:
        """Whether a repository of this name, without its owner, is meant."""
        return _fits(name, self.match) and not _fits(name, self.besides)

    def entry(self, adapter: AdapterRef) -> Entry:
        """The entry of one of its adapters."""
        said = self.model_fields_set - (Watch.model_fields.keys() - Defaults.model_fields.keys())
        values = {kebab(f): getattr(self, f) for f in said}
        return Entry.model_validate({**values, "adapter": (adapter,), "from-watch": True})


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
        (), max_length=MOST_ENTRIES, description="What is to be merged, a target each."
    )
    watch: tuple[Watch, ...] = Field(
        (),
        max_length=MOST_WATCHES,
        description="Owners whose adapters are all merged; those that an entry names keep to it.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.merges and not self.watch:
            message = "there is nothing in `merges`, and nothing in `watch`"
            raise ValueError(message)
        return self
