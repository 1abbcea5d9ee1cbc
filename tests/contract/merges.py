"""Files and adapters of any era, and what comes out of a merge by values alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from adapter_merge import assemble
from adapter_merge.plan import Plan
from adapter_merge.request import Request
from tests.contract.eras import ERAS, part_of, renamed
from tests.contract.makers import Tensors, change_tensors

# Without the pooling head's `out_proj`, which its class reads past PEFT's layer.
_TARGETS = re.compile(
    r"(?!.*head\.attention)(?:.*\.)?(?:[qkvo]_proj|up_proj|down_proj|fc1|fc2|out_proj|qkv|proj|linear_1|custom_text_proj|linear"
    r"|embedding_proj_layer|query|value|c_attn|c_proj)"
)
_PREFIX = "base_model.model."
_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "naming.md"


@dataclass(frozen=True, kw_only=True)
class Side:
    """A file or an adapter: which part of the model it is of, and whose names it has.

    `era`: `saved` as `save_pretrained` writes it today, `live` or `new` for the class's own names, or one
    of `ERAS`.
    """

    part: str
    era: str

    @classmethod
    def of(cls, cell: str) -> Side:
        """`saved`, or `headless, saved`."""
        part, _, era = cell.rpartition(", ")
        return cls(part=part or "whole", era=era)


def write_file(name: str, side: Side, folder: Path) -> Path:
    """The base."""
    model = part_of(name, side.part)
    model.save_pretrained(folder)
    path = folder / "model.safetensors"
    tensors = load_file(path)
    if side.era != "saved":
        tied = set(getattr(model, "all_tied_weights_keys", None) or {})
        live = {k: v.contiguous().clone() for k, v in model.state_dict().items() if k not in tied}
        tensors = renamed(live, ERAS.get(name, {}).get(side.era, ()))
    save_file(tensors, path, metadata={"format": "pt"})
    return folder


def write_adapter(name: str, side: Side, folder: Path) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The adapter; gives each adapted weight before and after PEFT's merge."""
    import peft

    model = part_of(name, side.part)
    modules = _adapted(model)
    before = [model.get_submodule(m).weight.detach().clone() for m in modules]
    lora = peft.LoraConfig(r=2, lora_alpha=4, target_modules=modules, init_lora_weights=False)
    wrapped = peft.get_peft_model(model, lora)
    wrapped.save_pretrained(folder)
    merged = wrapped.merge_and_unload()
    after = [merged.get_submodule(m).weight.detach().clone() for m in modules]
    renames = ERAS.get(name, {}).get(side.era, ())
    change_tensors(folder, with_bare_names(lambda tensors: renamed(tensors, renames)))
    return list(zip(before, after, strict=True))


def with_bare_names(change: Callable[[Tensors], Tensors]) -> Callable[[Tensors], Tensors]:
    """A change of an adapter's tensors that doesn't see the prefix which PEFT puts before all names."""

    def changed(tensors: Tensors) -> Tensors:
        bare = {n.removeprefix(_PREFIX): t for n, t in tensors.items()}
        return {_PREFIX + n: t for n, t in change(bare).items()}

    return changed


def _adapted(model: Any) -> list[str]:
    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    return [
        name
        for name, module in model.named_modules()
        if _TARGETS.fullmatch(name)
        and (isinstance(module, kinds) or type(module).__name__ == "Conv1D")
    ]


def expected(base: Path, changes: list[tuple[torch.Tensor, torch.Tensor]]) -> Tensors:
    """The base's file with every adapted weight replaced; found by its values, so no name is asked."""
    after = {_bytes(old): new for old, new in changes}
    tensors = load_file(base / "model.safetensors")
    found = {n: after.pop(_bytes(t), t) for n, t in tensors.items()}
    assert not after, "an adapted weight isn't in the file, or twice"
    return found


def _bytes(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.contiguous().flatten().view(torch.uint8).numpy())


def planned(base: Path, *adapters: Path) -> Plan:
    """The plan of a merge of them."""
    to = base.parent / "planned"
    values = {"base": str(base), "adapters": [str(a) for a in adapters], "to": str(to)}
    return assemble.plan(Request.model_validate(values))


def table(heading: str) -> Iterator[list[str]]:
    """The rows of a table in the page about names, cell by cell."""
    section = _PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]
