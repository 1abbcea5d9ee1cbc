"""What a step of a workflow asks for: the inputs of `action.yml`, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from adapter_merge.action.spoken import as_inputs
from adapter_merge.errors import RequestError
from adapter_merge.merges import MERGES
from adapter_merge.publishing import Publishing
from adapter_merge.request import AdapterRef, RepoRef, Request, Settings

Command = Literal["run", "plan", "check", "verify", "publish", "sync"]
Release = Literal["none", "draft", "publish"]
Place = Literal["none", "comment", "status", "check", "discussion"]
_Model = TypeVar("_Model", bound=BaseModel)

# The names that aren't their field's: a list is one adapter mostly, and `for` is a word of Python's.
_INPUTS = {"adapters": "adapter", "wanted": "for"}
_WORDS = (
    "ignore",
    "strict",
    "wanted",
    "tell",
)  # several in one input, with spaces, commas or lines between them
_LONGEST = 200  # characters of a value in a message

# What a step's inputs can set.
REQUEST_FIELDS = {name: f for name, f in Request.model_fields.items() if name != "base_rule"}
_CHECKED = (
    *("adapters", "base", "layout", "native", "probe", "probes", "device"),
    *(
        "expert_layout",
        "expert_orientation",
        "allow_pickle",
        "allow_remote_code",
        "ignore",
        "strict",
    ),
)


class Step(BaseModel):
    """The inputs that aren't the request's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: Command = Field(
        "run",
        description="What is done: `run` merges, `plan` is its dry run, `check` and `verify` look at a result, `publish` sends one, "
        "`sync` brings all targets to what a list says.",
    )
    folder: RepoRef | None = Field(
        None,
        description="What `check`, `verify` and `publish` are about: a folder, or for `verify` a Hub id too.",
    )
    wanted: tuple[str, ...] = Field(
        (),
        description="Programs that must be able to load what `check` looks at, such as `vllm,tei`.",
    )
    merges: Path = Field(
        MERGES, description="The list of adapters and targets that `sync` works on."
    )
    only: str | None = Field(
        None,
        description="Entries that `sync` works on: those whose target or adapter is like this, such as `org/adapter` or `org/*`.",
    )
    dry_run: bool = Field(
        False,
        description="Let `sync` plan what is due, and write nothing; on a pull request it always does.",
    )
    matrix: bool = Field(
        False,
        description="Let `sync` merge nothing, and give what is due as the output `matrix`: a job of a workflow for each, 256 at most.",
    )
    release: Release = Field(
        "none",
        description="Whether a result is also told of in a release of this repository: as a `draft`, or published; it needs `contents: write`.",
    )
    tell: tuple[Place, ...] = Field(
        ("none",),
        description="Where else it is told what came of it, one or several of `comment` (on the pull request that started the run; it needs "
        "`pull-requests: write`), `status` and `check` (at the run's commit; `statuses: write`, `checks: write`), and `discussion` (in "
        "the adapter's repository on the Hub while its merge fails; `hf-token` must be one that may write there).",
    )
    report: Path | None = Field(
        None,
        description="Folder that gets the report's pages, the receipt and `SHA256SUMS`; left out, one of the runner's that is gone after the job.",
    )

    @field_validator("tell")
    @classmethod
    def _alone(cls, places: tuple[Place, ...]) -> tuple[Place, ...]:
        if "none" in places and len(set(places)) > 1:
            message = "`none` excludes every other place"
            raise ValueError(message)
        return places


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A step's inputs, read: `given` holds those fields of the request that have a value."""

    step: Step
    given: Mapping[str, Any]

    @property
    def asks_a_hub(self) -> bool:
        """Whether anything that the step names is on a Hub."""
        named = [
            *self.given.get("adapters", ()),
            *(self.given.get(n, "./") for n in ("base", "to")),
        ]
        folder = self.step.folder
        on_a_hub = folder is not None and folder.repo is not None
        return on_a_hub or self.step.command == "sync" or not all(n[0] in "./~" for n in named)

    def request(self) -> Request:
        """The request of `run` and `plan`.

        Raises:
            RequestError: the inputs don't make one.
        """
        if "adapters" not in self.given:
            raise RequestError(
                f"input `adapter` is empty, and `command: {self.step.command}` needs it",
                hint="Name a folder or a Hub id: `adapter: org/adapter`.",
            )
        return _valid(Request, self.given)

    def settings(self) -> Settings:
        """What the inputs say besides adapters and publishing."""
        known = Settings.model_fields
        return _valid(Settings, {n: v for n, v in self.given.items() if n in known})

    def adapters(self) -> tuple[AdapterRef, ...]:
        """The adapters that `check` holds a folder against; there may be none."""
        wanted = {"adapters": self.given.get("adapters", ["./none"])}
        found = _valid(Request, {**wanted, "to": "./none"}).adapters
        return found if "adapters" in self.given else ()

    def sending(self) -> Publishing:
        """How `publish` sends."""
        known = Publishing.model_fields
        return _valid(Publishing, {n: v for n, v in self.given.items() if n in known})

    def to(self) -> RepoRef:
        """Where `publish` sends it.

        Raises:
            RequestError: nothing is named.
        """
        found = self.settings().to
        if found is None:
            raise RequestError(
                "input `to` is empty, and `command: publish` needs it",
                hint="Name a repository on the Hub: `to: org/name`.",
            )
        return found

    def folder(self) -> RepoRef:
        """What the step is about.

        Raises:
            RequestError: nothing is named.
        """
        if self.step.folder is None:
            raise RequestError(
                f"input `folder` is empty, and `command: {self.step.command}` needs it",
                hint="Name what a merge made: `folder: ./merged`.",
            )
        return self.step.folder


def input_name(field: str) -> str:
    """A field's input."""
    return _INPUTS.get(field, field).replace("_", "-")


def variable(field: str) -> str:
    """The variable in which `action.yml` hands over a field's input."""
    return f"INPUT_{input_name(field).replace('-', '_').upper()}"


def read_step(environment: Mapping[str, str]) -> Asked:
    """The step's inputs; an empty one isn't given, and its default counts.

    Raises:
        RequestError: a value isn't one, or an input has no meaning for the command; it names the input.
    """
    step = _valid(Step, _given(Step, environment))
    given = _given(Request, environment)
    taken = _taken(step.command)
    for field in sorted({*given, *step.model_fields_set} - taken):
        raise RequestError(
            f"input `{input_name(field)}` means nothing to `command: {step.command}`",
            hint="Take it away, or choose the command that it belongs to.",
        )
    return Asked(step=step, given=given)


def _taken(command: Command) -> frozenset[str]:
    """The fields that a command looks at."""
    own: tuple[str, ...]
    match command:
        case "run":
            own = (*REQUEST_FIELDS, "release")
        case "plan":
            own = tuple(REQUEST_FIELDS)
        case "check":
            own = (*_CHECKED, "folder", "wanted")
        case "verify":
            own = ("folder",)
        case "publish":
            own = (*Publishing.model_fields, "folder", "to", "overwrite", "release")
        case "sync":
            own = ("merges", "only", "dry_run", "matrix", "rebuild")
    return frozenset((*own, "command", "report", "tell"))


def _given(model: type[BaseModel], environment: Mapping[str, str]) -> dict[str, Any]:
    """The values that differ from their defaults, which `action.yml` hands over too."""
    found = {name: environment.get(variable(name), "").strip() for name in model.model_fields}
    return {
        name: _parts(name, text)
        for name, text in found.items()
        if text and not _is_default(text, model.model_fields[name].default)
    }


def _is_default(text: str, default: object) -> bool:
    return text.lower() == "false" if default is False else text == written(default)


def written(default: object) -> str:
    """A field's default as `action.yml` has it; empty where an empty input means it."""
    words = default if isinstance(default, tuple) else (default,)
    return " ".join(word for word in words if isinstance(word, str))


def _parts(field: str, text: str) -> str | list[str]:
    if field == "adapters":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if field in _WORDS:
        return text.replace(",", " ").split()
    return text.strip()


def _valid(model: type[_Model], values: Mapping[str, Any]) -> _Model:
    try:
        return model.model_validate(values)
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        name = input_name(str(first["loc"][0])) if first["loc"] else ""
        subject = f"input `{name}`: " if name else ""
        raise RequestError(
            f"{subject}{_sentence(first)}",
            hint="The inputs stand in `action.yml`, with the values that they take.",
        ) from e


def _sentence(error: Any) -> str:
    value = str(error["input"])[:_LONGEST]
    match error["type"]:
        case "value_error":
            return as_inputs(str(error["ctx"]["error"]))
        case "literal_error":
            known = str(error["ctx"]["expected"]).replace("'", "`")
            return f"`{value}` is not one of {known}"
        case "bool_parsing":
            return f"`{value}` is neither `true` nor `false`"
        case "int_parsing" | "float_parsing":
            return f"`{value}` is not a number"
        case _:
            return f"`{value}`: {error['msg']}"


def described(field: str) -> str:
    """What an input says: its field's sentence, with options as inputs."""
    known = {**REQUEST_FIELDS, **Step.model_fields}
    if field == "adapters":
        return (
            "Adapter, a Hub id (`org/name[@revision][/sub/folder]`) or a folder; several stand on a line each, in the order in which "
            "they are added, and `org/name=0.5` halves a scale."
        )
    return as_inputs(str(known[field].description))
