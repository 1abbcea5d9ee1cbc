"""Faults that a merged folder can have, planted in a good one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from safetensors.torch import load_file, save_file

from adapter_merge.encoders.probes import towers
from tests.contract.makers import Tensors

Plant: TypeAlias = Callable[[Path, Path], bool]
_PROJECTIONS = ("custom_text_proj.weight", "embedding_proj_layer.weight")


def weights(folder: Path) -> Path:
    return folder / "model.safetensors"


def _changed(base: Path, merged: Path) -> list[str]:
    one, other = load_file(weights(base)), load_file(weights(merged))
    return [n for n in one if n in other and not one[n].equal(other[n])]


def _edit(base: Path, merged: Path, names: list[str], change: Callable[..., object]) -> bool:
    """Write `change(before, after)` into the named tensors."""
    one, other = load_file(weights(base)), load_file(weights(merged))
    for name in names:
        other[name] = change(one[name].float(), other[name].float()).to(other[name].dtype)  # type: ignore[attr-defined]
    save_file(other, weights(merged), metadata={"format": "pt"})
    return bool(names)


def one_module(base: Path, merged: Path) -> bool:
    """The last adapted module that every text reaches is the base's."""
    changed = [n for n in _changed(base, merged) if not n.endswith(_PROJECTIONS)]
    names = [n for n in changed if towers([n]) == {"text"}]
    return _edit(base, merged, names[-1:], lambda before, _after: before)


def half(base: Path, merged: Path) -> bool:
    return _edit(base, merged, _changed(base, merged), lambda b, a: (a + b) / 2)


def twice(base: Path, merged: Path) -> bool:
    return _edit(base, merged, _changed(base, merged), lambda b, a: 2 * a - b)


def not_a_number(base: Path, merged: Path) -> bool:
    """The last adapted module that every text reaches overflowed."""
    changed = [n for n in _changed(base, merged) if towers([n]) == {"text"}]
    return _edit(base, merged, changed[-1:], lambda _before, after: after * float("nan"))


def projection(base: Path, merged: Path) -> bool:
    names = [n for n in _changed(base, merged) if n.endswith(_PROJECTIONS)]
    return _edit(base, merged, names, lambda before, _after: before)


def vision(base: Path, merged: Path) -> bool:
    names = [n for n in _changed(base, merged) if towers([n]) == {"vision"}]
    return _edit(base, merged, names, lambda before, _after: before)


def wrong_base(base: Path, merged: Path) -> bool:
    """One tensor that no adapter touches is another model's."""
    changed = set(_changed(base, merged))
    tensors = load_file(weights(base))
    name = next(
        n for n in tensors if n not in changed and tensors[n].ndim == 2 and "vision" not in n
    )
    return _edit(base, merged, [name], lambda before, _after: before.roll(1, 0))


def random_projection(base: Path, merged: Path) -> bool:
    """The file lacks the last layer: a loader makes one up."""
    tensors: Tensors = load_file(weights(merged))
    ends = (*_PROJECTIONS, "lm_head.weight", "classifier.weight", "output.dense.weight")
    name = next((n for n in tensors if n.endswith(ends)), None)
    if name is None:
        return False
    del tensors[name]
    save_file(tensors, weights(merged), metadata={"format": "pt"})
    return True


def normalize(base: Path, merged: Path) -> bool:
    path = merged / "modules.json"
    if not path.exists():
        return False
    modules = json.loads(path.read_text())
    kept = [m for m in modules if not m["type"].endswith("Normalize")]
    path.write_text(json.dumps(kept))
    return len(kept) < len(modules)


_OTHER = {
    "BertForSequenceClassification": "BertModel",
    "BertModel": "BertForMaskedLM",
    "BertForMaskedLM": "BertModel",
    "ColPaliForRetrieval": "PaliGemmaForConditionalGeneration",
    "ColPali": "PaliGemmaForConditionalGeneration",
    "ColQwen2": "Qwen2VLModel",
    "LlamaForCausalLM": "LlamaForSequenceClassification",
    "GPT2LMHeadModel": "GPT2Model",
}


def wrong_class(base: Path, merged: Path) -> bool:
    config = json.loads((merged / "config.json").read_text())
    other = _OTHER.get(config["architectures"][0])
    if other is None or (merged / "modules.json").exists():
        return False
    (merged / "config.json").write_text(json.dumps({**config, "architectures": [other]}))
    return True


def labels(base: Path, merged: Path) -> bool:
    config = json.loads((merged / "config.json").read_text())
    if "ForSequenceClassification" not in config["architectures"][0]:
        return False
    config["id2label"] = {"0": "yes", "1": "no", "2": "perhaps"}
    (merged / "config.json").write_text(json.dumps(config))
    return True


def prompts(base: Path, merged: Path) -> bool:
    path = merged / "config_sentence_transformers.json"
    if not path.exists():
        return False
    path.write_text(json.dumps({**json.loads(path.read_text()), "prompts": {}}))
    return True


FAULTS: dict[str, Plant] = {
    "one module lost": one_module,
    "scale halved": half,
    "adapter twice": twice,
    "not a number": not_a_number,
    "projection lost": projection,
    "vision lost": vision,
    "wrong base": wrong_base,
    "random last layer": random_projection,
    "Normalize lost": normalize,
    "wrong class": wrong_class,
    "other labels": labels,
    "prompts lost": prompts,
}


def plant(fault: str, base: Path, merged: Path, to: Path) -> bool:
    """Copy the good folder and spoil it; False where the fault can't be in such a folder."""
    shutil.copytree(merged, to)
    return FAULTS[fault](base, to)
