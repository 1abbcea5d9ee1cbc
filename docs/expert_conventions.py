"""The table of conventions for LoRA on the experts of a mixture; tests merge every case that a row names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

INTRODUCTION = (
    "## Experts of a mixture",
    "",
    (
        "A LoRA on fused experts, a parameter (experts, d1, d2), keeps the factors of all experts in two tensors. Programs write them in "
        "several conventions, and neither names nor shapes tell all of them apart:"
    ),
    "",
    (
        "- **Layout**: the order of the columns of `lora_B`. Column `k * experts + e` belongs to expert `e` in `rank-major`, column "
        "`e * rank + k` in `grouped-by-expert`. A marker in `adapter_config.json` decides; without one the columns themselves, as those of one "
        "expert are alike. `--expert-layout` overrides both."
    ),
    (
        "- **Orientation**: an expert's delta is `B @ A` (`direct`) or `(B @ A).T` (`transposed`). The shapes decide; for a square "
        "parameter another parameter of the same module, else `peft_version`. `--expert-orientation` answers where these are not certain."
    ),
    "",
    (
        "`plan`, the receipt (`experts`) and the card name the reading and what decided on it. `T015` finds a merge that used another reading. "
        "The proof builds its reference under the same reading. For this reason `plan` downloads the weights of an adapter of fused experts."
    ),
    "",
    "| written by | in the file | result |",
    "|---|---|---|",
)


@dataclass(frozen=True, kw_only=True)
class Convention:
    """One row.

    Attributes:
        program: who writes such adapters.
        content: what the file holds.
        result: what happens, in Markdown.
        merged, refused: the tests' cases that are merged, and those that are refused.
    """

    program: str
    content: str
    result: str
    merged: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


CONVENTIONS = (
    Convention(
        program="PEFT from 0.19.1 on; axolotl, ms-swift, NeMo AutoModel and SkyRL with `target_parameters`",
        content="rank-major; direct, transposed where the class has `is_transposed`",
        result="merged",
        merged=(
            "PEFT 0.21.2, shapes differ",
            "PEFT 0.19.1, square",
            "PEFT 0.21.2, square",
            "no trace",
            "no trace, structured",
        ),
    ),
    Convention(
        program="PEFT 0.17 to 0.19.0",
        content="rank-major; transposed (0.19.0: direct where the class has `is_transposed`)",
        result="merged",
        merged=(
            "PEFT 0.18.1, shapes differ",
            "PEFT 0.18.1, square",
            "PEFT 0.19.0, square",
            "PEFT 0.18.2.dev0, square",
            "granite of transformers 5, PEFT 0.19.0",
            "granite of transformers 4, PEFT 0.18.1",
            "gpt-oss, PEFT 0.18.1",
            "openai_privacy_filter, PEFT 0.19.0",
            "openai_privacy_filter, PEFT 0.21.2",
        ),
    ),
    Convention(
        program="any, with a square parameter and another one of the same module that is not square",
        content="orientation as the other parameter shows",
        result="merged; a setting that contradicts the shapes is an error",
        merged=(
            "a sibling tells, against the version",
            "a sibling tells, without a version",
            "granite of transformers 4, a sibling tells",
            "gpt-oss, PEFT 0.19.0 on transformers 5, a sibling tells",
            "gpt-oss, PEFT 0.20.0 on transformers 4, a sibling tells",
            "gpt-oss, PEFT 0.20.0 on transformers 5, a sibling tells",
        ),
        refused=("stated against a sibling",),
    ),
    Convention(
        program="square parameters alone, with no `peft_version` or one that decides nothing (a development version; gpt-oss from "
        "PEFT 0.19.0 on, where the version of transformers counts)",
        content="orientation not known",
        result="refused; `--expert-orientation` answers",
        merged=("no version, square, stated", "gpt-oss, PEFT 0.21.2, stated"),
        refused=(
            "PEFT 0.19.1.dev0, square",
            "no version, square",
            "gpt-oss, PEFT 0.19.0",
            "gpt-oss, PEFT 0.21.2",
        ),
    ),
    Convention(
        program="Unsloth, zoo 2026.2.1 to 2026.9.5",
        content="grouped-by-expert, without a marker",
        result="merged where the columns show the layout; else refused, and `--expert-layout` answers",
        merged=(
            "Unsloth, no marker, trained rank-major",
            "Unsloth, no marker, trained grouped",
            "Unsloth's base, no marker, trained grouped",
            "Unsloth, no marker, no structure, stated",
        ),
        refused=("Unsloth, no marker, no structure", "Unsloth's base, no structure"),
    ),
    Convention(
        program="Unsloth from zoo 2026.9.6 on",
        content="a marker: `lora_B_layout` or `unsloth_fused_expert_lora`, at the top level or in `auto_mapping`",
        result="merged as the marker says; refused where markers disagree with each other, with the columns or with the "
        "number of experts",
        merged=(
            "marker rank_major",
            "marker grouped",
            "marker grouped, structured",
            "marker in auto_mapping",
            "marker by parameter",
            "marker by parameter beside a flat one",
            "marker unknown, stated",
            "gpt-oss, marker grouped",
        ),
        refused=(
            "marker mixed",
            "marker unknown",
            "marker of other experts",
            "markers disagree",
            "marker contradicted",
        ),
    ),
    Convention(
        program="Unsloth up to zoo 2026.9.6, square parameters of a class without `is_transposed`",
        content="another orientation than PEFT's",
        result="refused; `--expert-orientation` answers",
        merged=("Unsloth, square (out, in), stated",),
        refused=("Unsloth, square (out, in)",),
    ),
    Convention(
        program="unknown, without a trace of Unsloth",
        content="columns that show `grouped-by-expert`",
        result="refused; `--expert-layout` answers",
        merged=("no trace, grouped, stated",),
        refused=("no trace, grouped",),
    ),
    Convention(
        program="PEFT on transformers 4; NeMo AutoModel; tinker's `build_lora_adapter`",
        content="one module for each expert and projection",
        result="merged on files that number the experts, and on fused ones whose gate and up lie one after the other",
        merged=("by number",),
    ),
    Convention(
        program="the same, on gpt-oss and Llama 4",
        content="one module for each expert and projection; the base interleaves gate and up or stores (in, out)",
        result="refused",
        refused=("by number, gpt-oss",),
    ),
    Convention(
        program="NeMo AutoModel with `moe_rank_scaling`",
        content="another rank for experts than the config states",
        result="refused; `rank_pattern` answers",
        refused=("by number, experts of another rank",),
    ),
    Convention(
        program="tinker, as downloaded; Megatron-Bridge, NeMo-RL and verl",
        content="factors with a dimension for the experts, one side possibly shared",
        result="refused",
        refused=(
            "three dimensions by projection",
            "three dimensions, one side shared",
            "three dimensions by parameter",
            "three dimensions, rank 1",
            "three dimensions, nested",
        ),
    ),
    Convention(
        program="SkyRL and others for vLLM",
        content="`experts.base_layer` and `experts` without `target_parameters`",
        result="refused; `target_parameters` answers",
        refused=("nested, without target_parameters",),
    ),
)


def lines() -> Iterator[str]:
    """The section as Markdown."""
    yield from INTRODUCTION
    for row in CONVENTIONS:
        yield f"| {row.program} | {row.content} | {row.result} |"
