"""A good little merge, made in code: base, adapter, plan and merged folder, for faults to be planted in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from adapter_merge.adapters.steps import LowRank, Replacement, TensorEdit
from adapter_merge.checkpoint import Checkpoint
from adapter_merge.finding import Finding, Outcome
from adapter_merge.folder import list_files, record
from adapter_merge.plan import (
    AdapterTensor,
    BaseTensor,
    Edit,
    Plan,
    PlannedTensor,
    ShardPlan,
    SideFile,
    WeighedAdapter,
)
from adapter_merge.readme import Readme
from adapter_merge.receipt import MethodRecord
from adapter_merge.report import Merged
from adapter_merge.repository import Folder, open_adapter, open_checkpoint
from adapter_merge.sources import (
    Adapter,
    AdapterConfig,
    Base,
    Pinned,
    Sources,
    Target,
    TargetState,
)
from adapter_merge.stages.validate import inspect, validate

EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"
FIRST, SECOND = "model.layers.0.proj.weight", "model.layers.1.proj.weight"
NORM, ADDED = "model.norm.weight", "score.weight"
SCALE = 2.0
CARD = Readme.parse("---\nlicense: apache-2.0\n---\n")
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Case:
    """The folders and values of one merge."""

    folder: Path
    plan: Plan
    sources: Sources

    @property
    def base(self) -> Path:
        return self.sources.base.pinned.root

    def own(self) -> tuple[Finding, ...]:
        """Judge the folder as ours, with the sizes that it has now."""
        files = {path: record(self.folder / path) for path in list_files(self.folder)}
        return self.own_with(Merged(folder=self.folder, files=files))

    def own_with(self, merged: Merged) -> tuple[Finding, ...]:
        return validate(
            self.plan, self.sources, merged, workers=2, advance=lambda _n: None
        ).findings

    def foreign(self) -> tuple[Finding, ...]:
        """Judge the folder as another program's."""
        return inspect(
            Folder(self.folder), self.plan, self.sources, workers=2, advance=lambda _n: None
        ).findings

    def alone(self) -> tuple[Finding, ...]:
        """Judge the folder without knowing its sources."""
        return inspect(Folder(self.folder), None, None, workers=2, advance=lambda _n: None).findings

    def change(self, change: Callable[[Tensors], object]) -> None:
        """Let `change` work on the merged tensors, and write them back."""
        rewrite(self.folder, change)

    def with_plan(self, **changes: object) -> Case:
        return replace(self, plan=replace(self.plan, **changes))  # type: ignore[arg-type]


def rewrite(folder: Path, change: Callable[[Tensors], object]) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file({n: t.contiguous() for n, t in tensors.items()}, path, metadata={"format": "pt"})


def outcomes(findings: tuple[Finding, ...]) -> dict[str, set[Outcome]]:
    """Code -> outcomes."""
    found: dict[str, set[Outcome]] = {}
    for finding in findings:
        found.setdefault(finding.code, set()).add(finding.outcome)
    return found


def having(findings: tuple[Finding, ...], outcome: Outcome) -> set[str]:
    """Codes with this outcome."""
    return {f.code for f in findings if f.outcome is outcome}


def base_tensors(dtype: torch.dtype = torch.bfloat16) -> Tensors:
    generator = torch.Generator().manual_seed(0)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    embed = some(12, 8).to(dtype)
    return {
        EMBED: embed,
        HEAD: embed.clone(),
        FIRST: some(40, 8).to(dtype),
        SECOND: some(8, 24).to(dtype),
        NORM: torch.ones(8),
    }


def adapter_tensors() -> Tensors:
    generator = torch.Generator().manual_seed(1)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator) * 0.1

    return {
        "first.A": some(4, 8),
        "first.B": some(40, 4),
        "second.A": some(4, 24),
        "second.B": some(8, 4),
        "score": some(3, 8),
    }


def merged_tensors(base: Tensors, adapter: Tensors, scale: float = SCALE) -> Tensors:
    """The merge by torch, whole tensors at a time."""

    def plus(name: str, key: str) -> torch.Tensor:
        wide = torch.promote_types(base[name].dtype, torch.float32)
        delta = (adapter[f"{key}.B"].to(wide) @ adapter[f"{key}.A"].to(wide)) * scale
        return (base[name].to(wide) + delta).to(base[name].dtype)

    return {
        **base,
        FIRST: plus(FIRST, "first"),
        SECOND: plus(SECOND, "second"),
        ADDED: adapter["score"].to(base[FIRST].dtype),
    }


def write_model(folder: Path, tensors: Tensors) -> Checkpoint:
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    sizes = {"vocab_size": 12, "hidden_size": 8, "tie_word_embeddings": True}
    config = {**sizes, "model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(config))
    vocabulary = {f"w{i}": i for i in range(11)}
    tokenizer = {"model": {"vocab": vocabulary}, "added_tokens": [{"id": 11, "content": "<s>"}]}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return open_checkpoint(folder)


def make_case(root: Path, dtype: torch.dtype = torch.bfloat16) -> Case:
    """A merge with two low-rank edits, an added head, a tied pair and a norm that is copied."""
    before, saved = base_tensors(dtype), adapter_tensors()
    base = write_model(root / "base", before)
    (root / "adapter").mkdir()
    save_file(saved, root / "adapter" / "adapter_model.safetensors")
    out = write_model(root / "merged", merged_tensors(before, saved))
    sources = _sources(root, base, open_adapter(root / "adapter"))
    return Case(folder=root / "merged", plan=_plan(sources, out, root / "base"), sources=sources)


def _sources(root: Path, base: Checkpoint, adapter: Checkpoint) -> Sources:
    return Sources(
        adapters=(
            Adapter(
                pinned=Pinned(source="./adapter", root=root / "adapter"),
                weight=1.0,
                config=AdapterConfig(),
                checkpoint=adapter,
                files={},
                readme=None,
            ),
        ),
        base=Base(
            pinned=Pinned(source="./base", root=root / "base"),
            config={},
            checkpoint=base,
            files={},
            tied=(EMBED, HEAD),
            readme=CARD,
        ),
        target=Target(
            source="./merged",
            root=root / "merged",
            state=TargetState.ABSENT,
            receipt=None,
            sizes={},
            readme=None,
        ),
    )


def low_rank(target: str, key: str, scale: float = SCALE) -> TensorEdit:
    a, b = (AdapterTensor(adapter=0, name=f"{key}.{part}") for part in "AB")
    step = LowRank(a=a, b=b, scale=scale, outputs=40, transposed=False)
    return TensorEdit(target=target, steps=(step,), wide=False)


def _plan(sources: Sources, out: Checkpoint, base: Path) -> Plan:
    score = AdapterTensor(adapter=0, name="score")
    edits: dict[str, Edit] = {
        FIRST: low_rank(FIRST, "first"),
        SECOND: low_rank(SECOND, "second"),
        ADDED: TensorEdit(target=ADDED, steps=(Replacement(tensor=score),), wide=False),
    }
    of_base = sources.base.checkpoint.tensors
    file = out.files[0]
    tensors = tuple(
        PlannedTensor(
            info=info,
            base=BaseTensor(file=file.name, info=of_base[info.name])
            if info.name in of_base
            else None,
            edit=edits.get(info.name),
        )
        for info in file.tensors
    )
    side = tuple(
        SideFile(
            path=p, source=base / p, content=None, size=(base / p).stat().st_size, origin="base"
        )
        for p in ("config.json", "tokenizer.json")
    )
    return Plan(
        adapters=(
            WeighedAdapter(source="./adapter", weight=1.0, method=MethodRecord(peft_type="LORA")),
        ),
        base="./base",
        to="./merged",
        layout="merged",
        dtype="keep",
        shards=(ShardPlan(name=file.name, header=file.header, tensors=tensors),),
        side_files=side,
        left_behind=(),
        changes=(),
        adapter_tensors={
            AdapterTensor(adapter=0, name=n): info
            for n, info in sources.adapters[0].checkpoint.tensors.items()
        },
        recipe="",
        settings={},
        naming=(),
        tied=sources.base.tied,
    )
