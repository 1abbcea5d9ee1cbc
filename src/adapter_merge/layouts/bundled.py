"""The bundled layout: the base's weights as they are, the adapter beside them, all in one folder.

Loaders take the base from the folder that they are given where it has a `config.json`, and from
`base_model_name_or_path` where they are given an id; AutoPeft and sentence-transformers always follow it.
So it leads to the bundle itself. Source: transformers 5.23 `auto_factory.py`, peft 0.21 `auto.py`,
sentence-transformers 6.2 `base/modules/transformer.py`; the tests load bundles with each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from adapter_merge.folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from adapter_merge.layouts.config import ConfigEdits
from adapter_merge.layouts.merged import Merged
from adapter_merge.layouts.repo import Repo
from adapter_merge.layouts.rewrite import Assignment, Rewrite, rewrite
from adapter_merge.layouts.side import Side
from adapter_merge.layouts.wishes import Wishes
from adapter_merge.plan import SideFile
from adapter_merge.sources import Adapter, Sources

_ITSELF = frozenset({ADAPTER_CONFIG, ADAPTER_WEIGHTS})


class Bundled:
    """The side files of the merged layout, and the adapter's own two."""

    merges = False

    def settings(self, sources: Sources, wishes: Wishes) -> Mapping[str, str]:
        """Where the bundle leads to itself: the id that it will have, or the folder that it gets."""
        target = sources.target
        place = str(target.root) if target.remote is None else target.remote.repo
        return {"bundle_as": wishes.bundle_as or place}

    def side(
        self,
        sources: Sources,
        edits: ConfigEdits,
        weight_files: frozenset[str],
        wishes: Wishes,
    ) -> Side:
        """Decide on every file of base and adapter; nothing is written.

        Raises:
            Corrupt: a JSON file that has to be read isn't valid.
        """
        side = Merged().side(sources, edits, weight_files, wishes)
        adapter = Repo.of(sources.adapters[0])
        rewrites = rewrite(adapter, _leading(**self.settings(sources, wishes)))
        files = [f for f in side.files if f.path not in _ITSELF]
        files += _adapter(sources.adapters[0], rewrites)
        return replace(
            side,
            files=tuple(sorted(files, key=lambda f: f.path)),
            left_behind=tuple(
                f for f in side.left_behind if f.origin != adapter.origin or f.path not in _ITSELF
            ),
            changes=(*side.changes, *(c for r in rewrites for c in r.changes)),
        )


def _leading(bundle_as: str) -> Iterator[Assignment]:
    why = "loaders find the base there: in this bundle"
    yield Assignment(file=ADAPTER_CONFIG, key="base_model_name_or_path", value=bundle_as, why=why)
    yield Assignment(
        file=ADAPTER_CONFIG, key="revision", value=None, why="it was one of the base's repository"
    )


def _adapter(adapter: Adapter, rewrites: tuple[Rewrite, ...]) -> Iterator[SideFile]:
    made = {r.path: r.content for r in rewrites}
    root = adapter.pinned.root
    for path in sorted(_ITSELF):
        content, file = made.get(path), adapter.files.get(path)
        source = root / path if file is not None else adapter.weights
        size = file.size if file is not None else adapter.checkpoint.files[0].size
        yield SideFile(
            path=path,
            source=source if content is None else None,
            content=content,
            size=size if content is None else len(content),
            origin=adapter.pinned.source,
        )
