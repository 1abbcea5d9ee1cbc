"""Claims become one edit a tensor, or are refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapter_merge.adapters import Claim, Contribution, edits_of
from adapter_merge.adapters.contribution import Step
from adapter_merge.adapters.steps import BiasDelta, Replacement, TensorEdit
from adapter_merge.checkpoint import TensorInfo
from adapter_merge.errors import (
    AdapterKind,
    AdapterMergeError,
    QuantisedBase,
    ShapeMismatch,
    Unclaimed,
)
from adapter_merge.plan import AdapterTensor, Need
from adapter_merge.request import AdapterRef, RepoRef
from adapter_merge.sources import Adapter, Base
from adapter_merge.stages.resolve import resolve_adapter, resolve_base
from tests.build import write_adapter, write_base

EMBED, HEAD, NORM, SCORE = (
    "model.embed_tokens.weight",
    "lm_head.weight",
    "model.norm.weight",
    "score.weight",
)
SAVED = AdapterTensor(adapter=0, name="saved")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Two adapters and a base whose embedding is tied or not; makes claims on it."""

    adapters: tuple[Adapter, ...]
    base: Base

    def delta(self, name: str, *, by: int = 0, dtype: str = "F32", rows: int | None = 8) -> Claim:
        """A delta on a tensor of so many rows; None stands for a tensor that the base lacks."""
        step = BiasDelta(delta=AdapterTensor(adapter=by, name="delta"), scale=1.0)
        return self._claim(name, by, _info(name, dtype, rows), step, None)

    def whole(
        self, name: str, *, by: int = 0, before: int | None = 8, after: int = 8, dtype: str = "F32"
    ) -> Claim:
        """A saved tensor that changes the rows from `before` to `after`; None: it is added."""
        step = Replacement(tensor=replace(SAVED, adapter=by))
        return self._claim(name, by, _info(name, dtype, before), step, (after, 4))

    def _claim(
        self, name: str, by: int, info: TensorInfo | None, step: Step, shape: tuple[int, ...] | None
    ) -> Claim:
        need = Need(module="m", parameter="weight", fits=lambda _t: True, required=shape is None)
        contribution = Contribution(
            need=need, shape=shape, saved=shape is not None, make=lambda _t: step
        )
        return Claim(adapter=self.adapters[by], name=name, info=info, contribution=contribution)


def _info(name: str, dtype: str, rows: int | None) -> TensorInfo | None:
    if rows is None:
        return None
    return TensorInfo(name=name, dtype=dtype, shape=(rows, 4), start=0, stop=0)


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    refs = [AdapterRef.model_validate(str(write_adapter(tmp_path / n))) for n in ("one", "two")]
    base = resolve_base(RepoRef.model_validate(str(write_base(tmp_path / "base"))))
    return Setting(adapters=tuple(resolve_adapter(r) for r in refs), base=base)


def edits(setting: Setting, *claims: Claim, out: str = "F32") -> dict[str, TensorEdit]:
    found = edits_of(claims, dtype=lambda _info: out)
    assert all(isinstance(e, TensorEdit) for e in found.values())
    return {n: e for n, e in found.items() if isinstance(e, TensorEdit)}


def test_one_edit_a_tensor(setting: Setting) -> None:
    found = edits(setting, setting.delta(NORM), setting.delta(HEAD), setting.delta(NORM, by=1))
    assert {n: len(e.steps) for n, e in found.items()} == {NORM: 2, HEAD: 1}
    assert {n: e.target for n, e in found.items()} == {NORM: NORM, HEAD: HEAD}


def test_deltas_follow_the_replacement_in_their_order(setting: Setting) -> None:
    claims = setting.delta(NORM), setting.delta(NORM, by=1), setting.whole(NORM, by=1)
    edit = edits(setting, *claims)[NORM]
    assert [(t.adapter, t.name) for t in edit.uses] == [(1, "saved"), (0, "delta"), (1, "delta")]
    assert not edit.reads_base


@pytest.mark.parametrize(
    ("before", "after", "wide"),
    [("F32", "F32", False), ("F64", "F64", True), ("F64", "BF16", True), ("F16", "F64", True)],
)
def test_float64_going_in_or_out_is_computed_in_it(
    setting: Setting, before: str, after: str, wide: bool
) -> None:
    assert edits(setting, setting.delta(NORM, dtype=before), out=after)[NORM].wide is wide


@pytest.mark.parametrize(
    ("make", "error", "part"),
    [
        (lambda s: [s.delta(NORM, rows=None)], Unclaimed, f"nothing in the base takes `{NORM}`"),
        (lambda s: [s.delta(NORM, dtype="I8")], QuantisedBase, "as I8"),
        (lambda s: [s.delta(NORM, dtype="F8_E4M3")], QuantisedBase, "as F8_E4M3"),
        (lambda s: [s.whole(EMBED, before=8, after=7)], ShapeMismatch, "[7, 4]"),
        (lambda s: [s.whole("classifier.dense.weight", after=7)], ShapeMismatch, "never cut"),
        (lambda s: [s.whole(SCORE, before=None), s.whole(SCORE, by=1, before=None)], AdapterKind, "both saved"),
        (lambda s: [s.whole(NORM), s.delta(HEAD), s.whole(NORM, by=1)], AdapterKind, f"`{NORM}`"),
    ],
)  # fmt: skip
def test_a_claim_that_can_t_be_met(
    setting: Setting,
    make: Callable[[Setting], list[Claim]],
    error: type[AdapterMergeError],
    part: str,
) -> None:
    with pytest.raises(error) as caught:
        edits(setting, *make(setting))
    assert part in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [(SCORE, 8, 3), (SCORE, 2, 3), (SCORE, None, 3), (EMBED, 8, 8), (EMBED, 8, 9)],
)
def test_rows_that_may_change(setting: Setting, name: str, before: int | None, after: int) -> None:
    claim = setting.whole(name, before=before, after=after)
    assert claim.rows == after
    assert list(edits(setting, claim)) == [name]


def tokens(setting: Setting, *places: int, by: int = 0, rows: int = 8) -> Claim:
    claim = setting.delta(EMBED, by=by, rows=rows)
    return replace(claim, contribution=replace(claim.contribution, token_rows=places))


def test_a_token_is_learned_by_one_adapter(setting: Setting) -> None:
    with pytest.raises(AdapterKind, match="both trained the token 5"):
        edits(setting, tokens(setting, 1, 5), tokens(setting, 5, 6, by=1))
    assert list(edits(setting, tokens(setting, 1, 5), tokens(setting, 6, by=1))) == [EMBED]


def test_a_token_has_a_row(setting: Setting) -> None:
    with pytest.raises(
        ShapeMismatch, match=r"the token 8, and `model.embed_tokens.weight` has 8 rows"
    ):
        edits(setting, tokens(setting, 1, 8))
    grown = setting.whole(EMBED, before=8, after=9)
    assert list(edits(setting, grown, tokens(setting, 1, 8))) == [EMBED]


def test_what_is_done_twice_is_used_once(setting: Setting) -> None:
    once, again = setting.delta(EMBED), replace(setting.delta(HEAD), echo=True)
    assert {n: len(e.uses) for n, e in edits(setting, once, again).items()} == {EMBED: 1, HEAD: 0}


def test_a_spare_is_used_too(setting: Setting) -> None:
    claim = setting.delta(EMBED)
    claim = replace(claim, spare=(setting.delta(HEAD).contribution,))
    assert len(edits(setting, claim)[EMBED].uses) == 2
