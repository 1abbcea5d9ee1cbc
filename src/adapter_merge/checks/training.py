"""Whether an adapter was trained on the weights that it is merged into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from adapter_merge.checks.check import NEEDS_SOURCES, WARNS_ONLY, listed, passed, skipped, warned
from adapter_merge.checks.seen import Seen
from adapter_merge.finding import Finding
from adapter_merge.sources import Adapter
from adapter_merge.written import read_written


class TrainedUnquantised:
    """An adapter learns to mend what its base got wrong, the rounding of a quantised base too."""

    code: ClassVar[str] = "T012"
    title: ClassVar[str] = "The adapter was trained on unquantised weights"
    why: ClassVar[str] = (
        "A delta that was trained on 4-bit or 8-bit weights also makes up for their rounding, which the "
        "unquantised weights don't have: the merged model is near the trained one, not equal to it."
    )
    fix: ClassVar[str] = (
        "Compare the merged model on your own examples; train on 16-bit weights where it matters."
    )
    look: ClassVar[str] = (
        "Look at `base_model_name_or_path` in `adapter_config.json`, and at `base_model` in the adapter's card."
    )
    ignore: ClassVar[str] = WARNS_ONLY

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """One warning that names the quantised bases, as the adapters' configs or cards have them."""
        if seen.sources is None:
            yield skipped(self, seen, NEEDS_SOURCES)
            return
        names = [name for a in seen.sources.adapters if (name := _quantised(a)) is not None]
        if not names:
            yield passed(self, seen, "no adapter names a quantised base")
            return
        bases = list(dict.fromkeys(names))
        message = (
            f"trained on {listed(bases)}, which {_are(bases)} quantised, and merged into "
            f"{_dtype(seen.sources.base.config)} weights: the delta also makes up for a rounding that "
            "is not there any more"
        )
        yield warned(
            self, seen, message, trained_on=bases, merged_into=seen.sources.base.pinned.source
        )


class NamedBase:
    """The base that an adapter names, against the one that it is merged into."""

    code: ClassVar[str] = "T017"
    title: ClassVar[str] = "The base is the model that the adapter names"
    why: ClassVar[str] = (
        "Models of one family have equal shapes and other weights: merged into another one, the adapter loads and "
        "answers, and is not the trained model."
    )
    fix: ClassVar[str] = "Merge with `--base` as the id that the finding names first."
    look: ClassVar[str] = (
        "Compare `base_model_name_or_path` in `adapter_config.json` with the id of the base, or with "
        "`_name_or_path` in its `config.json` and the title of its card."
    )
    ignore: ClassVar[str] = WARNS_ONLY

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """What the plan warns of."""
        if seen.plan is None:
            yield skipped(self, seen, NEEDS_SOURCES)
        elif said := seen.plan.warnings_of(self.code):
            yield warned(self, seen, said)
        else:
            yield passed(self, seen, "no adapter names another base")


def _quantised(adapter: Adapter) -> str | None:
    """The quantised base that an adapter names; its card counts where the config names none."""
    written = adapter.config.base_model_name_or_path
    cards = () if adapter.readme is None else adapter.readme.texts("base_model")
    names = (written,) if read_written(written) is not None else cards
    quantised = (n for n in names if (base := read_written(n)) is not None and base.quantised)
    return next(quantised, None)


def _are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _dtype(config: Mapping[str, Any]) -> str:
    """The dtype that the base's config names, in one word."""
    dtype = config.get("dtype") or config.get("torch_dtype")
    return dtype if isinstance(dtype, str) else "unquantised"
