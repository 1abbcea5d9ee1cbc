"""`adapter-merge check`: the checks on anybody's merge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapter_merge.cli import usage
from adapter_merge.cli.options import KeptOutput
from adapter_merge.request import (
    AdapterRef,
    ExpertLayout,
    ExpertOrientation,
    LayoutName,
    Probe,
    RepoRef,
    Settings,
)


def _as_run(field: str) -> str:
    """The description of a setting of `run` that means the same here."""
    return Settings.model_fields[field].description or ""


class Against(BaseModel):
    """What a folder is held against, and how findings are weighed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: RepoRef | None = Field(
        None, description="Base model; with it, untouched tensors are compared."
    )
    adapter: tuple[AdapterRef, ...] = Field(
        (), description="Adapter that was merged; with it, edited tensors are recomputed."
    )
    layout: LayoutName = Field(
        "merged",
        description="What a folder without a receipt is meant to be: `bundled` for a base with its adapter beside it.",
    )
    native: Annotated[bool, Parameter(negative="")] = Field(
        False,
        description="A folder without a receipt is meant to be in transformers' form of a model of colpali-engine.",
    )
    wanted: Annotated[tuple[str, ...], Parameter(name="--for", negative="")] = Field(
        (),
        description="Programs that must be able to load the folder, such as `vllm,tei`; without it, what they can't load only warns.",
    )
    probe: Probe = Field(
        "auto",
        description="Whether the folder is also run, against base and adapter: `auto` where it can be, "
        "`require` fails where it can't.",
    )
    probes: Path | None = Field(
        None,
        description="File with `texts`, `queries` and `images` to run it on, and what is `relevant`, as JSON or YAML; left out, our own.",
    )
    device: str = Field(
        "auto", description="Where it is run: `cpu`, `cuda` or `cuda:N`; `auto` is the CPU."
    )
    expert_layout: ExpertLayout = Field("auto", description=_as_run("expert_layout"))
    expert_orientation: ExpertOrientation = Field("auto", description=_as_run("expert_orientation"))
    allow_pickle: Annotated[bool, Parameter(negative="")] = Field(
        False, description="Convert an adapter's `adapter_model.bin`, as `run` does."
    )
    allow_remote_code: Annotated[bool, Parameter(negative="")] = Field(
        False, description="The base may bring Python code, as for `run`."
    )
    ignore: tuple[str, ...] = Field(
        (), description="Check codes whose failure only warns, such as `T010,C004`."
    )
    strict: tuple[str, ...] = Field(
        (), description="Check codes whose warning fails, such as `T010,C004`, or `all`."
    )

    @property
    def programs(self) -> frozenset[str]:
        """The names that `--for` lists, in one word or several."""
        names = (name.strip() for word in self.wanted for name in word.split(","))
        return frozenset(name for name in names if name)

    def settings(self) -> Settings:
        """The settings that a check depends on.

        Raises:
            RequestError: a code is not one.
        """
        try:
            return Settings.model_validate(self.model_dump(exclude={"base", "adapter", "wanted"}))
        except ValidationError as e:
            raise usage.explain_value(e, verb="check") from e


def check(
    folder: RepoRef,
    /,
    *,
    against: Annotated[Against, Parameter(name="*")] = Against(),
    output: Annotated[KeptOutput, Parameter(name="*")] = KeptOutput(),
) -> int:
    """Run the checks on a merged folder, whoever made it.

    Args:
        folder: The merged model.
        against: What it is held against.
        output: What is shown.
    """
    settings = against.settings()
    output.prepare(folder, against.base, *(adapter.ref for adapter in against.adapter))
    from adapter_merge import assemble

    talk = output.talk()
    report = assemble.check(
        folder,
        base=against.base,
        adapters=against.adapter,
        settings=settings,
        wanted=against.programs,
        reporter=talk,
    )
    talk.finished(report)
    return output.give(report)
