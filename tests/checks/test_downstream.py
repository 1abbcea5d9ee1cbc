"""What is made of a program's rules: findings, which fail only where the program was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapter_merge.checks.consumers import NAMES, consumer
from adapter_merge.checks.downstream import DOWNSTREAM
from adapter_merge.cli.main import main
from adapter_merge.errors import RequestError
from adapter_merge.finding import Finding, Outcome
from adapter_merge.repository import Folder
from adapter_merge.stages.validate import inspect
from tests.checks.folders import ADAPTER, BACKEND, BNB, MAKERS, config, delete, llama
from tests.checks.tiny import Case, outcomes


def inspected(folder: Path, *wanted: str) -> dict[str, Finding]:
    """The findings about programs, by their names."""
    found = inspect(
        Folder(folder), None, None, workers=1, advance=lambda _n: None, wanted=frozenset(wanted)
    )
    codes = {check.code: check.name for check in DOWNSTREAM}
    return {codes[f.code]: f for f in found.findings if f.code in codes}


@pytest.mark.parametrize("name", NAMES)
def test_clean_folder_breaks_no_rule(tmp_path: Path, name: str) -> None:
    MAKERS[name](tmp_path / "merged")
    finding = inspected(tmp_path / "merged", name)[name]
    assert finding.outcome is Outcome.PASS, finding.message
    assert finding.evidence["status"] == "loads"
    assert consumer(name).version in finding.message


OTHERS = {
    "sentence-transformers": delete("modules.json"),
    "colpali-engine": config(architectures=["ColPaliForRetrieval"]),
    "vllm": config(architectures=["ViTForImageClassification"]),
    "tei": config(model_type="t5"),
    "llama-cpp": config(architectures=["ColQwen2"]),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_kinds_of_model_fail_only_if_asked_for(tmp_path: Path, name: str) -> None:
    MAKERS[name](tmp_path / "merged")
    OTHERS[name](tmp_path / "merged")
    for wanted, outcome in (((), Outcome.PASS), ((name,), Outcome.FAIL)):
        finding = inspected(tmp_path / "merged", *wanted)[name]
        assert finding.outcome is outcome
        assert finding.evidence["status"] == "not served"


def test_only_what_was_asked_for_fails(tmp_path: Path) -> None:
    llama(tmp_path / "merged")
    BACKEND(tmp_path / "merged")
    found = inspected(tmp_path / "merged", "transformers-4")
    assert found["transformers-4"].outcome is Outcome.FAIL
    assert found["llama-cpp"].outcome is Outcome.WARN
    assert "--compat" in found["llama-cpp"].message
    assert found["llama-cpp"].evidence["rules"] == ["tokenizers-backend"]
    assert found["transformers"].outcome is found["vllm"].outcome is Outcome.PASS


def test_a_remark_never_fails(tmp_path: Path) -> None:
    llama(tmp_path / "merged")
    BNB(tmp_path / "merged")
    assert inspected(tmp_path / "merged", "transformers")["transformers"].outcome is Outcome.WARN


def test_without_weights_nothing_is_told(tmp_path: Path) -> None:
    llama(tmp_path / "merged")
    delete("model.safetensors")(tmp_path / "merged")
    found = inspected(tmp_path / "merged", "vllm")
    assert found["vllm"].outcome is Outcome.FAIL
    assert {f.outcome for name, f in found.items() if name != "vllm"} == {Outcome.SKIP}


def test_a_bundle_that_was_planned_is_no_left_over_adapter(case: Case) -> None:
    ADAPTER(case.folder)
    assert outcomes(case.foreign())["D001"] == {Outcome.WARN}
    bundled = {f.code: f for f in case.with_plan(layout="bundled").foreign()}["D001"]
    assert bundled.evidence["rules"] == ["bundle"]
    assert "without peft" in bundled.message


CLASSES = {
    "LlamaForCausalLM": {"transformers", "transformers-4", "vllm", "llama-cpp"},
    "Qwen3ForCausalLM": {"transformers", "transformers-4", "vllm", "llama-cpp"},
    "BertModel": {"transformers", "transformers-4", "vllm", "tei", "llama-cpp"},
}


@pytest.mark.parametrize("name", CLASSES)
def test_saved_by_transformers_5(tmp_path: Path, name: str) -> None:
    transformers = pytest.importorskip("transformers")
    kind = getattr(transformers, name)
    sizes = {"vocab_size": 12, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2}
    llama(tmp_path / "merged")
    kind(kind.config_class(**sizes, **heads)).save_pretrained(tmp_path / "merged")
    found = inspected(tmp_path / "merged", *CLASSES[name])
    loads = {n for n, finding in found.items() if finding.evidence["status"] == "loads"}
    assert loads == CLASSES[name]
    assert {f.outcome for f in found.values()} == {Outcome.PASS}


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("--for", "vllm"), 0),
        (("--for", "vllm,transformers"), 0),
        (("--for", "vllm, transformers-4"), 7),
        (("--for", "vllm", "--for", "llama-cpp"), 7),
        ((), 0),
    ],
)
def test_check_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], names: tuple[str, ...], code: int
) -> None:
    llama(tmp_path / "merged")
    BACKEND(tmp_path / "merged")
    assert main(["check", f"{tmp_path}/merged", *names, "--json"]) == code
    told = {f["code"]: f["outcome"] for f in json.loads(capfd.readouterr().out)["findings"]}
    assert told["D005"] == "pass"
    assert {told["D002"], told["D007"]} <= {"warn", "fail"}
    assert ("fail" in told.values()) is (code == 7)


def test_an_unknown_program_is_a_wrong_request(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    llama(tmp_path / "merged")
    code = main(["check", f"{tmp_path}/merged", "--for", "vllm,ollama"])
    assert code == RequestError.exit_code
    talk = capfd.readouterr().err
    assert "`ollama`" in talk
    assert all(name in talk for name in NAMES)
