"""What a model computes: the outputs of PEFT's unmerged model, and of a merged folder, on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from adapter_merge.finding import Outcome
from adapter_merge.report import Report
from tests.build import of_the_merge
from tests.contract.makers import Build, loaded, save_adapter, save_base, tensors_of
from tests.contract.oracle import ours, with_adapters

# float32 arithmetic: a product of some hundred terms, in another order.
BOUND = 2e-5


def _ids() -> dict[str, torch.Tensor]:
    return {"input_ids": torch.arange(60).reshape(3, 20)}


def _pairs() -> dict[str, torch.Tensor]:
    return {**_ids(), "decoder_input_ids": torch.arange(3, 63).reshape(3, 20)}


def _sound() -> dict[str, torch.Tensor]:
    sound = torch.randn(1, 20, 64, generator=torch.Generator().manual_seed(1))
    return {"input_features": sound, "decoder_input_ids": torch.arange(3, 23)[None]}


@dataclass(frozen=True, kw_only=True)
class Model:
    """A tiny model of a real class, the Auto class that loads it, and inputs that meet most of its tokens."""

    build: Build
    auto: str = "AutoModelForCausalLM"
    inputs: Callable[[], Mapping[str, torch.Tensor]] = field(default=_ids)

    def base(self, folder: Path, **how: Any) -> Path:
        return save_base(self.build(), folder, **how)

    def loaded(self, folder: Path, rows: int | None = None, **how: object) -> Any:
        """A folder's model in float32; `rows` is what its vocabulary grows to."""
        model = loaded(folder, self.auto, **{"dtype": torch.float32, **how})
        if rows is not None:
            model.resize_token_embeddings(rows, mean_resizing=False)
        return model

    def logits(self, model: Any) -> torch.Tensor:
        with torch.no_grad():
            found: torch.Tensor = model.eval()(**self.inputs()).logits
        return found


PAIRED, SPOKEN = _pairs, _sound


@dataclass(frozen=True, kw_only=True)
class Merge:
    """One adapter on one base, merged by us."""

    model: Model
    base: Path
    adapter: Path
    out: Path
    report: Report
    rows: int | None

    @property
    def tensors(self) -> Mapping[str, torch.Tensor]:
        return tensors_of(self.out)

    @property
    def added(self) -> set[str]:
        """Names that the result has and the base hasn't."""
        return self.tensors.keys() - tensors_of(self.base).keys()


def merge(
    model: Model,
    lora: Any,
    folder: Path,
    *,
    base: Path | None = None,
    rows: int | None = None,
    **settings: object,
) -> Merge:
    """Train by noise, save, merge; `rows` is what the vocabulary grew to before."""
    base = base or model.base(folder / "base")
    adapter = save_adapter(model.loaded(base, rows), folder / "adapter", lora)
    report = ours(base, {adapter: 1.0}, folder / "out", **settings)
    return Merge(
        model=model, base=base, adapter=adapter, out=folder / "out", report=report, rows=rows
    )


def assert_same_outputs(merged: Merge, *, bound: float = BOUND) -> None:
    """The folder computes what base and adapter do, unmerged, and no check of files and tensors minds it."""
    assert merged.report.error is None
    assert merged.report.status == "merged"
    minded = {
        f.code: f.message
        for f in of_the_merge(merged.report.findings)
        if f.code[0] in "TF" and f.outcome not in {Outcome.PASS, Outcome.SKIP}
    }
    assert minded == {}
    model = merged.model
    expected = model.logits(
        with_adapters(model.loaded(merged.base, merged.rows), {merged.adapter: 1.0})
    )
    result, info = model.loaded(merged.out, output_loading_info=True)
    assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    found = model.logits(result)
    assert_close(found, expected, bound=bound)
    if merged.rows is None:
        # The adapter shows: a merge that left it out, or half of it, would be seen.
        before = model.logits(model.loaded(merged.base))
        assert float((expected - before).abs().max()) > 100 * bound * float(expected.abs().max())


def assert_close(found: torch.Tensor, expected: torch.Tensor, *, bound: float) -> None:
    """Within `bound` of the largest value."""
    largest = float(expected.abs().max())
    assert float((found - expected).abs().max()) <= bound * largest
