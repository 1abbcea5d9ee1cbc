"""Run models: base with adapter, and the merged folder, on the same inputs, in a process of their own.

To add one: a runner in its family's file, a line in `RUNNERS`, a planted fault in its tests.
"""

from __future__ import annotations

from adapter_merge.encoders.encoder import ModelEncoder
from adapter_merge.encoders.inputs import read_inputs
from adapter_merge.encoders.room import free_memory
from adapter_merge.encoders.runners import RUNNERS, runner_of

__all__ = ["RUNNERS", "ModelEncoder", "free_memory", "read_inputs", "runner_of"]
