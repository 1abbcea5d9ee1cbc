"""F008 and F009: a bundle, which is the base's weights with the adapter beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from adapter_merge.checks.check import failed, passed, skipped, warned
from adapter_merge.checks.seen import Bundle, Seen
from adapter_merge.finding import Finding
from adapter_merge.folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS, INDEX
from adapter_merge.written import read_written

_NO_BUNDLE = "it is no bundle"
_ID = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lead:
    """Where `base_model_name_or_path` leads: `wrong` for sure, `open` where nobody here can tell."""

    wrong: str = ""
    open: str = ""


class LeadsToItself:
    """F008."""

    code = "F008"
    title = "A bundle leads to itself, and has an index"
    why = (
        "Given an id, loaders take the base from where `adapter_config.json` says, and vLLM reads the adapter "
        "as weights where no index names the others."
    )
    fix = "Bundle again where it will lie: `--to` for a folder or a Hub, `--bundle-as ORG/NAME` for a folder that goes there later."
    look = "Look at `base_model_name_or_path` and `revision` in `adapter_config.json`, and for `model.safetensors.index.json`."
    ignore = "For a bundle that will be moved to where it leads."

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """The adapter's config against the bundle's place; its own two files, and the index."""
        if seen.bundle is None:
            yield passed(self, seen, _NO_BUNDLE)
            return
        lead = _lead(seen.bundle)
        wrong = [*_missing(seen), *([lead.wrong] if lead.wrong else ())]
        says = seen.bundle.says
        if wrong:
            taken = "" if seen.is_bundle else "taken for a bundle: "
            yield failed(self, seen, taken + "; ".join(wrong), leads_to=says)
        elif lead.open:
            yield warned(self, seen, lead.open, leads_to=says)
        else:
            yield passed(self, seen, f"it has an index, and leads to `{says}`", leads_to=says)


def _missing(seen: Seen) -> Iterator[str]:
    for path in (ADAPTER_CONFIG, ADAPTER_WEIGHTS, INDEX):
        if path not in seen.files:
            yield f"there is no `{path}`"


def _lead(bundle: Bundle) -> _Lead:
    says = bundle.says
    if not isinstance(says, str) or not says:
        return _Lead(wrong="`base_model_name_or_path` is empty, so an id leads nowhere")
    if bundle.revision is not None:
        return _Lead(wrong=f"it asks for the revision `{bundle.revision}` of `{says}`")
    if _ID.fullmatch(says) is None:
        is_home = Path(says).is_absolute() and Path(says).resolve() == bundle.home.resolve()
        meant = bundle.meant is None or bundle.meant == says
        return _Lead() if is_home and meant else _Lead(wrong=f"it leads to `{says}`, not here")
    cached = read_written(str(bundle.home))
    known = bundle.meant or (cached.repo if cached is not None and not cached.path else None)
    if known is None or _ID.fullmatch(known) is None:
        return _Lead(
            open=f"it leads to `{says}`: right where that is its own id, else loaders take the base from there"
        )
    return _Lead() if says == known else _Lead(wrong=f"it leads to `{says}`, and is `{known}`")


class LoadersFindAll:
    """F009."""

    code = "F009"
    title = "Loaders find the whole adapter of a bundle"
    why = "What a loader doesn't know stays without effect, in silence: names of older classes, and in transformers some methods' own tensors, such as DoRA's."
    fix = "Merge it with `--layout merged`, which takes all of them."
    look = "The finding names tensors of the adapter; compare them with the names in `model.safetensors.index.json`."
    ignore = "Only where the bundle is loaded with the older libraries alone."

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """What PEFT and transformers said, on the model's class without weights."""
        bundle = seen.bundle
        if bundle is None:
            yield passed(self, seen, _NO_BUNDLE)
        elif bundle.unasked:
            yield skipped(self, seen, f"not checked: {bundle.unasked}")
        elif bundle.lost:
            yield failed(self, seen, f"loaders don't take the whole adapter: {bundle.lost}")
        else:
            yield passed(
                self, seen, f"PEFT and transformers take every tensor of it on `{bundle.taken_by}`"
            )
