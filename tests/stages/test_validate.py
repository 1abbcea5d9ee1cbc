"""validate and inspect on merges that the other stages, and PEFT itself, really made."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_merge.checks import CHECKS
from adapter_merge.errors import RequestError
from adapter_merge.finding import Finding, Outcome
from adapter_merge.plan import Plan
from adapter_merge.report import Merged
from adapter_merge.repository import Folder
from adapter_merge.request import Request
from adapter_merge.sources import Sources
from adapter_merge.stages.draft import draft
from adapter_merge.stages.merge import merge
from adapter_merge.stages.resolve import resolve
from adapter_merge.stages.validate import inspect, validate
from tests.build import OUTPUTS, of_the_merge

Tensors = dict[str, torch.Tensor]
LINEAR, EMBED, CONV = "layers.0.proj.weight", "embed_tokens.weight", "patch.weight"
BIAS, NORM = "layers.0.proj.bias", "norm.weight"


def some(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def write_base(folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
    folder.mkdir()
    tensors = {
        EMBED: some(96, 32, seed=1),
        LINEAR: some(200, 32, seed=2),
        BIAS: some(200, seed=3),
        CONV: some(24, 3, 4, 4, seed=4),
    }
    tensors = {name: tensor.to(dtype) for name, tensor in tensors.items()} | {NORM: torch.ones(32)}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {"architectures": ["Tiny"], "vocab_size": 96, "hidden_size": 32}
    (folder / "config.json").write_text(json.dumps(config))


def write_adapter(folder: Path, *, saved: bool = False, seed: int = 10) -> None:
    folder.mkdir()
    tensors = {
        "layers.0.proj.lora_A.weight": some(4, 32, seed=seed),
        "layers.0.proj.lora_B.weight": some(200, 4, seed=seed + 1) * 0.1,
        "embed_tokens.lora_embedding_A": some(4, 96, seed=seed + 2),
        "embed_tokens.lora_embedding_B": some(32, 4, seed=seed + 3) * 0.1,
        "patch.lora_A.weight": some(4, 3, 4, 4, seed=seed + 4),
        "patch.lora_B.weight": some(24, 4, 1, 1, seed=seed + 5) * 0.1,
    }
    if saved:
        tensors["layers.0.proj.base_layer.bias"] = some(200, seed=seed + 6)
    tensors = {f"base_model.model.{name}": tensor for name, tensor in tensors.items()}
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "r": 4,
        "lora_alpha": 6,
        "target_modules": ["proj", "embed_tokens", "patch"],
        "bias": "all" if saved else "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))


@dataclass(frozen=True, kw_only=True)
class Made:
    """A merge that our stages made."""

    plan: Plan
    sources: Sources
    merged: Merged

    def judged(self) -> dict[str, Finding]:
        findings = validate(
            self.plan, self.sources, self.merged, workers=2, advance=lambda _n: None
        ).findings
        return {f.code: f for f in of_the_merge(findings)}

    def failures(self) -> set[str]:
        return {code for code, f in self.judged().items() if f.outcome is Outcome.FAIL}


def make(root: Path, *adapters: str, dtype: str = "keep") -> Made:
    request = Request.model_validate(
        {
            "adapters": [f"{root}/{name}" for name in adapters],
            "base": f"{root}/base",
            "to": f"{root}/out",
            "dtype": dtype,
        }
    )
    sources = resolve(request)
    plan = draft(request, sources)
    work = root / ".out.work"
    work.mkdir()
    merged = merge(plan, sources, work, workers=2, device="cpu", advance=lambda _n: None)
    return Made(plan=plan, sources=sources, merged=merged)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    write_base(tmp_path / "base")
    write_adapter(tmp_path / "one")
    return make(tmp_path, "one")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("cast", ["keep", "fp32", "bf16", "fp16"])
def test_right_merge_passes(tmp_path: Path, dtype: torch.dtype, cast: str) -> None:
    write_base(tmp_path / "base", dtype)
    write_adapter(tmp_path / "one", saved=True)
    judged = make(tmp_path, "one", dtype=cast).judged()
    # There is no tokenizer, and nothing runs the model.
    unsaid = {c for c, f in judged.items() if f.outcome is Outcome.SKIP}
    assert unsaid == {"F006", *OUTPUTS}
    assert {f.outcome for c, f in judged.items() if c not in unsaid} == {Outcome.PASS}


def test_two_adapters_pass(tmp_path: Path) -> None:
    write_base(tmp_path / "base")
    write_adapter(tmp_path / "one", saved=True)
    write_adapter(tmp_path / "two", seed=30)
    assert make(tmp_path, "one", "two").failures() == set()


def test_subject_is_the_target(made: Made) -> None:
    assert {f.subject for f in made.judged().values()} == {"out"}


def test_advance_counts_every_byte(made: Made) -> None:
    seen: list[int] = []
    validate(made.plan, made.sources, made.merged, workers=3, advance=seen.append)
    assert sum(seen) == sum(t.info.nbytes for t in made.plan.tensors.values())


def change(
    made: Made, name: str, new: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> None:
    """Write `new(base, merged)` into the merged file, over the bytes of one tensor."""
    path = made.merged.folder / "model.safetensors"
    before = load_file(made.sources.base.pinned.root / "model.safetensors")[name]
    after = load_file(path)[name]
    wide = torch.promote_types(after.dtype, torch.float32)
    values = new(before.to(wide), after.to(wide)).to(after.dtype).contiguous()
    with path.open("r+b") as file:
        file.seek(made.plan.tensors[name].info.start)
        file.write(values.view(torch.uint8).numpy().tobytes())


FAULTS = {
    "scale halved": lambda w, m: w + (m - w) / 2,
    "adapter twice": lambda w, m: m + (m - w),
    "module lost": lambda w, _m: w,
    "rows in another order": lambda _w, m: m.roll(1, 0),
    "transposed": lambda _w, m: m.reshape(m.shape[0], -1).T.reshape(m.shape),
    "another base": lambda w, m: m - w + w.roll(1, 0),
}


@pytest.mark.parametrize("name", [LINEAR, EMBED, CONV])
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_found(made: Made, name: str, fault: str) -> None:
    change(made, name, FAULTS[fault])
    expected = {"T005", "T008"} if fault == "module lost" else {"T005"}
    assert made.failures() == expected
    assert list(made.judged()["T005"].evidence["tensors"]) == [name]  # type: ignore[call-overload]


def test_one_bit_of_an_untouched_tensor_is_found(made: Made) -> None:
    change(made, NORM, lambda w, _m: torch.nextafter(w, w + 1))
    assert made.failures() == {"T004", "T008"}


@pytest.mark.parametrize("missing", ["nothing", "a file"])
def test_folder_that_cannot_be_opened_gives_findings(tmp_path: Path, missing: str) -> None:
    if missing == "a file":
        (tmp_path / "there").mkdir()
    findings = inspect(
        Folder(tmp_path / "there"), None, None, workers=1, advance=lambda _n: None
    ).findings
    failed = {f.code for f in findings if f.outcome is Outcome.FAIL}
    assert failed == {"F001", "F005"}
    assert {f.code for f in findings} == {c.code for c in CHECKS}


def test_file_instead_of_a_folder_is_a_wrong_request(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError):
        inspect(Folder(tmp_path / "file"), None, None, workers=1, advance=lambda _n: None)


@pytest.fixture(scope="module")
def by_peft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama, an adapter on it, and PEFT's own merge of both."""
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    root = tmp_path_factory.mktemp("peft")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        tie_word_embeddings=False,
    )
    transformers.LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(root / "base")
    load = transformers.AutoModelForCausalLM.from_pretrained
    wanted = peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    model = peft.get_peft_model(load(root / "base", dtype=torch.bfloat16), wanted)
    model.save_pretrained(root / "adapter")
    for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        whole = peft.PeftModel.from_pretrained(load(root / "base", dtype=dtype), root / "adapter")
        whole.merge_and_unload().save_pretrained(root / name, max_shard_size="20KB")
    return root


@pytest.mark.parametrize(("folder", "warned"), [("bf16", set()), ("fp32", {"T003"})])
def test_merge_by_peft_passes(by_peft: Path, folder: str, warned: set[str]) -> None:
    outcomes = _inspected(by_peft, by_peft / folder)
    assert outcomes[Outcome.FAIL] == set()
    assert outcomes[Outcome.WARN] == warned


def test_base_that_was_taken_for_its_merge_fails(by_peft: Path) -> None:
    assert _inspected(by_peft, by_peft / "base")[Outcome.FAIL] == {"T005", "T008"}


def _inspected(root: Path, folder: Path) -> dict[Outcome, set[str]]:
    request = Request.model_validate(
        {"adapters": [f"{root}/adapter"], "base": f"{root}/base", "to": f"{root}/none"}
    )
    sources = resolve(request)
    inspection = inspect(
        Folder(folder), draft(request, sources), sources, workers=2, advance=lambda _n: None
    )
    findings = inspection.findings
    return {o: {f.code for f in of_the_merge(findings) if f.outcome is o} for o in Outcome}
