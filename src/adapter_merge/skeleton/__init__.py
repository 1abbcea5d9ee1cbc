"""A model's class without its weights: the names it has today, and how transformers comes to them."""

from __future__ import annotations

from adapter_merge.skeleton.build import (
    Absent,
    family_model,
    settings_of,
    skeleton_from,
    skeleton_of,
)
from adapter_merge.skeleton.family import architectures, engine_class
from adapter_merge.skeleton.filled import (
    AsBefore,
    Filled,
    file_filled,
    filled_by,
    may_double,
    same_class,
)
from adapter_merge.skeleton.joint import Joint
from adapter_merge.skeleton.tree import Part, Place, Skeleton

__all__ = [
    "Absent",
    "AsBefore",
    "Filled",
    "Joint",
    "Part",
    "Place",
    "Skeleton",
    "architectures",
    "engine_class",
    "family_model",
    "file_filled",
    "filled_by",
    "may_double",
    "same_class",
    "settings_of",
    "skeleton_from",
    "skeleton_of",
]
