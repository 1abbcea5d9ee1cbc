"""How names are joined: one total cover with the right shapes, or an error that says what was tried."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

import pytest

from adapter_merge.checkpoint import Checkpoint, TensorInfo, WeightFile
from adapter_merge.errors import Ambiguous, MissingTarget, ShapeMismatch
from adapter_merge.naming import Names
from adapter_merge.naming import resolve as joined
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


def resolve(
    needs: Sequence[Need], base: Checkpoint, kind: str | None = None, *, label: str = "a"
) -> Names:
    """`kind` is the model type; without one there is no class to ask."""
    return joined(needs, base, {} if kind is None else {"model_type": kind}, label=label)


def tensors(found: Names) -> Mapping[str, str]:
    return {name: t.tensors[0] for name, t in found.targets.items()}


Q, K = "layers.0.q.weight", "layers.1.k.weight"


@pytest.mark.parametrize(
    ("kind", "wanted", "there", "expected", "how"),
    [
        (None, [Q], [Q, K], {Q: Q}, "the names are the same"),
        ("bert", [f"bert.{Q}", f"bert.{K}"], [Q, K], {f"bert.{Q}": Q, f"bert.{K}": K},
         "the file leaves out `bert.`"),
        ("bert", [f"bert.{Q}", "head.weight"], [Q, "head.weight"],
         {f"bert.{Q}": Q, "head.weight": "head.weight"}, "the file leaves out `bert.`"),
        ("llama", [Q, K], [f"model.{Q}", f"model.{K}", "lm_head.weight"],
         {Q: f"model.{Q}", K: f"model.{K}"}, "the file puts `model.` before"),
        ("llama", [Q, "lm_head.weight"], [f"model.{Q}", "lm_head.weight"],
         {Q: f"model.{Q}", "lm_head.weight": "lm_head.weight"}, "the file puts `model.` before"),
        # The file has the names with and without the prefix: as they are, they count.
        ("llama", [Q], [Q, f"model.{Q}"], {Q: Q}, "the names are the same"),
    ],
)  # fmt: skip
def test_a_total_cover_counts(
    kind: str | None, wanted: list[str], there: list[str], expected: dict[str, str], how: str
) -> None:
    found = resolve([need(n) for n in wanted], checkpoint(there), kind)
    assert tensors(found) == expected
    assert found.how == how


@pytest.mark.parametrize(
    ("kind", "wanted", "there", "parts"),
    [
        (None, [Q, K], [Q], [K, "the names are the same: 1 of 2 found"]),
        # A cover must not be put together from several spellings.
        (None, [f"bert.{Q}", K], [Q, K], ["1 of 2"]),
        # A prefix is the model type's own, never what names happen to begin with.
        (None, [f"bert.{Q}"], [Q], [f"bert.{Q}", "0 of 1", "no `model_type`"]),
        ("nope", [f"vision.{Q}"], [Q], ["0 of 1", "isn't part of transformers", "`nope`"]),
        ("nope", [Q], [f"text.{Q}", f"vision.{Q}"], ["0 of 1", "`nope`"]),
        (None, [Q], [], [Q, "0 of 1"]),
    ],
)  # fmt: skip
def test_anything_less_is_an_error(
    kind: str | None, wanted: list[str], there: list[str], parts: list[str]
) -> None:
    with pytest.raises(MissingTarget) as caught:
        resolve([need(n) for n in wanted], checkpoint(there), kind, label="./adapter")
    for part in [*parts, "`./adapter`"]:
        assert part in caught.value.message
    assert "--base" in caught.value.hint


def test_the_right_names_with_another_shape() -> None:
    with pytest.raises(ShapeMismatch, match=r"1 of 1 found, 1 of them with another shape"):
        resolve([need(Q, (8, 8))], checkpoint([Q]))


def test_a_class_is_asked_only_where_the_names_do_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # importing it fails
    base = checkpoint([f"model.{Q}"])
    assert resolve([need(Q)], base, "llama").how == "the file puts `model.` before"
    with pytest.raises(ImportError):
        resolve([need(K)], base, "llama")


def test_two_modules_that_are_one_tensor() -> None:
    base = checkpoint([Q])
    with pytest.raises(
        Ambiguous, match=r"several modules of `a` .* 2 of 2 found, some of them twice"
    ):
        resolve([need(Q), need(f"bert.{Q}")], base, "bert")


@pytest.mark.parametrize("prefix", ["bert.", ""])
def test_a_tensor_that_may_be_added_has_no_target(prefix: str) -> None:
    wanted = [need(f"{prefix}{Q}"), need("classifier.weight", required=False)]
    assert tensors(resolve(wanted, checkpoint([Q]), "bert")) == {f"{prefix}{Q}": Q}


def test_a_tensor_that_may_be_added_is_found_where_it_is() -> None:
    base = checkpoint([f"model.{Q}", "model.norm.weight", "lm_head.weight"])
    wanted = [need(Q), need("norm.weight", required=False), need("lm_head.weight", required=False)]
    assert tensors(resolve(wanted, base, "llama")) == {
        Q: f"model.{Q}",
        "norm.weight": "model.norm.weight",
        "lm_head.weight": "lm_head.weight",
    }


def test_a_saved_tensor_of_another_width_is_an_error() -> None:
    wanted = [need(Q), need("classifier.weight", (3, 9), required=False)]
    with pytest.raises(ShapeMismatch, match=r"classifier\.weight"):
        resolve(wanted, checkpoint([Q, "classifier.weight"]))


def test_what_may_be_added_is_not_counted_as_found() -> None:
    wanted = [need(Q), need(K), need("classifier.weight", required=False)]
    with pytest.raises(MissingTarget, match="same: 1 of 2 found"):
        resolve(wanted, checkpoint([Q]))
    with pytest.raises(MissingTarget, match="same: 2 of 3 found"):
        resolve(wanted, checkpoint([Q, "classifier.weight"]))


def test_long_lists_are_cut() -> None:
    wanted = [need(f"layers.{n}.gone.weight") for n in range(30)]
    with pytest.raises(MissingTarget, match="and 26 more"):
        resolve(wanted, checkpoint([Q]))
