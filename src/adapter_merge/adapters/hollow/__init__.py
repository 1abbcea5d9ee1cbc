"""PEFT's own layers on a model without weights: what computes every method that isn't a plain LoRA.

The base's class is built with tensors that store one number each; PEFT puts the adapter on it as on a
loaded model. A weight is put into its layer when the merge comes to it, and taken out again.
"""

from __future__ import annotations

from adapter_merge.adapters.hollow.opened import Opened, open_layers
from adapter_merge.adapters.hollow.taken import Taken, taken

__all__ = ["Opened", "Taken", "open_layers", "taken"]
