"""Tables about transformers' classes agree with the sources of the installed transformers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_merge.adapters.conv1d import CONV1D_NAMES, CONV1D_TYPES
from adapter_merge.adapters.heads import FAMILIES
from adapter_merge.naming import vocabulary_tensors
from tests.naming.test_resolve import checkpoint

# Folders of transformers whose models have other types.
TYPES_OF_FOLDER = {"openai": {"openai-gpt"}, "clvp": {"clvp", "clvp_decoder"}}
# Tied, but no pair of a word embedding and its head; or of a name that other tensors have as well.
OTHER_TIES = re.compile(
    r"(decoder|head|output|unembedding_projection|ctc_head|encoder\.out|transformer\.w"
    r"|entity_predictions\.decoder|.*entity_embeddings|.*embed_audio_tokens|.*embedding_projection"
    r"|.*relative_attention_bias|.*patch(es|_embed)\.proj|.*codec_embedding|.*norm|.*layers\\\..*)\.?weight"
)


def sources() -> Iterator[tuple[str, str]]:
    """Folder and text of every model of the installed transformers."""
    import transformers

    for path in Path(transformers.__file__).parent.glob("models/*/modeling_*.py"):
        yield path.parent.name, path.read_text()


def test_the_classes_that_store_weights_transposed_are_known() -> None:
    types: set[str] = set()
    names: set[str] = set()
    for folder, text in sources():
        found = set(re.findall(r"self\.(\w+) = Conv1D\(", text))
        names |= found
        types |= TYPES_OF_FOLDER.get(folder, {folder}) if found else set()
    assert types == CONV1D_TYPES
    assert names == CONV1D_NAMES


@pytest.mark.parametrize(
    "task", ["SequenceClassification", "TokenClassification", "QuestionAnswering"]
)
def test_the_classes_with_a_head_are_those_of_the_auto_classes(task: str) -> None:
    import transformers

    mapping = getattr(transformers, f"AutoModelFor{task}")._model_mapping
    found = {kind: mapping[transformers.CONFIG_MAPPING[kind]].__name__ for kind in FAMILIES}
    assert found == {kind: f"{family}For{task}" for kind, family in FAMILIES.items()}


def _ties(text: str) -> Iterator[str]:
    """Both names of every pair of weights that a class ties."""
    for assigned in re.findall(r"^    _tied_weights_keys = (\{[^}]*\})", text, re.MULTILINE):
        for pair in ast.literal_eval(assigned).items():
            yield from (name for name in pair if name.endswith("weight"))


def test_the_names_of_tied_vocabularies_are_known() -> None:
    names = {name for _, text in sources() for name in _ties(text)}
    assert len(names) > 20
    unknown = {n for n in names if vocabulary_tensors(checkpoint([n])) != (n,)}
    assert {n for n in unknown if not OTHER_TIES.fullmatch(n)} == set()


@pytest.mark.parametrize("name", ["encoder.embeddings.position_embeddings.weight", "fc.weight"])
def test_other_names_are_no_vocabulary(name: str) -> None:
    assert vocabulary_tensors(checkpoint([name])) == ()
