"""The fields of `adapter_config.json` that only LoRA has."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt, ValidationError

from adapter_merge.errors import Corrupt
from adapter_merge.sources import Adapter

_T = TypeVar("_T")


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

    @classmethod
    def of(cls, adapter: Adapter) -> LoraOptions:
        """The options of an adapter.

        Raises:
            Corrupt: a field can't be what it is, or a pattern is no regular expression.
        """
        label = adapter.pinned.source
        try:
            options = cls.model_validate(adapter.config.model_extra or {})
        except ValidationError as e:
            where, what = e.errors()[0]["loc"], e.errors()[0]["msg"].lower()
            raise Corrupt(
                f"`adapter_config.json` of `{label}` has an impossible `{where[0]}`: {what}",
                hint="Repair the field, or save the adapter again with PEFT.",
            ) from e
        for pattern in (*(options.rank_pattern or ()), *(options.alpha_pattern or ())):
            _check_pattern(pattern, label)
        return options

    def rank(self, module: str) -> int:
        """The rank of a module's factors."""
        return _by_pattern(self.rank_pattern, module, self.r)

    def scale(self, module: str) -> tuple[float, float]:
        """Alpha, and what it is divided by: the rank, or its root for rsLoRA."""
        rank = self.rank(module)
        alpha = _by_pattern(self.alpha_pattern, module, self.lora_alpha)
        return alpha, math.sqrt(rank) if self.use_rslora else rank


def _check_pattern(pattern: str, label: str) -> None:
    try:
        re.compile(_ending(pattern))
    except re.error as e:
        raise Corrupt(
            f"the pattern `{pattern}` in `adapter_config.json` of `{label}` is not a regular expression: {e}",
            hint="Repair `rank_pattern` or `alpha_pattern`.",
        ) from e


def _ending(pattern: str) -> str:
    return rf"(.*\.)?({pattern})$"


def _by_pattern(patterns: Mapping[str, _T] | None, module: str, default: _T) -> _T:
    """The value of the first pattern that the path ends with. Source: peft `get_pattern_key`."""
    found = (v for p, v in (patterns or {}).items() if re.match(_ending(p), module))
    return next(found, default)
