"""Machines of the Hub for a merge, and for how long.

Source of the table: https://huggingface.co/docs/hub/jobs-pricing (hub-docs at 0b8c07f); the names are those of
`JobHardware` in huggingface_hub 2.4. Nobody here has run a Job on them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from adapter_merge.bot.order import Needs

_GB = 10**9
_SPARE = 1.25  # of what a plan guesses
_IMAGE = 15 * _GB  # of the disk, for the image with torch
_START = 900  # seconds until a machine is there and its image pulled
_RATE = 20e6  # bytes a second, pulled, merged, checked and sent: a slow one
_LEAST, _MOST = 1_800, 24 * 3_600  # seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Flavor:
    """A machine; sizes in bytes.

    Attributes:
        disk: that is gone after the Job.
        gpu: memory of all its GPUs; 0 where it has none.
    """

    name: str
    memory: int
    disk: int
    gpu: int = 0


def _flavor(name: str, memory: int, disk: int, gpu: int = 0) -> Flavor:
    return Flavor(name=name, memory=memory * _GB, disk=disk * _GB, gpu=gpu * _GB)


FLAVORS = (
    _flavor("cpu-basic", 16, 50),
    _flavor("cpu-upgrade", 32, 50),
    _flavor("cpu-xl", 124, 1_000),
    _flavor("cpu-performance", 256, 1_024),
    _flavor("t4-small", 15, 50, 16),
    _flavor("t4-medium", 30, 100, 16),
    _flavor("l4x1", 30, 400, 24),
    _flavor("l4x4", 186, 3_200, 96),
    _flavor("l40sx1", 62, 380, 48),
    _flavor("l40sx4", 382, 3_200, 192),
    _flavor("l40sx8", 1_534, 6_500, 384),
    _flavor("a10g-small", 15, 110, 24),
    _flavor("a10g-large", 46, 200, 24),
    _flavor("a10g-largex2", 92, 1_000, 48),
    _flavor("a10g-largex4", 184, 2_000, 96),
    _flavor("a100-large", 142, 1_000, 80),
    _flavor("a100x4", 568, 4_000, 320),
    _flavor("a100x8", 1_136, 8_000, 640),
    _flavor("h200", 256, 3_000, 141),
    _flavor("h200x2", 512, 6_000, 282),
    _flavor("h200x4", 1_024, 12_000, 564),
    _flavor("h200x8", 2_048, 24_000, 1_128),
    _flavor("rtx-pro-6000", 256, 475, 96),
    _flavor("rtx-pro-6000x2", 512, 950, 192),
    _flavor("rtx-pro-6000x4", 1_024, 1_900, 384),
    _flavor("rtx-pro-6000x8", 2_048, 3_800, 768),
)
UNKNOWN = "cpu-upgrade"  # for a merge that nobody has planned


def fits(flavor: Flavor, needs: Needs) -> bool:
    """Whether a merge has room there; what isn't known of it counts as nothing."""
    memory, disk = needs.memory_bytes or 0, needs.disk_bytes or 0
    return memory * _SPARE <= flavor.memory and disk * _SPARE + _IMAGE <= flavor.disk


def chosen(needs: Needs) -> str | None:
    """The smallest machine that a merge fits, without a GPU, as a merge needs none; None where it fits none of them."""
    if needs.memory_bytes is None and needs.disk_bytes is None:
        return UNKNOWN
    return next((f.name for f in FLAVORS if not f.gpu and fits(f, needs)), None)


def seconds(needs: Needs) -> int:
    """How long a merge may take there, in whole minutes; a slow Hub is allowed for."""
    moved = needs.moved_bytes or needs.disk_bytes or 0
    wanted = _START + moved / _RATE
    return min(max(math.ceil(wanted / 60) * 60, _LEAST), _MOST)
