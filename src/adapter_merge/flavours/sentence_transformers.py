"""Sentence-transformers: a chain of modules around an encoder."""

from __future__ import annotations

from adapter_merge.flavours.flavour import arguments
from adapter_merge.flavours.look import Look


class SentenceTransformers:
    """A folder with `modules.json`."""

    library_name = "sentence-transformers"

    def fits(self, look: Look) -> bool:
        """Sentence-transformers itself looks for this file."""
        return "modules.json" in look.files

    def pipeline_tag(self, look: Look) -> str:
        """The Hub's widget compares sentences."""
        return "sentence-similarity"

    def snippet(self, look: Look, source: str, revision: str | None) -> str:
        """Two sentences, compared."""
        return f"""\
from sentence_transformers import SentenceTransformer

model = SentenceTransformer({arguments(source, revision)})
embeddings = model.encode(["Where is the harbour?", "The harbour lies in the north."])
print(model.similarity(embeddings, embeddings))
"""
