"""What a user asks for, before anything was looked at: refs that may still move, and settings."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import CoreSchema

from adapter_merge.publishing import Delivery

_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_HUB_REF = re.compile(
    rf"(?P<repo>{_NAME}(?:/{_NAME})?)"
    r"(?:@(?P<revision>refs/(?:pr|convert)/[^/\s@]+|[^/\s@]+))?"
    r"(?:/(?P<subfolder>[^\s@]+))?"
)
_LONGEST_PART = 255  # bytes of a name, of file systems
# The Hub keeps these words from its owners' names.
_OTHER_KINDS = {"datasets": "a data set on the Hub", "spaces": "a Space on the Hub"}
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMGT]i?B)", re.IGNORECASE)
_UNITS = {"k": 1, "m": 2, "g": 3, "t": 4}
_CODE = re.compile(r"[A-Z]\d{3}")

Dtype = Literal["keep", "fp32", "bf16", "fp16"]
LayoutName = Literal["merged", "bundled"]
Probe = Literal["auto", "require", "off"]
ExpertLayout = Annotated[
    Literal["auto", "rank-major", "grouped-by-expert"],
    BeforeValidator(lambda value: value.replace("_", "-") if isinstance(value, str) else value),
]
ExpertOrientation = Literal["auto", "direct", "transposed"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Ref(_Value):
    """A value that is written as one word."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(core)]}


class RepoRef(_Ref):
    """A folder or a Hub repository as it was written; it may move until `resolve` pins it.

    A folder starts with `.`, `/` or `~`. Everything else is a Hub id:
    `gpt2`, `org/name[@revision][/sub/folder]`, or the same behind `hf://`.
    """

    text: str
    folder: Path | None = None
    repo: str | None = None
    revision: str | None = None
    subfolder: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return _read_ref(value) if isinstance(value, str) else value

    @property
    def name(self) -> str:
        """The last part: a folder's name or a repository's."""
        if self.folder is not None:
            return self.folder.expanduser().resolve().name
        return (self.subfolder or self.repo or "").rsplit("/", 1)[-1]


def _read_ref(text: str) -> dict[str, Any]:
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        # What Python makes of bytes that are no UTF-8; no receipt and no report could spell it.
        message = f"`{text.encode(errors='backslashreplace').decode()}` is not UTF-8"
        raise ValueError(message)
    if any(len(part.encode()) > _LONGEST_PART for part in text.split("/")):
        # Nothing has such a name, and to ask a file system for it is an error of its own.
        message = f"`{text[:80]}…` has a part of more than {_LONGEST_PART} bytes"
        raise ValueError(message)
    if text.startswith((".", "/", "~")):
        return {"text": text, "folder": Path(text)}
    bare = text.removeprefix("hf://")
    if (kind := _OTHER_KINDS.get(bare.partition("/")[0])) is not None and "/" in bare:
        message = (
            f"`{text}` is {kind}, and adapters, bases and results are models: write `org/name`, "
            f"or `./{bare}` for a folder"
        )
        raise ValueError(message)
    match = _HUB_REF.fullmatch(bare)
    if match is None:
        message = (
            f"`{text}` is neither a folder (`./name`, `/path`, `~/path`) "
            "nor a Hub id (`org/name[@revision][/sub/folder]`)"
        )
        raise ValueError(message)
    return {"text": text, **match.groupdict()}


class AdapterRef(_Ref):
    """One adapter and the factor that its scale is multiplied with: `ADAPTER[=WEIGHT]`."""

    ref: RepoRef
    weight: float = 1.0

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        head, _, tail = value.rpartition("=")
        try:
            weight = float(tail)
        except ValueError:
            return {"ref": value}
        return {"ref": head, "weight": weight} if head else {"ref": value}

    @field_validator("weight")
    @classmethod
    def _counts(cls, value: float) -> float:
        if not math.isfinite(value) or value == 0:
            message = f"a weight must be a finite number other than 0, not {value}"
            raise ValueError(message)
        return value


def size_of(text: str) -> int | None:
    """The bytes of a size such as `5GB`; None where it is none."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    unit = match["unit"].lower()
    base = 1024 if "i" in unit else 1000
    return int(float(match["number"]) * base ** _UNITS[unit[0]])


class BaseRule(_Value):
    """Which base models an adapter may choose by itself; merges.yaml sets it, and no option does.

    Attributes:
        only: patterns of ids; a base that only an adapter names has to match one. Empty: no such rule.
        place: where the adapter is named: on the command line, in an entry, or nowhere but a watch found it.
        read_from_adapter: whether the request's `base` was read from an adapter's config, not written by the operator.
    """

    only: tuple[str, ...] = ()
    place: Literal["command", "entry", "watch"] = "command"
    read_from_adapter: bool = False


class Settings(_Value):
    """Everything but the adapters; each field is an option of the command line."""

    base: RepoRef | None = Field(
        None,
        description="Base model, a folder or a Hub id; left out, the adapter's own `base_model_name_or_path` "
        "counts; `auto` takes the one that has its name and fits, here, beside the adapter, on the Hub or in its "
        "cache.",
    )
    to: RepoRef | None = Field(
        None,
        description="Where the result goes, a folder or a Hub id; left out, `./<adapter>-merged`, or `-bundled`, "
        "or `-hf` with `--native`.",
    )
    layout: LayoutName = Field(
        "merged",
        description="What the result holds: one set of `merged` weights, or `bundled`, the base's weights "
        "with the adapter beside them.",
    )
    native: bool = Field(
        False,
        description="Write a model of colpali-engine (`ColPali`, `ColQwen2`) in the form that transformers itself "
        "loads.",
    )
    bundle_as: str | None = Field(
        None,
        description="Id on the Hub, `ORG/NAME`, that a bundle in a folder will have; left out, the bundle is for "
        "where `--to` puts it.",
    )
    dtype: Dtype = Field("keep", description="Dtype of the floating-point tensors in the result.")
    max_shard_size: str = Field(
        "keep", description="Largest weight file, such as `5GB`; `keep` keeps the base's files."
    )
    device: str = Field(
        "auto",
        description="Where tensors are computed: `cpu`, `cuda` or `cuda:N`; `auto` is the CPU.",
    )
    workers: int | None = Field(
        None, ge=1, le=256, description="Threads that merge; left out, one a processor, at most 8."
    )
    allow_pickle: bool = Field(
        False,
        description="Convert an adapter's `adapter_model.bin`; tensors alone are read, by a process without tokens.",
    )
    allow_remote_code: bool = Field(
        False,
        description="Carry the Python code that the base's `auto_map` names; it is never run here. A base on a Hub "
        "has to be named with its full commit.",
    )
    expert_layout: ExpertLayout = Field(
        "auto",
        description="Order of the columns of `lora_B` for fused experts: `rank-major` (PEFT) or `grouped-by-expert` "
        "(Unsloth before zoo 2026.9.6); `auto` reads it from the adapter's config and weights.",
    )
    expert_orientation: ExpertOrientation = Field(
        "auto",
        description="Orientation of the delta of square fused experts: `direct` (`B @ A`) or `transposed` "
        "(`(B @ A).T`); `auto` reads it from shapes and `peft_version`.",
    )
    chat_template: Path | None = Field(
        None,
        description="File with the chat template of the result; left out, the sources' counts.",
    )
    generation_config: Literal["auto", "base"] = Field(
        "auto",
        description="`auto` adds the token that ends a turn of the chat template to the stop tokens; "
        "`base` keeps the base's file.",
    )
    compat: bool = Field(
        False,
        description="Write configs with the names that transformers 4.57, vLLM and TEI know.",
    )
    probe: Probe = Field(
        "auto",
        description="Whether the result is also proved by running it: `auto` where it can be, `require` fails where "
        "it can't.",
    )
    probes: Path | None = Field(
        None,
        description="File with `texts`, `queries` and `images` to run it on, and what is `relevant`, as JSON or YAML; left out, our own.",
    )
    card_body: str = Field(
        "adapter",
        description="Text of a first model card: the `adapter`'s own, `none`, or a Markdown file.",
    )
    ignore: tuple[str, ...] = Field(
        (), description="Check codes whose failure only warns, such as `T010,C004`."
    )
    strict: tuple[str, ...] = Field(
        (), description="Check codes whose warning fails, such as `T010,C004`, or `all`."
    )
    rebuild: bool = Field(
        False, description="Merge again where the target has a result of the same inputs already."
    )
    overwrite: bool = Field(
        False, description="Replace what stands in a target that this program did not make."
    )
    keep_failed: bool = Field(
        False, description="Keep the work folder of a run that failed a check."
    )

    @model_validator(mode="after")
    def _probes_are_used(self) -> Self:
        if self.probes is not None and self.probe == "off":
            message = "`--probes` says what to run it on, and `--probe off` that it isn't run"
            raise ValueError(message)
        return self

    @property
    def shard_bytes(self) -> int | None:
        """`max_shard_size` in bytes; None where the base's files are kept."""
        return None if self.max_shard_size == "keep" else size_of(self.max_shard_size)

    @field_validator("max_shard_size")
    @classmethod
    def _is_size(cls, value: str) -> str:
        if value != "keep" and not size_of(value):
            message = f"`{value}` is not a size such as `5GB` or `500MB`, nor `keep`"
            raise ValueError(message)
        return value

    @field_validator("bundle_as")
    @classmethod
    def _is_id(cls, value: str | None) -> str | None:
        if value is not None and re.fullmatch(rf"{_NAME}/{_NAME}", value) is None:
            message = f"`{value}` is not a Hub id such as `org/name`"
            raise ValueError(message)
        return value

    @field_validator("device")
    @classmethod
    def _is_device(cls, value: str) -> str:
        if re.fullmatch(r"auto|cpu|cuda(:\d+)?", value) is None:
            message = f"`{value}` is not `auto`, `cpu`, `cuda` or `cuda:N`"
            raise ValueError(message)
        return value

    @field_validator("ignore", "strict")
    @classmethod
    def _are_codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        words = [word.strip() for v in value for word in v.split(",")]
        codes = tuple(word if word == "all" else word.upper() for word in words)
        for code in codes:
            if code != "all" and _CODE.fullmatch(code) is None:
                message = (
                    f"`{code}` is not a check code such as `T003`; `adapter-merge codes` lists them"
                )
                raise ValueError(message)
        return codes

    @field_validator("ignore")
    @classmethod
    def _not_all(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "all" in value:
            message = "`all` can't be ignored; name the codes"
            raise ValueError(message)
        return value


class Request(Settings, Delivery):
    """One merge: adapters onto a base, into a target."""

    adapters: tuple[AdapterRef, ...] = Field(
        min_length=1,
        description="Adapters, folders or Hub ids, in the order in which their deltas are added.",
    )

    base_rule: SkipJsonSchema[BaseRule] = Field(BaseRule(), exclude=True)

    @model_validator(mode="after")
    def _several_need_a_target(self) -> Self:
        if len(self.adapters) > 1 and self.to is None:
            message = "several adapters need `--to`: no name follows from them"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _bundle_has_one_adapter_as_it_is(self) -> Self:
        if self.layout == "merged":
            if self.bundle_as is not None:
                message = "`--bundle-as` is for `--layout bundled`"
                raise ValueError(message)
            return self
        if self.native:
            message = "a bundle has the base's own form: `--native` is for `--layout merged`"
            raise ValueError(message)
        if len(self.adapters) > 1:
            message = "a bundle has one adapter: loaders look for one; merge several with `--layout merged`"
            raise ValueError(message)
        if self.bundle_as is not None and self.target.repo not in {None, self.bundle_as}:
            message = f"`--bundle-as {self.bundle_as}` leads away from the target `{self.target.repo}`: leave it out"
            raise ValueError(message)
        if self.adapters[0].weight != 1:
            message = "the adapter of a bundle keeps its own scale: loaders know no weight"
            raise ValueError(message)
        if self.dtype != "keep" or self.max_shard_size != "keep":
            message = "a bundle has the base's own weight files: `--dtype` and `--max-shard-size` don't apply"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _publishes_on_a_hub(self) -> Self:
        asked = self.model_fields_set & Delivery.model_fields.keys()
        wished = [f for f in sorted(asked) if getattr(self, f) != Delivery.model_fields[f].default]
        if wished and self.target.folder is not None:
            flag = f"--{wished[0].replace('_', '-')}"
            message = f"`{flag}` is for a target on a Hub, and `{self.target.text}` is a folder"
            raise ValueError(message)
        return self

    @property
    def bundle_id(self) -> str | None:
        """The id on the Hub at which a bundle finds itself; None for one that stays in its folder."""
        return self.bundle_as or self.target.repo

    @property
    def target(self) -> RepoRef:
        """`to`, or `./<adapter>-merged` (`-bundled`, `-hf`) where it was left out."""
        if self.to is not None:
            return self.to
        text = f"./{self.adapters[0].ref.name}-{'hf' if self.native else self.layout}"
        return RepoRef(text=text, folder=Path(text))
