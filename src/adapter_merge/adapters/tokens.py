"""Single tokens: rows of an embedding that an adapter learned, in place of the base's.

PEFT trains them by itself (`TRAINABLE_TOKENS`) or beside a LoRA (`trainable_token_indices`), and saves the
new rows; which rows they are stands in the config alone. Source: peft `tuners/trainable_tokens/layer.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, TypeAdapter, ValidationError

from adapter_merge.adapters.contribution import Contribution, Step
from adapter_merge.adapters.saved_modules import saved_tensor
from adapter_merge.checkpoint import FLOATS, TensorInfo
from adapter_merge.errors import AdapterKind, Corrupt, ShapeMismatch, Unclaimed
from adapter_merge.plan import AdapterTensor, Need
from adapter_merge.sources import INSIDE, Adapter, Base

if TYPE_CHECKING:
    import torch

    from adapter_merge.plan import Apply, Array, Load, Load64

DELTA = "trainable_tokens_delta"
LEARNED = f".token_adapter.{DELTA}"  # beside another method
_Rows = Sequence[Annotated[int, Field(ge=0)]]
_INDICES: TypeAdapter[_Rows | Mapping[str, _Rows]] = TypeAdapter(_Rows | Mapping[str, _Rows])


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenRows:
    """`W[places[n]] = rows[n]`, for rows of W's width; PEFT calls them a delta, which they aren't."""

    rows: AdapterTensor
    places: tuple[int, ...]
    replaces: ClassVar[bool] = False
    by_rows: ClassVar[bool] = True

    @property
    def uses(self) -> tuple[AdapterTensor, ...]:
        """The learned rows."""
        return (self.rows,)

    def _within(self, rows: slice) -> list[tuple[int, int]]:
        """Which learned rows lie in a block, and where."""
        return [
            (number, place - rows.start)
            for number, place in enumerate(self.places)
            if rows.start <= place < rows.stop
        ]

    def prepare(self, load: Load, *, compute: torch.dtype) -> Apply:
        """See `Step`."""
        learned = load(self.rows).to(compute)

        def put(block: torch.Tensor, rows: slice, _scratch: torch.Tensor) -> None:
            for number, place in self._within(rows):
                block[place] = learned[number]

        return put

    def recompute(self, base: Array, rows: slice, load: Load64) -> Array:
        """See `Step`."""
        learned, result = load(self.rows), base.copy()
        for number, place in self._within(rows):
            result[place] = learned[number]
        return result


class TrainableTokens:
    """An adapter of nothing but single tokens."""

    peft_type: ClassVar[str] = "TRAINABLE_TOKENS"

    def read(self, adapter: Adapter, index: int, base: Base) -> tuple[Contribution, ...]:
        """See `Kind.read`."""
        label = adapter.pinned.source
        if not adapter.checkpoint.tensors:
            raise Corrupt(
                f"the weights of `{label}` hold no tensor: merging them would copy the base",
                hint="Save the adapter again with PEFT, after training.",
            )
        wanted = (adapter.config.model_extra or {}).get("token_indices")
        found: list[Contribution] = []
        for info in adapter.checkpoint.tensors.values():
            name = info.name.removeprefix(INSIDE)
            module, _, last = name.rpartition(".")
            if name == info.name or info.dtype not in FLOATS:
                raise _unknown(label, info)
            if last == DELTA:
                found.append(token_rows(adapter, info, index=index, module=module, wanted=wanted))
            elif module.endswith(".base_layer"):
                bare = name.replace(".base_layer.", ".")
                found.append(saved_tensor(info, index=index, name=bare, config=adapter.config))
            else:
                raise _unknown(label, info)
        return tuple(found)


def token_rows(
    adapter: Adapter, info: TensorInfo, *, index: int, module: str, wanted: object
) -> Contribution:
    """The contribution of learned rows; `wanted` is what the config says of their places.

    Raises:
        Corrupt: the config has no places, or impossible ones.
        ShapeMismatch: there are more or fewer rows than places.
    """
    places = _places(module, wanted, adapter.pinned.source)
    if len(info.shape) != 2 or info.shape[0] != len(places):
        raise ShapeMismatch(
            f"`{info.name}` of `{adapter.pinned.source}` has the shape {list(info.shape)}, and its config "
            f"names {len(places)} tokens",
            hint="The config belongs to another adapter; save it again with PEFT.",
        )

    def fits(target: TensorInfo) -> bool:
        return len(target.shape) == 2 and target.shape[1] == info.shape[1]

    def make(_target: TensorInfo | None) -> Step:
        return TokenRows(rows=AdapterTensor(adapter=index, name=info.name), places=places)

    need = Need(module=module, parameter="weight", fits=fits, required=True)
    return Contribution(need=need, shape=None, saved=False, make=make, token_rows=places)


def _places(module: str, wanted: object, label: str) -> tuple[int, ...]:
    """The rows of a module; where the config names other modules alone, it is tied to the first of them."""
    try:
        indices = _INDICES.validate_python(wanted)
    except ValidationError as e:
        raise Corrupt(
            f"`adapter_config.json` of `{label}` says not which tokens it trains",
            hint="Save the adapter again with PEFT: the row numbers stand in its config alone.",
        ) from e
    if isinstance(indices, Mapping):
        own = [rows for name, rows in indices.items() if module.endswith(name)]
        indices = (own or list(indices.values()) or [()])[0]
    if not indices or len(set(indices)) < len(indices):
        raise Corrupt(
            f"`adapter_config.json` of `{label}` names no token, or one of them twice",
            hint="Save the adapter again with PEFT.",
        )
    return tuple(indices)


def _unknown(label: str, info: TensorInfo) -> Exception:
    if info.dtype not in FLOATS:
        return AdapterKind(
            f"`{label}` holds `{info.name}` as {info.dtype}; a row needs F16, BF16, F32 or F64",
            hint="Save the adapter in one of these dtypes.",
        )
    return Unclaimed(
        f"`{label}` holds `{info.name}`, which is no name that PEFT saves for single tokens",
        hint="Save the adapter with PEFT's `save_pretrained`; PEFT itself would skip this tensor.",
    )
