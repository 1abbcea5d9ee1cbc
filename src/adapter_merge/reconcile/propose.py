"""Which results are proposed where nobody says how they are published: embeddings, once somebody may have indexed them."""

from __future__ import annotations

from adapter_merge.readme import Readme
from adapter_merge.remote import RemoteTarget
from adapter_merge.request import Request

# Tasks whose outputs are kept and compared with later ones, as the Hub calls them.
_EMBEDS = frozenset(
    {
        "feature-extraction",
        "image-feature-extraction",
        "sentence-similarity",
        "visual-document-retrieval",
    }
)
# Libraries whose models do that, where no task is said.
_EMBEDDERS = frozenset({"colpali", "colpali-engine", "sentence-transformers"})

NOTE = (
    "vectors of the result that stands may be in somebody's index, so the new one is proposed in a pull request; "
    "`publish: commit` puts it there at once"
)


def proposes(request: Request, remote: RemoteTarget | None) -> bool:
    """Whether new weights go into a pull request though the entry doesn't say so."""
    said = {"publish", "branch", "tag"} & request.model_fields_set
    if said or remote is None or remote.receipt is None:
        return False
    return remote.readme is not None and embeds(remote.readme)


def embeds(card: Readme) -> bool:
    """Whether a card is that of a model whose outputs are kept in an index."""
    task = card.text("pipeline_tag")
    if task is None:
        return card.text("library_name") in _EMBEDDERS
    return task in _EMBEDS
