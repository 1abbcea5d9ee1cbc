"""What a flavour is."""

from __future__ import annotations

from typing import Protocol

from adapter_merge.flavours.look import Look


class Flavour(Protocol):
    """One kind of model repository."""

    @property
    def library_name(self) -> str:
        """What the Hub shows as library, and counts downloads by."""
        ...

    def fits(self, look: Look) -> bool:
        """Whether a repository is of this kind."""
        ...

    def pipeline_tag(self, look: Look) -> str | None:
        """The Hub's name of the task; None where nothing tells it."""
        ...

    def snippet(self, look: Look, source: str, revision: str | None) -> str:
        """Python that loads the model and does one thing with it; `source` is a folder or a Hub id."""
        ...


def arguments(source: str, revision: str | None, look: Look) -> str:
    """The arguments of `from_pretrained`."""
    said = repr(source) if revision is None else f"{source!r}, revision={revision!r}"
    return f"{said}, trust_remote_code=True" if look.config.get("auto_map") else said
