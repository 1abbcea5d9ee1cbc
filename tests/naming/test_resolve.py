"""How names are joined: one total cover with the right shapes, or an error that says what was tried."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from adapter_merge.checkpoint import Checkpoint, TensorInfo, WeightFile
from adapter_merge.errors import Ambiguous, MissingTarget, PlanError, ShapeMismatch
from adapter_merge.naming import resolve
from adapter_merge.plan import Need

Shape = tuple[int, ...]


def checkpoint(shapes: Mapping[str, Shape] | Iterable[str]) -> Checkpoint:
    sized = shapes if isinstance(shapes, Mapping) else dict.fromkeys(shapes, (4, 4))
    tensors = tuple(
        TensorInfo(name=n, dtype="F32", shape=s, start=0, stop=0) for n, s in sized.items()
    )
    file = WeightFile(name="model.safetensors", size=0, header=b"", metadata=None, tensors=tensors)
    return Checkpoint(files=(file,), index=None)


def need(name: str, shape: Shape = (4, 4), *, required: bool = True) -> Need:
    module, _, parameter = name.rpartition(".")
    return Need(
        module=module, parameter=parameter, fits=lambda t: t.shape == shape, required=required
    )


Q, K = "layers.0.q.weight", "layers.1.k.weight"


@pytest.mark.parametrize(
    ("wanted", "there", "expected", "how"),
    [
        ([Q], [Q, K], {Q: Q}, "same"),
        ([f"bert.{Q}", f"bert.{K}"], [Q, K], {f"bert.{Q}": Q, f"bert.{K}": K}, "`bert.`"),
        ([Q, K], [f"model.{Q}", f"model.{K}", "lm_head.weight"], {Q: f"model.{Q}", K: f"model.{K}"},
         "`model.`"),
        ([Q, "lm_head.weight"], [f"model.{Q}", "lm_head.weight"],
         {Q: f"model.{Q}", "lm_head.weight": "lm_head.weight"}, "`model.`"),
        # The file has the names with and without the prefix: as they are, they count.
        ([Q], [Q, f"model.{Q}"], {Q: Q}, "same"),
        # Only one of two towers has all the modules.
        ([Q, K], [f"text.{Q}", f"text.{K}", f"vision.{Q}"], {Q: f"text.{Q}", K: f"text.{K}"}, "`text.`"),
    ],
)  # fmt: skip
def test_a_total_cover_counts(
    wanted: list[str], there: list[str], expected: dict[str, str], how: str
) -> None:
    found = resolve([need(n) for n in wanted], checkpoint(there), label="a")
    assert found.tensors == expected
    assert how in found.how


def test_a_shape_can_tell_two_towers_apart() -> None:
    base = checkpoint({f"text.{Q}": (4, 4), f"vision.{Q}": (8, 8)})
    assert resolve([need(Q)], base, label="a").tensors == {Q: f"text.{Q}"}


@pytest.mark.parametrize(
    ("wanted", "there", "error", "parts"),
    [
        ([Q, K], [f"text.{Q}", f"text.{K}", f"vision.{Q}", f"vision.{K}"], Ambiguous,
         ["`text.`", "`vision.`", "`./adapter`"]),
        ([Q, K], [Q], MissingTarget, [K, "1 of 2"]),
        # A cover must not be put together from several spellings.
        ([f"bert.{Q}", K], [Q, K], MissingTarget, ["1 of 2"]),
        ([f"x.y.{Q}"], [Q], MissingTarget, [f"x.y.{Q}", "0 of 1"]),
        ([Q], [], MissingTarget, [Q, "0 of 1"]),
    ],
)  # fmt: skip
def test_anything_less_is_an_error(
    wanted: list[str], there: list[str], error: type[PlanError], parts: list[str]
) -> None:
    with pytest.raises(error) as caught:
        resolve([need(n) for n in wanted], checkpoint(there), label="./adapter")
    assert all(part in caught.value.message for part in parts), caught.value.message


def test_the_right_names_with_another_shape() -> None:
    with pytest.raises(ShapeMismatch, match=r"1 of 1 found, 1 of them with another shape"):
        resolve([need(Q, (8, 8))], checkpoint([Q]), label="a")


@pytest.mark.parametrize("prefix", ["bert.", ""])
def test_a_tensor_that_may_be_added_keeps_its_name(prefix: str) -> None:
    wanted = [need(f"{prefix}{Q}"), need("classifier.weight", required=False)]
    found = resolve(wanted, checkpoint([Q]), label="a").tensors
    assert found == {f"{prefix}{Q}": Q, "classifier.weight": "classifier.weight"}


def test_a_tensor_that_may_be_added_is_found_where_it_is() -> None:
    base = checkpoint([f"model.{Q}", "model.norm.weight", "lm_head.weight"])
    wanted = [need(Q), need("norm.weight", required=False), need("lm_head.weight", required=False)]
    assert resolve(wanted, base, label="a").tensors == {
        Q: f"model.{Q}",
        "norm.weight": "model.norm.weight",
        "lm_head.weight": "lm_head.weight",
    }


def test_a_saved_tensor_of_another_width_is_an_error() -> None:
    wanted = [need(Q), need("classifier.weight", (3, 9), required=False)]
    with pytest.raises(ShapeMismatch, match=r"classifier\.weight"):
        resolve(wanted, checkpoint([Q, "classifier.weight"]), label="a")


def test_what_may_be_added_is_not_counted_as_found() -> None:
    wanted = [need(Q), need(K), need("classifier.weight", required=False)]
    with pytest.raises(MissingTarget, match="same: 1 of 2 found"):
        resolve(wanted, checkpoint([Q]), label="a")
    with pytest.raises(MissingTarget, match="same: 2 of 3 found"):
        resolve(wanted, checkpoint([Q, "classifier.weight"]), label="a")


def test_long_lists_are_cut() -> None:
    wanted = [need(f"layers.{n}.gone.weight") for n in range(30)]
    with pytest.raises(MissingTarget, match="and 26 more"):
        resolve(wanted, checkpoint([Q]), label="a")
