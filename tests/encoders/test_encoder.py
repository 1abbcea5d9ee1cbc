"""What is decided before anything is run: each reason why it isn't, and what the job then says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter_merge.checkpoint import Checkpoint, TensorInfo, WeightFile
from adapter_merge.encoders import room, runner_of
from adapter_merge.encoders.job import Job, Place
from adapter_merge.encoders.overlay import lay
from adapter_merge.encoders.runners import RUNNERS
from adapter_merge.flavours import Look
from adapter_merge.probed import NotRun
from tests.build import change_json, make_case
from tests.encoders.conftest import MergeOf
from tests.encoders.models import make
from tests.encoders.proofs import Merge, encoder, merge, prove


def _never(job: Job, place: Place, *, seconds: float, done: Callable[[int], None]) -> int:
    message = "it was run"
    raise AssertionError(message)


def _needs(made: Merge, **given: Any) -> str:
    found = prove(made, **{"start": _never, **given})
    assert isinstance(found, NotRun)
    return found.needs


def _tiny(root: Path, **config: object) -> Merge:
    case = make_case(root)
    change_json(case.base / "config.json", **config)
    return merge(case.base, (str(case.adapter),), case.to)


def test_a_base_without_tokenizer_starts_nothing(tmp_path: Path) -> None:
    assert _needs(_tiny(tmp_path)) == "a tokenizer, and the base brings none"


def test_a_class_that_nothing_runs(tmp_path: Path) -> None:
    made = _tiny(tmp_path, architectures=["LlamaForSomethingElse"])
    assert _needs(made) == "a runner for this kind of model, which isn't built"


def test_too_little_memory(merge_of: MergeOf) -> None:
    assert _needs(merge_of("causal"), free=lambda: 10**9).endswith("of memory, and 1.0 GB are free")


def test_what_takes_longer_than_it_may_is_said(merge_of: MergeOf) -> None:
    def late(job: Job, place: Place, *, seconds: float, done: Callable[[int], None]) -> None:
        assert seconds == 300

    assert _needs(merge_of("causal"), start=late).startswith("more than 300 seconds")


@pytest.mark.parametrize(
    ("patient", "needs"),
    [(False, "about 3 min: `--probe require`"), (True, "a reference, and none")],
)
def test_a_large_model_is_run_only_where_that_is_required(
    merge_of: MergeOf, patient: bool, needs: str
) -> None:
    made = merge_of("causal")
    base = replace(made.sources.base, checkpoint=_checkpoint(18 * 10**8))
    large = replace(made, sources=replace(made.sources, base=base))
    assert _needs(large, patient=patient, free=lambda: 10**12).startswith(needs)


def _checkpoint(size: int) -> Checkpoint:
    tensor = TensorInfo(name="w", dtype="BF16", shape=(size,), start=0, stop=2 * size)
    file = WeightFile(name="f", size=0, header=b"", metadata=None, tensors=(tensor,))
    return Checkpoint(files=(file,), index=None)


def _of(size: int) -> tuple[int, float]:
    tensors = _checkpoint(size).tensors.values()
    return room.memory_needed(tensors), room.seconds_needed(tensors)


def test_needs_grow_with_the_model() -> None:
    small, large = _of(10**6), _of(10**9)
    assert 4e9 < large[0] - small[0] < 2.1e10
    assert 8 < small[1] < 9 < large[1]


def _cost(made: Merge, **given: Any) -> object:
    return encoder(**{"start": _never, **given}).cost(made.plan)


def test_a_proof_is_foreseen_where_one_would_run(merge_of: MergeOf) -> None:
    made = merge_of("causal")
    assert _cost(made) == room.cost(made.sources.base.checkpoint.tensors.values())


def test_no_proof_is_foreseen_where_none_would_run(tmp_path: Path, merge_of: MergeOf) -> None:
    """For the reasons that a plan shows: no tokenizer, no runner, no memory, no time."""
    bare = _tiny(tmp_path)
    assert _cost(bare) is None
    made = merge_of("causal")
    assert _cost(made, free=lambda: 10**9) is None
    (shard,) = made.plan.shards
    large = replace(shard.tensors[0], info=replace(shard.tensors[0].info, shape=(18 * 10**8,)))
    plan = replace(made.plan, shards=(replace(shard, tensors=(large,)),))
    slow = replace(made, plan=plan)
    assert _cost(slow, patient=False, free=lambda: 10**12) is None
    assert _cost(slow, free=lambda: 10**12) is not None
    config = next(f for f in made.plan.side_files if f.path == "config.json")
    other = replace(config, content=b'{"architectures": ["LlamaForSomethingElse"]}')
    files = (*(f for f in made.plan.side_files if f is not config), other)
    assert _cost(replace(made, plan=replace(made.plan, side_files=files))) is None


def test_the_guess_is_near_what_was_measured() -> None:
    """A class of Llama with 0.74 billion parameters in bf16: 59 s and 6.2 GB, on two cores."""
    guess = room.cost(_checkpoint(735_090_688).tensors.values())
    assert 0.8 < guess.seconds / 59 < 1.25
    assert 0.8 < guess.memory_bytes / 6.17e9 < 1.25


def test_free_memory_is_that_of_the_machine() -> None:
    assert 0 < room.free_memory() < 1e15
    assert room.refusal(5, 5) is None


def test_packages_are_looked_up_without_importing() -> None:
    assert room.lacking(("torch", "peft")) is None
    found = room.lacking(("torch", "no-such-thing-b", "no-such-thing-a"))
    assert found == "packages that aren't installed: `pip install no-such-thing-a no-such-thing-b`"


@pytest.mark.parametrize(
    ("architecture", "config", "files", "name"),
    [
        ("LlamaForCausalLM", {}, [], "causal"),
        ("GPT2LMHeadModel", {}, [], "causal"),
        ("T5ForConditionalGeneration", {"is_encoder_decoder": True}, [], "seq2seq"),
        ("Qwen2VLForConditionalGeneration", {"vision_config": {}}, [], "seeing"),
        (
            "WhisperForConditionalGeneration",
            {"is_encoder_decoder": True, "num_mel_bins": 1},
            [],
            None,
        ),
        ("Qwen2AudioForConditionalGeneration", {"audio_config": {}, "vision_config": {}}, [], None),
        ("BertForSequenceClassification", {}, [], "labels"),
        ("BertForTokenClassification", {}, [], "headed"),
        ("BertModel", {}, [], "bare"),
        ("ViTModel", {"image_size": 224}, [], None),
        ("ViTForImageClassification", {"image_size": 224}, [], None),
        ("BertModel", {}, ["modules.json"], "sentence"),
        ("ColPaliForRetrieval", {}, [], "native"),
        ("ColQwen2", {}, [], "engine"),
        ("BiQwen2", {}, [], "engine"),
    ],
)
def test_a_repository_has_its_runner(
    architecture: str, config: dict[str, object], files: list[str], name: str | None
) -> None:
    look = Look(
        config={"architectures": [architecture], **config}, files=frozenset(files), chats=False
    )
    found = runner_of(look)
    assert (found.name if found else None) == name


def test_runners_have_names_of_their_own() -> None:
    assert len({r.name for r in RUNNERS}) == len(RUNNERS)


def _chain(root: Path) -> Merge:
    base, adapter = make("sentence", root)
    return merge(base, (str(adapter),), root / "merged")


def _with_code(folder: Path) -> None:
    """A module of the chain that is Python in the folder, as sentence-transformers before 6 would import it."""
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": 9, "name": "9", "path": "", "type": "theft.Module"})
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "theft.py").write_text("raise SystemExit('it was imported')\n")


@pytest.mark.parametrize("where", ["base", "merged"])
def test_a_chain_with_code_of_its_own_is_never_loaded(where: str, tmp_path: Path) -> None:
    made = _chain(tmp_path)
    folder = made.sources.base.pinned.root if where == "base" else made.folder
    _with_code(folder)
    assert _needs(made).startswith("to import `theft.Module`")


def test_no_code_is_laid_beside_the_reference(tmp_path: Path) -> None:
    made = _chain(tmp_path)
    (made.sources.base.pinned.root / "theft.py").write_text("")
    lay(made.plan, made.sources, tmp_path / "reference")
    assert not list((tmp_path / "reference").rglob("*.py"))


def test_a_package_that_is_too_old_counts_as_missing() -> None:
    assert room.lacking(["numpy>=1"]) is None
    assert "'numpy>=99'" in str(room.lacking(["numpy>=99"]))
