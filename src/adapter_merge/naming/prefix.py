"""A model's inner part and the whole model differ by one leading name: `base_model_prefix`.

A checkpoint saved by `BertModel` has `encoder.layer.0`, an adapter trained on
`BertForSequenceClassification` has `bert.encoder.layer.0`; GPT-2's published file is the first, a Llama
adapter trained on `LlamaModel` meets the opposite case. transformers strips or adds the prefix when it
loads. Source: transformers `PreTrainedModel.base_model_prefix`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapter_merge.checkpoint import Checkpoint
from adapter_merge.naming.rule import Attempt
from adapter_merge.plan import Need


class BasePrefix:
    """One leading name is taken off all modules, or put before all."""

    def attempts(self, needs: Sequence[Need], checkpoint: Checkpoint) -> Iterable[Attempt]:
        """Strip what all modules begin with; add what tensors of the checkpoint begin with."""
        heads = {need.name.split(".", 1)[0] for need in needs if need.required}
        if len(heads) == 1:
            yield _strip(f"{heads.pop()}.")
        firsts = {name.split(".", 1)[0] for name in checkpoint.tensors if name.count(".") > 1}
        for first in sorted(firsts):
            yield _add(f"{first}.", frozenset(checkpoint.tensors))


def _strip(prefix: str) -> Attempt:
    return Attempt(
        how=f"the checkpoint leaves out `{prefix}`", spell=lambda name: name.removeprefix(prefix)
    )


def _add(prefix: str, known: frozenset[str]) -> Attempt:
    def spell(name: str) -> str:
        # A head lies beside the inner part, so its name has no prefix; neither has one that is added.
        return prefix + name if prefix + name in known else name

    return Attempt(how=f"the checkpoint puts `{prefix}` before", spell=spell)
