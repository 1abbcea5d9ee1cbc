"""The form that transformers itself loads, for models of colpali-engine: which class, and what its tensors are called.

Each tensor gets the name that every loader of the form reads: the class in transformers 4.57 and 5, and for
ColPali vLLM. So the vision tower of ColPali keeps the level `vision_model`, which transformers 5 takes out
of its own files. Source: transformers 4.57 and 5.23, `models/colpali` and `models/colqwen2`; vLLM 0.33,
`model_executor/models/colpali.py` and `siglip.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from adapter_merge.errors import Layout, MissingTarget, RequestError, Unclaimed, UnsupportedError
from adapter_merge.plan import PlannedTensor
from adapter_merge.skeleton import architectures, engine_class
from adapter_merge.sources import Base

_PROJECTION = "embedding_proj_layer."


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """A retrieval class of transformers.

    Attributes:
        architecture: its name.
        model_type: of its config.
        processor: the class that prepares its inputs.
        names: beginnings of names in a file of colpali-engine, of any release -> what they become here; None
            where the class has no such tensor. The first that fits counts.
        prompts: how its processor asks otherwise than colpali-engine's, as a sentence goes on.
    """

    architecture: str
    model_type: str
    processor: str
    names: tuple[tuple[str, str | None], ...]
    prompts: str

    def renamed(self, tensors: Sequence[PlannedTensor]) -> list[PlannedTensor]:
        """The planned tensors under the form's names, without those that its class doesn't have.

        Raises:
            Layout: a tensor has no place in the class, or two have the same.
            Unclaimed: an adapter changes a tensor that the class doesn't have.
        """
        names = {t.info.name: self._name(t.info.name) for t in tensors}
        kept = [
            replace(t, info=replace(t.info, name=n)) for t in tensors if (n := names[t.info.name])
        ]
        self._refuse_doubles(t.info.name for t in kept)
        self._refuse_lost(kept, [t for t in tensors if names[t.info.name] is None])
        return kept

    def _name(self, name: str) -> str | None:
        for start, wanted in self.names:
            if name.startswith(start):
                return None if wanted is None else wanted + name.removeprefix(start)
        raise Layout(
            f"`--native` has no place for the base's tensor `{name}`: `{self.architecture}` has none like it",
            hint="Merge without `--native`; the result keeps colpali-engine's form.",
        )

    def _refuse_doubles(self, names: Iterable[str]) -> None:
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise Layout(
                f"two tensors of the base would be `{twice[0]}` of `{self.architecture}`",
                hint="The base's file has names of two releases; save it again with colpali-engine.",
            )

    def _refuse_lost(self, kept: Sequence[PlannedTensor], left: Sequence[PlannedTensor]) -> None:
        used = {tensor for t in kept if t.edit is not None for tensor in t.edit.uses}
        lost = [t for t in left if t.edit is not None and not used.issuperset(t.edit.uses)]
        if lost:
            raise Unclaimed(
                f"the adapter changes `{lost[0].info.name}`, which `{self.architecture}` doesn't have",
                hint="Merge without `--native`; no embedding depends on that tensor.",
            )

    def dimension(self, tensors: Iterable[PlannedTensor]) -> int:
        """The length of an embedding, by the renamed tensors.

        Raises:
            MissingTarget: the projection isn't there.
        """
        for tensor in tensors:
            if tensor.info.name == f"{_PROJECTION}weight":
                return tensor.info.shape[0]
        raise MissingTarget(
            f"the base has no projection, so `{self.architecture}` would get a random one",
            hint="Take the base that the adapter was trained on; its name often ends in `-base`.",
        )


_TOWER = "vlm.vision_tower.vision_model."
_CONNECTOR = "vlm.multi_modal_projector."
_TEXT = "vlm.model.language_model."
FORMS: Mapping[str, Form] = {
    "ColPali": Form(
        architecture="ColPaliForRetrieval",
        model_type="colpali",
        processor="ColPaliProcessor",
        names=(
            ("custom_text_proj.", _PROJECTION),
            ("model.lm_head.", None),
            ("model.language_model.lm_head.", None),
            ("model.language_model.model.", "vlm.language_model.model."),
            ("model.model.language_model.", "vlm.language_model.model."),
            ("model.vision_tower.vision_model.", _TOWER),
            ("model.vision_tower.", _TOWER),
            ("model.model.vision_tower.vision_model.", _TOWER),
            ("model.model.vision_tower.", _TOWER),
            ("model.multi_modal_projector.", _CONNECTOR),
            ("model.model.multi_modal_projector.", _CONNECTOR),
        ),
        prompts="queries begin with `Question: ` and end in a line break",
    ),
    "ColQwen2": Form(
        architecture="ColQwen2ForRetrieval",
        model_type="colqwen2",
        processor="ColQwen2Processor",
        names=(
            ("custom_text_proj.", _PROJECTION),
            ("lm_head.", None),
            ("model.visual.", "vlm.model.visual."),
            ("visual.", "vlm.model.visual."),
            ("model.language_model.", _TEXT),
            ("language_model.", _TEXT),
            ("model.", _TEXT),
        ),
        prompts="queries begin with `Query: ` and end in a line break",
    ),
}


def native_form(base: Base) -> Form:
    """The form of the class that a base was saved from.

    Raises:
        RequestError: the base has it already.
        UnsupportedError: there is none.
    """
    stated = architectures(base.config)
    label = base.pinned.source
    for name in stated:
        if name.startswith("Col") and name.endswith("ForRetrieval"):
            raise RequestError(
                f"`--native` has nothing to do: `{label}` is a `{name}`, which is a class of transformers",
                hint="Leave `--native` out; the result has the base's form.",
            )
    engine = engine_class(base.config, base.checkpoint.tensors)
    if engine is not None and engine in FORMS:
        return FORMS[engine]
    raise UnsupportedError(
        f"`--native` {_why_not(engine, stated, label)}; it writes that of {' and '.join(f'`{f}`' for f in FORMS)}",
        hint="Merge without `--native`; the result has the base's form.",
    )


def _why_not(engine: str | None, stated: Sequence[str], label: str) -> str:
    if engine is None:
        name = stated[0] if stated else "no class"
        return f"is for models of colpali-engine, and `{label}` names `{name}`"
    return f"knows no form of transformers for `{engine}` of `{label}`"
