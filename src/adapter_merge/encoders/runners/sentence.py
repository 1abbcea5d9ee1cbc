"""Sentence-transformers: the whole chain of modules, with its prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_merge.encoders.inputs import Inputs
from adapter_merge.encoders.runners.runner import (
    TRANSFORMERS,
    array,
    lacks_tokenizer,
    options,
    spelt,
)
from adapter_merge.errors import SourceError
from adapter_merge.flavours import Look
from adapter_merge.folder import read_json

if TYPE_CHECKING:
    from PIL.Image import Image

    from adapter_merge.encoders.rows import Outputs

_CONFIG = "config_sentence_transformers.json"
_STOCK = "sentence_transformers."


@dataclass(frozen=True, kw_only=True)
class _Chain:
    """A loaded chain; `vectors` where it gives one for each token."""

    chain: Any
    vectors: bool

    @property
    def model(self) -> Any:
        return self.chain[0].auto_model

    @property
    def kind(self) -> str:
        modules = " > ".join(type(m).__name__ for m in self.chain)
        return f"{type(self.chain).__name__} ({type(self.model).__name__}: {modules})"

    @property
    def facts(self) -> Mapping[str, object]:
        prompts = {k: v for k, v in self.chain.prompts.items() if v}
        return {"similarity": str(self.chain.similarity_fn_name), "prompts": prompts}

    def spell(self, tokens: Sequence[int]) -> str:
        return spelt(self.chain.tokenizer, tokens)

    def run(self, inputs: Inputs, pages: Sequence[Image]) -> Outputs:
        asked = self._encoded("query", self.chain.encode_query, inputs.queries)
        told = self._encoded("text", self.chain.encode_document, inputs.texts)
        seen = self._encoded("page", self.chain.encode_document, pages) if pages else {}
        return {**asked, **told, **seen}

    def _encoded(self, what: str, encode: Any, given: Sequence[object]) -> Outputs:
        import numpy as np

        from adapter_merge.encoders.rows import Rows

        shown: dict[str, Any] = {"show_progress_bar": False, "batch_size": len(given)}
        if not given:
            return {}
        if self.vectors:
            rows = encode(list(given), convert_to_numpy=True, **shown)
            counts = np.array([len(r) for r in rows])
            return {f"{what}.vectors": Rows(values=_flat(rows), counts=counts)}
        found = encode(list(given), output_value=None, **shown)
        outputs = {
            f"{what}.pooled": Rows.single(np.stack([array(f["sentence_embedding"]) for f in found]))
        }
        if all("token_embeddings" in f and "attention_mask" in f for f in found):
            tokens = [array(f["token_embeddings"])[array(f["attention_mask"]) > 0] for f in found]
            counts = np.array([len(t) for t in tokens])
            outputs[f"{what}.tokens"] = Rows(values=_flat(tokens), counts=counts)
        return outputs


def _flat(rows: Sequence[Any]) -> Any:
    import numpy as np

    return np.concatenate([np.asarray(r, dtype=np.float32) for r in rows])


def strange_module(look: Look) -> str | None:
    """What a chain with code of its own would take, as the end of "it needs ..."; None for a stock one.

    sentence-transformers imports the class that `modules.json` names, from the repository where it is not its own.
    """
    strange = next((m for m in look.modules if not m.startswith(_STOCK)), None)
    if strange is None:
        return None
    return (
        f"to import `{strange}`, which `modules.json` names and sentence-transformers does not have: code of a "
        "repository is never run"
    )


class Sentence:
    """A chain that gives one vector for each sentence, or one for each token."""

    name: ClassVar[str] = "sentence"
    packages: ClassVar[tuple[str, ...]] = (*TRANSFORMERS, "sentence-transformers>=6")
    sees: ClassVar[bool] = False

    def fits(self, look: Look) -> bool:
        """By the file that sentence-transformers itself looks for; a `CrossEncoder` gives scores, no vectors."""
        return "modules.json" in look.files and look.setup.get("model_type") != "CrossEncoder"

    def lacks(self, look: Look) -> str | None:
        """A sentence needs a tokenizer, and modules that are no Python code of the repository."""
        return strange_module(look) or lacks_tokenizer(look)

    def load(self, folder: Path, device: str) -> _Chain:
        """As the card's snippet does."""
        import sentence_transformers

        if (why := strange_module(Look.at(folder))) is not None:
            raise ValueError(f"loading it takes {why}")
        if _is_many(folder):
            return _opened(sentence_transformers.MultiVectorEncoder, folder, device, vectors=True)
        return _opened(sentence_transformers.SentenceTransformer, folder, device, vectors=False)


def _is_many(folder: Path) -> bool:
    try:
        return read_json(folder, _CONFIG).get("model_type") == "MultiVectorEncoder"
    except SourceError:
        return False


def _opened(kind: Any, folder: Path, device: str, *, vectors: bool) -> _Chain:
    given = options()
    local = given.pop("local_files_only")
    chain = kind(str(folder), device=device, model_kwargs=given, local_files_only=local)
    return _Chain(chain=chain.eval().float(), vectors=vectors)
