"""Which factors are which parameter's, which way round a parameter lies, and the tables behind both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import transformers

from adapter_merge.adapters.contribution import Contribution
from adapter_merge.adapters.expert_orientation import TRANSPOSED_TYPES
from adapter_merge.adapters.experts import OneExpert, Stacked
from adapter_merge.adapters.parameters import ORDER
from adapter_merge.adapters.steps import LowRank
from adapter_merge.checkpoint import Piece, TensorInfo
from adapter_merge.errors import AdapterMergeError, Ambiguous, ShapeMismatch, Unclaimed
from tests.adapters.test_lora import read
from tests.build import PREFIX, RANK, Tensors

M = "layers.0.mlp.experts"
BOTH = ["mlp.experts.down_proj", "mlp.experts.gate_up_proj"]
MODELS = Path(transformers.__file__).parent / "models"
_PARAMETER = re.compile(r"self\.(\w+) = nn\.Parameter\(")


def factors(path: str, outputs: int, inputs: int, experts: int = 3) -> Tensors:
    import numpy as np

    a, b = (experts * RANK, inputs), (outputs, experts * RANK)
    names = {f"{PREFIX}{path}.lora_A.weight": a, f"{PREFIX}{path}.lora_B.weight": b}
    return {n: np.ones(s, np.float32) for n, s in names.items()}


OUTER, INNER = factors(M, 8, 6), factors(f"{M}.base_layer", 12, 8)


def tensor(*shape: int) -> TensorInfo:
    return TensorInfo(name="w", dtype="F32", shape=shape, start=0, stop=0)


def one(root: Path, outputs: int, inputs: int, experts: int = 3, **base: Any) -> Contribution:
    held = factors(M, outputs, inputs, experts)
    (found,) = read(root, held, base=base, target_parameters=BOTH[:1])
    return found


def test_the_inmost_factors_are_those_of_the_first_parameter(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        OUTER | INNER,
        target_parameters=BOTH,
        rank_pattern={"gate_up_proj": 2},
        alpha_pattern={"mlp.experts.down_proj": 2},
    )
    steps = {c.need.name: c.make(tensor(3, 8, 6)) for c in found}
    assert {n: s.uses[0].name.removeprefix(PREFIX) for n, s in steps.items()} == {
        f"{M}.down_proj": f"{M}.lora_A.weight",
        f"{M}.gate_up_proj": f"{M}.base_layer.lora_A.weight",
    }
    scales = {n: s.factors.scale for n, s in steps.items() if isinstance(s, Stacked)}
    assert scales == {f"{M}.down_proj": 2 / RANK, f"{M}.gate_up_proj": 8 / 2}


@pytest.mark.parametrize(
    ("targets", "modules", "name"),
    [
        (["down_proj"], ["q_proj"], f"{M}.down_proj"),
        ([f"{M}.weight"], [], f"{M}.weight"),
        (["weight"], ["experts"], f"{M}.weight"),
        (["other.down_proj"], [], f"{M}.weight"),
        (["down_proj", "experts.weight", "gate_up_proj"], [], f"{M}.weight"),
    ],
    ids=["a bare name", "a whole name", "also a module", "of another module", "beside bare names"],
)
def test_a_module_s_own_factors_are_its_weight_s(
    targets: list[str], modules: list[str], name: str, tmp_path: Path
) -> None:
    held = factors(M, 8, 6, experts=1)
    (found,) = read(tmp_path, held, target_parameters=targets, target_modules=modules)
    assert found.need.name == name


@pytest.mark.parametrize(
    ("held", "targets", "error", "part"),
    [
        (OUTER | INNER, BOTH[:1], Unclaimed, "2 pairs of factors around each other"),
        (OUTER | INNER, None, Unclaimed, "names 0 parameters"),
        (INNER, None, Unclaimed, "1 pairs of factors"),
        (OUTER, BOTH, Ambiguous, "whose can't be told"),
        (OUTER | INNER, ["experts.one", "experts.two"], Ambiguous, "`one`, `two`"),
        (dict([*OUTER.items()][:1]), BOTH[:1], Unclaimed, "no whole pair"),
        (
            dict([*OUTER.items()][:1]) | dict([*factors(M, 8, 6, 2).items()][1:]),
            BOTH[:1],
            ShapeMismatch,
            "gives it rank 4",
        ),
    ],
)
def test_what_is_refused(
    held: Tensors,
    targets: list[str] | None,
    error: type[AdapterMergeError],
    part: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(error) as caught:
        read(tmp_path, held, target_parameters=targets)
    assert part in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("kind", "sides", "shape", "transposed"),
    [
        ("mixtral", (8, 6), (3, 8, 6), False),
        ("mixtral", (8, 6), (3, 6, 8), True),
        ("gpt_oss", (8, 6), (3, 8, 6), False),
    ],
)
def test_the_shape_tells_which_way_round_a_parameter_lies(
    kind: str, sides: tuple[int, int], shape: tuple[int, ...], transposed: bool, tmp_path: Path
) -> None:
    found = one(tmp_path, *sides, model_type=kind)
    assert found.need.fits(tensor(*shape))
    step = found.make(tensor(*shape))
    assert isinstance(step, Stacked)
    assert step.transposed is transposed


@pytest.mark.parametrize("shape", [(3, 8, 7), (2, 8, 6), (8, 6), (3, 8, 6, 1), (3,)])
def test_what_does_not_fit(shape: tuple[int, ...], tmp_path: Path) -> None:
    assert not one(tmp_path, 8, 6).need.fits(tensor(*shape))


def test_a_flat_parameter_is_out_times_in(tmp_path: Path) -> None:
    found = one(tmp_path, 8, 6, experts=1)
    assert isinstance(found.make(tensor(8, 6)), LowRank)
    assert not found.need.fits(tensor(6, 8))
    assert not found.need.fits(tensor(1, 6, 8))  # PEFT's delta has no such shape


def _piece(expert: int | None, stop: int = 8, *, turned: bool = False) -> Piece:
    return Piece(tensor="t", expert=expert, rows=slice(0, stop), turned=turned)


@pytest.mark.parametrize(
    ("live", "piece", "kind"),
    [
        ((3, 8, 6), _piece(1), OneExpert),
        ((3, 6, 8), _piece(1), OneExpert),
        ((3, 8, 6), _piece(None, 4), Stacked),
        ((3, 8, 6), _piece(None, turned=True), Stacked),
        ((3, 6, 8), _piece(None, turned=True), Stacked),
        ((3, 6, 8), _piece(None, 4), None),
        ((3, 8, 6), _piece(1, turned=True), None),
        ((3, 8, 7), _piece(1), None),
    ],
)
def test_the_step_on_a_piece(
    live: tuple[int, ...], piece: Piece, kind: type | None, tmp_path: Path
) -> None:
    cut = one(tmp_path, 8, 6).cut
    assert cut is not None
    assert type(cut(tensor(*live), piece)) is (kind or type(None))


def _classes() -> Iterator[tuple[str, str]]:
    """The model folder and the text of every class of transformers."""
    for path in sorted(MODELS.glob("*/modeling_*.py")):
        for text in re.split(r"^(?=@|class )", path.read_text(), flags=re.MULTILINE):
            yield path.parent.name, text


def test_all_classes_have_their_parameters_in_this_order() -> None:
    found: Mapping[tuple[str, ...], str] = {
        tuple(dict.fromkeys(n for n in _PARAMETER.findall(text) if n in ORDER)): folder
        for folder, text in _classes()
    }
    several = {names for names in found if len(names) > 1}
    assert ("gate_up_proj", "gate_up_proj_bias", "down_proj", "down_proj_bias") in several
    for names in several:
        assert list(names) == sorted(names, key=ORDER.index), found[names]


def test_the_types_whose_experts_are_turned() -> None:
    found = {folder for folder, text in _classes() if "is_transposed=True" in text}
    assert found == TRANSPOSED_TYPES - {"aria_text"}
