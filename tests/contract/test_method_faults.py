"""Faults planted in adapters of every method, and in merges of them: none goes through in silence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_merge.finding import Outcome
from tests.contract.makers import (
    Tensors,
    change_config,
    change_tensors,
    save_base,
    tensors_of,
)
from tests.contract.methods import METHODS, config_of, save_method
from tests.contract.oracle import ours
from tests.contract.test_methods import checked, finding, own_class

# One row for each method of PEFT, on linear layers where it has them.
_EACH = [
    "DoRA",
    "BD-LoRA",
    "LoRA, attention of torch",
    "AdaLoRA",
    "LoHa",
    "LoKr",
    "OFT",
    "BOFT",
    "IA3",
    "VeRA",
    "FourierFT",
    "VB-LoRA",
    "HRA",
    "HiRA",
    "C3A",
    "RandLoRA",
    "RoAd",
    "SHiRA",
    "MiSS",
    "DeLoRA",
    "GraLoRA",
    "LN-tuning",
    "WaveFT",
    "GLoRA",
    "BEFT",
    "DEFT",
    "PVeRA",
    "TinyLoRA",
    "UniLoRA",
    "PEANuT",
    "Bone",
    "Supra",
]
# Where negative places count from the end, as PEFT does it, they aren't outside.
_OUTSIDE = [
    ("SHiRA", -1),
    ("SHiRA", 10**6),
    ("Supra", -1),
    ("Supra", 10**6),
    ("UniLoRA", 10**6),
    ("VB-LoRA, best vectors only", 255),
]
ROWS = [name for name in _EACH if name in METHODS]
_INSIDE = "base_model.model."
Change = Callable[[Tensors], Tensors]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    return {}


@pytest.fixture
def pair(
    request: pytest.FixtureRequest,
    made: dict[str, tuple[Path, Path]],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Path]:
    """A base, and an adapter of the row that the test asks for."""
    name, method = request.param, METHODS[request.param]
    if name not in made:
        base = save_base(method.model(), tmp_path_factory.mktemp("base"))
        adapter = tmp_path_factory.mktemp("adapter")
        save_method(own_class(base), adapter, config_of(method))
        made[name] = base, adapter
    return made[name]


def copied(adapter: Path, folder: Path) -> Path:
    folder.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / name).write_bytes((adapter / name).read_bytes())
    return folder


def one_of(tensors: Tensors) -> str:
    """A tensor that one module alone has; RandLoRA saves its shared ones with each module again."""
    shared = {n.rpartition(".")[2] for n in tensors if not n.startswith(_INSIDE)}
    names = [n for n in sorted(tensors) if tensors[n].is_floating_point()]
    own = [n for n in names if n.startswith(_INSIDE) and n.rpartition(".")[2] not in shared]
    return (own or names)[0]


def without_one(tensors: Tensors) -> Tensors:
    return {n: t for n, t in tensors.items() if n != one_of(tensors)}


def with_another(tensors: Tensors) -> Tensors:
    name = one_of(tensors)
    return {**tensors, f"{name}.of_next_year": tensors[name].clone()}


def with_a_module(tensors: Tensors) -> Tensors:
    """A copy of a module under a name that the base doesn't have."""
    name = one_of(tensors)
    return {**tensors, f"{_INSIDE}gone.{name.removeprefix(_INSIDE)}": tensors[name].clone()}


def cut(tensors: Tensors) -> Tensors:
    name = one_of(tensors)
    return {**tensors, name: tensors[name][..., :-1].clone()}


def of_another_era(tensors: Tensors) -> Tensors:
    """Module names as no version of the class has them."""
    return {
        n.replace("layers.", "blocks.").replace(".head.", ".tail."): t for n, t in tensors.items()
    }


FILES: Mapping[str, Change] = {
    "missing": without_one,
    "extra": with_another,
    "a module too many": with_a_module,
    "wrong shape": cut,
    "wrong era": of_another_era,
}


@pytest.mark.parametrize("change", FILES.values(), ids=FILES.keys())
@pytest.mark.parametrize("pair", ROWS, indirect=True)
def test_a_faulty_file_is_refused_before_a_byte_is_written(
    pair: tuple[Path, Path], change: Change, tmp_path: Path
) -> None:
    base, adapter = pair[0], copied(pair[1], tmp_path / "adapter")
    before = load_file(adapter / "adapter_model.safetensors")
    change_tensors(adapter, change)
    if change(before).keys() == before.keys() and change is of_another_era:
        pytest.skip("its file names no module")
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is not None
    assert report.error.code in {3, 4, 5}, report.error
    assert str(adapter) in report.error.message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("pair", "place"), [row for row in _OUTSIDE if row[0] in METHODS], indirect=["pair"]
)
def test_a_place_outside_its_weight_ends_the_merge(
    pair: tuple[Path, Path], place: int, tmp_path: Path
) -> None:
    adapter = copied(pair[1], tmp_path / "adapter")
    change_tensors(
        adapter,
        lambda tensors: {
            n: torch.full_like(t, place) if "_indices" in n else t for n, t in tensors.items()
        },
    )
    error = ours(pair[0], {adapter: 1.0}, tmp_path / "out").error
    assert error is not None
    assert error.code in {3, 4, 6}
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("pair", ROWS, indirect=True)
def test_an_unknown_option_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    adapter = copied(pair[1], tmp_path / "adapter")
    change_config(adapter, use_next_year=True)
    report = ours(pair[0], {adapter: 1.0}, tmp_path / "out")
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("AdapterKind", 4)
    assert "use_next_year" in report.error.message


@pytest.mark.parametrize("pair", ROWS, indirect=True)
def test_a_weight_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    report = ours(pair[0], {pair[1]: 0.5}, tmp_path / "out")
    assert report.error is not None
    assert (report.error.type, report.error.code) == ("AdapterKind", 4)
    assert "0.5" in report.error.message


def doubled(after: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    return 2 * after - before


def lost(_after: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    return before


def halved(after: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    return (after + before) / 2


def off_base(after: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """Merged into a base that differs by two percent."""
    noise = torch.randn(before.shape, generator=torch.Generator().manual_seed(5))
    return after + 0.02 * before * noise


MERGES = {"doubled": doubled, "lost": lost, "halved": halved, "another base": off_base}


@pytest.mark.parametrize("fault", MERGES.values(), ids=MERGES.keys())
@pytest.mark.parametrize("pair", ROWS, indirect=True)
def test_a_wrong_merge_is_found(
    pair: tuple[Path, Path],
    fault: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    tmp_path: Path,
) -> None:
    base, adapter = pair
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.status == "merged", report.error
    path = tmp_path / "out" / "model.safetensors"
    tensors, before = load_file(path), tensors_of(base)
    name = next(n for n in sorted(before) if not torch.equal(before[n], tensors[n]))
    tensors[name] = fault(tensors[name], before[name])
    save_file(tensors, path, metadata={"format": "pt"})
    found = finding(checked(tmp_path / "out", base, adapter), "T005")
    assert found.outcome is Outcome.FAIL
    assert name in found.message
