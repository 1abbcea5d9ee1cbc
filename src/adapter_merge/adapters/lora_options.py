"""The fields of `adapter_config.json` that only LoRA has."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt

from adapter_merge.patterns import Patterns
from adapter_merge.sources import Adapter, parsed

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """What a module's product of factors is multiplied by: alpha, divided by the rank or by its root."""

    rank: int
    alpha: float
    rooted: bool

    @property
    def divisor(self) -> float:
        """The rank, or its root for rsLoRA."""
        return math.sqrt(self.rank) if self.rooted else self.rank


class LoraOptions(BaseModel):
    """Ranks, scales and initialisation. Source: peft `LoraConfig`.

    What isn't named here stays in `model_extra`, so that an option nobody knows is refused rather than
    passed over.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    r: PositiveInt = 8
    lora_alpha: FiniteFloat = 8
    bias: str = "none"
    fan_in_fan_out: bool | None = False
    use_rslora: bool | None = False
    lora_bias: bool | None = False
    rank_pattern: Mapping[str, PositiveInt] | None = None
    alpha_pattern: Mapping[str, FiniteFloat] | None = None
    init_lora_weights: bool | str | None = True
    target_parameters: tuple[str, ...] | None = None

    @classmethod
    def of(cls, adapter: Adapter) -> LoraOptions:
        """The options of an adapter.

        Raises:
            Corrupt: a field can't be what it is.
        """
        return parsed(cls, adapter.config.model_extra or {}, label=adapter.pinned.source)

    def scales(self, modules: Collection[str], *, label: str) -> Mapping[str, Scale]:
        """Rank and scale of every module.

        Raises:
            Corrupt: a pattern is no regular expression, or takes too long; `label` is the adapter.
        """
        ranks = _by_pattern(self.rank_pattern, modules, label)
        alphas = _by_pattern(self.alpha_pattern, modules, label)
        return {
            m: Scale(
                rank=ranks.get(m, self.r),
                alpha=alphas.get(m, self.lora_alpha),
                rooted=bool(self.use_rslora),
            )
            for m in modules
        }


def _by_pattern(
    patterns: Mapping[str, _T] | None, modules: Collection[str], label: str
) -> Mapping[str, _T]:
    """By module, the value of the first pattern that its path ends with. Source: peft `get_pattern_key`."""
    texts, values = tuple(patterns or ()), tuple((patterns or {}).values())
    found = Patterns(texts=texts, form=r"(.*\.)?({})$", label=label).first_matches(modules)
    return {module: values[place] for module, (place, _) in found.items()}
