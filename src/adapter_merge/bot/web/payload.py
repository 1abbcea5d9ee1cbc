"""What the Hub tells a webhook, in the third version of its payload.

The Hub client's own model drops `headSha`; ours leaves out what nobody here may believe.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

_LONGEST = 500
_MOST_REFS = 10_000


class Malformed(ValueError):
    """A body that is no such payload."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, strict=True)


class Event(_Value):
    """What happened; `scope` is the kind of thing that it happened to."""

    action: str = Field(max_length=_LONGEST)
    scope: str = Field(max_length=_LONGEST)


class Repo(_Value):
    """Where it happened; `head_sha` is what the Hub saw as its head, which may be history by now."""

    type: str = Field(max_length=_LONGEST)
    name: str = Field(max_length=_LONGEST)
    head_sha: str | None = Field(None, max_length=_LONGEST)


class Moved(_Value):
    """A branch or a tag that came, moved or went; `new_sha` is None where it went."""

    ref: str = Field(max_length=_LONGEST)
    new_sha: str | None = Field(None, max_length=_LONGEST)


class Payload(_Value):
    """A delivery, as far as it is read."""

    event: Event
    repo: Repo
    updated_refs: list[Moved] = Field(default_factory=list, max_length=_MOST_REFS)


def payload_of(body: bytes) -> Payload:
    """Read a body; pydantic's own parser bounds its depth and takes UTF-8 alone.

    Raises:
        Malformed: it is no JSON, too deep, or says other things.
    """
    try:
        return Payload.model_validate_json(body)
    except ValidationError as e:
        first = e.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise Malformed("it is no JSON, or nested too deeply") from e
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise Malformed(f"it is no payload of a webhook: `{place}` is missing or wrong") from e
