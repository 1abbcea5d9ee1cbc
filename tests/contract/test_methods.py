"""Merges of every method through PEFT's layers: PEFT's own bits, and the outputs of the unmerged model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from adapter_merge import assemble
from adapter_merge import methods as registry
from adapter_merge.finding import Finding, Outcome
from adapter_merge.methods import Route
from adapter_merge.report import Report
from adapter_merge.request import AdapterRef, RepoRef, Settings
from tests.contract.makers import DTYPES, Build, Tensors, save_base, tensors_of
from tests.contract.methods import EVERY, METHODS, Method, config_of, inputs_of, save_method
from tests.contract.oracle import differing, ours

_OUTPUTS = 5e-5  # of the outputs' root mean square
_IN_16_BITS = (
    "DoRA",
    "HiRA",
    "RoAd",
    "LoRA, attention of torch",
    "DEFT",
    "GLoRA",
    "OFT",
    "SHiRA",
    "Super-Tuning",
)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    return {}


def base_of(
    model: Build, dtype: str, made: dict[tuple[str, str], Path], factory: pytest.TempPathFactory
) -> Path:
    """A base, built once for all rows that use it."""
    key = (model.__name__, dtype)
    if key not in made:
        made[key] = save_base(model(), factory.mktemp("-".join(key)), dtype=dtype)
    return made[key]


def own_class(base: Path, dtype: torch.dtype | str = "auto") -> Any:
    """The base in the class that its config names."""
    import transformers

    (name,) = json.loads((base / "config.json").read_text())["architectures"]
    return getattr(transformers, name).from_pretrained(base, dtype=dtype).eval()


def merged_by_peft(base: Path, adapter: Path, folder: Path, dtype: torch.dtype | str) -> Tensors:
    """`merge_and_unload`, with the base in some dtype, saved and read back."""
    import peft

    model = peft.PeftModel.from_pretrained(own_class(base, dtype), adapter)
    with_projections(model, adapter)
    model.merge_and_unload().save_pretrained(folder)
    return tensors_of(folder)


def with_projections(model: Any, adapter: Path) -> None:
    """Load what PEFT before 0.21 saves and doesn't load: shared matrices, rounded to the file's dtype."""
    there: Tensors = model.state_dict()
    for name, tensor in load_file(adapter / "adapter_model.safetensors").items():
        if not name.startswith("base_model.model.") and f"{name}.default" in there:
            there[f"{name}.default"].copy_(tensor)


def outputs(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(**inputs_of(model))[0]
    return found


def finding(report: Report, code: str) -> Finding:
    (found,) = (f for f in report.findings if f.code == code)
    return found


def test_the_rows_left_out_are_those_that_the_installed_peft_lacks() -> None:
    import peft

    options = {f.name for f in dataclasses.fields(peft.LoraConfig)}
    lacking = {
        name
        for name, m in EVERY.items()
        if not hasattr(peft, m.config) or (m.nested is not None and m.nested[0] not in options)
    }
    kinds = {n for n, m in EVERY.items() if m.since != "0.18" and m.nested is None}
    assert (EVERY.keys() - METHODS.keys()) - kinds == lacking - kinds


def test_every_method_that_layers_merge_has_a_row() -> None:
    made = {m.config.removesuffix("Config").upper() for m in EVERY.values()}
    layered = {n for n, m in registry.METHODS.items() if m.route is Route.LAYERS}
    assert {n.replace("_", "") for n in layered} <= made


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_a_method(
    method: Method,
    dtype: str,
    bases: dict[tuple[str, str], Path],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    import peft

    base = base_of(method.model, dtype, bases, tmp_path_factory)
    adapter = tmp_path / "adapter"
    save_method(own_class(base), adapter, config_of(method))
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    assert report.counts["tensors_edited"] == method.edited
    assert report.counts["adapter_tensors_used"] == report.counts["adapter_tensors_total"]
    found, before = tensors_of(tmp_path / "out"), tensors_of(base)
    # The weight goes in as float32 whatever the file holds, and the result is rounded once.
    expected = merged_by_peft(base, adapter, tmp_path / "peft", torch.float32)
    assert differing(found, expected) == []
    assert found.keys() == before.keys()
    assert len(differing(found, before)) == method.edited
    proved = finding(report, "T005")
    assert proved.outcome is Outcome.PASS
    assert proved.evidence["through_layers"]
    drawn = Outcome.WARN if method.drawn else Outcome.PASS
    assert finding(report, "T013").outcome is drawn
    if dtype == "fp32" and method.asked:
        trained = outputs(peft.PeftModel.from_pretrained(own_class(base), adapter).eval())
        merged = outputs(own_class(tmp_path / "out"))
        off = float((merged - trained).abs().max() / trained.square().mean().sqrt())
        assert off < _OUTPUTS
        assert not torch.equal(trained, outputs(own_class(base)))


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
@pytest.mark.parametrize("name", [n for n in _IN_16_BITS if n in METHODS])
def test_what_peft_merged_in_16_bits_passes_as_another_program_s(
    name: str,
    dtype: str,
    bases: dict[tuple[str, str], Path],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    method, adapter = METHODS[name], tmp_path / "adapter"
    base = base_of(method.model, dtype, bases, tmp_path_factory)
    save_method(own_class(base), adapter, config_of(method))
    merged_by_peft(base, adapter, tmp_path / "peft", DTYPES[dtype])
    report = checked(tmp_path / "peft", base, adapter)
    assert finding(report, "T005").outcome is Outcome.PASS
    assert finding(report, "T004").outcome is Outcome.PASS


def checked(folder: Path, base: Path, adapter: Path) -> Report:
    """`adapter-merge check` on another program's merge."""

    def ref(path: Path) -> RepoRef:
        return RepoRef(text=str(path), folder=path)

    return assemble.check(
        ref(folder), base=ref(base), adapters=(AdapterRef(ref=ref(adapter)),), settings=Settings()
    )
