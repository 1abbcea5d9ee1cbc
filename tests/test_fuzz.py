"""Any JSON and any bytes where a stranger's file stands: a plan or one of our errors, never a crash.

Some plans are merged as well. `make fuzz` runs ten thousand cases of each kind; `tests/cost.py` holds
every kind to its memory and each case to its time, and prints the figures.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter_merge import assemble
from adapter_merge.errors import AdapterMergeError
from adapter_merge.folder import INDEX
from adapter_merge.plan import Plan
from tests.build import CONFIG, DOWN, PREFIX, UP, Case, debris, make_case, pack, shard

KEYS = st.sampled_from(
    [
        "peft_type", "r", "lora_alpha", "target_modules", "modules_to_save", "rank_pattern", "alpha_pattern",
        "bias", "use_rslora", "layers_to_transform", "layers_pattern", "exclude_modules", "task_type",
        "init_lora_weights", "auto_mapping", "base_model_name_or_path", "lora_bias", "fan_in_fan_out",
    ]
)  # fmt: skip
MODEL_KEYS = st.sampled_from(
    [
        "architectures", "model_type", "vocab_size", "hidden_size", "tie_word_embeddings", "text_config",
        "torch_dtype", "id2label", "auto_map", "quantization_config", "decoder", "num_labels",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    [UP, DOWN, "up_proj", "score", "SEQ_CLS", "LORA", "(", ".*", "..", "\0", "all-linear"]
)
HALVES = st.text(st.characters(categories=["Cs"]), min_size=1, max_size=2)
LARGE = st.sampled_from([2**31, 2**63, -(2**64), 10**400, 1e308, "x" * 100_000, [0] * 1000])
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS | HALVES | LARGE
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
# What no serialiser writes where a value stands.
HOSTILE = st.sampled_from(
    [
        "[" * 100_000, '{"a":' * 5000, "9" * 5000, "-" + "9" * 4000, "1e999", "-0", "NaN", "-Infinity", "'a'", "",
        '{"a":1,"a":{}}', '"\\ud800"', '"\\udc00\\ud800"', '"\ud800"', '"\0"', '"' + "x" * 1_000_000 + '"', "\ufeff1",
        "[" + "[]," * 100_000 + "1]", "[" + "1," * 100_000 + "1]", "{" + '"a":1,' * 10_000 + '"a":1}', "1}{", "[1,]",
    ]
)  # fmt: skip
FILES = st.sampled_from(
    [
        "adapter_config.json", "config.json", INDEX, "generation_config.json", "modules.json", "tokenizer.json",
        "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.json",
    ]
)  # fmt: skip
WHOLE = st.sampled_from([False] * 24 + [True])
NAMES = st.sampled_from(
    [f"{PREFIX}{m}.{end}" for m in (UP, DOWN, "lm_head", "score", "gone") for end in (
        "lora_A.weight", "lora_B.weight", "lora_B.bias", "lora_embedding_A", "lora_embedding_B", "weight", "bias",
        "base_layer.weight", "lora_magnitude_vector", "modules_to_save.weight", "lora_A.default.weight")]
) | st.text(max_size=12)  # fmt: skip
SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 4, 8, 12, 24]), max_size=4)
SLOW = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None
)


@pytest.fixture(scope="module")
def folder() -> Any:
    with TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(scope="module", autouse=True)
def _imports(folder: Path) -> None:
    """The first merge brings torch into memory; no case is to be charged with it."""
    assert make_case(folder / "first").run().status == "merged"


@pytest.fixture(scope="module")
def case(folder: Path) -> Case:
    return make_case(folder / "single")


@pytest.fixture(scope="module")
def sharded(folder: Path) -> Case:
    case = make_case(folder / "sharded")
    shard(case.base)
    return case


def outcome(case: Case, whole: bool = False, dtype: str = "keep") -> Plan | AdapterMergeError:
    """What a dry run comes to, and the `whole` run; all but results and errors of ours fails the test."""
    try:
        plan = assemble.plan(case.request(dtype=dtype))
    except AdapterMergeError as e:
        return e
    used = [t for e in plan.edits for t in e.uses]
    assert sorted(used, key=str) == sorted(plan.adapter_tensors, key=str)
    assert all(t.info.start >= len(s.header) for s in plan.shards for t in s.tensors)
    if whole:
        report = case.run(overwrite=True, dtype=dtype)
        assert report.status != "failed" or (report.error and report.error.code > 1)
        shutil.rmtree(case.to, ignore_errors=True)
        assert debris(case.to.parent) == []
    return plan


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


@SLOW
@given(st.dictionaries(KEYS, VALUES, max_size=4), WHOLE)
def test_any_adapter_config(case: Case, values: dict[str, Any], whole: bool) -> None:
    given = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "base_model_name_or_path": None}
    write(case.adapter / "adapter_config.json", given | values)
    outcome(case, whole)


@SLOW
@given(st.dictionaries(MODEL_KEYS, VALUES, max_size=4), st.sampled_from(["keep", "bf16"]), WHOLE)
def test_any_model_config(folder: Path, values: dict[str, Any], dtype: str, whole: bool) -> None:
    case = _own(folder / "config")
    write(case.base / "config.json", CONFIG | values)
    outcome(case, whole, dtype)


@SLOW
@given(st.dictionaries(NAMES, SHAPES, max_size=6), st.sampled_from([None, "SEQ_CLS"]), WHOLE)
def test_any_adapter_tensors(
    folder: Path, shapes: dict[str, list[int]], task: str | None, whole: bool
) -> None:
    case = _own(folder / "tensors")
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 4
        for n in shape:
            size *= n
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    (case.adapter / "adapter_model.safetensors").write_bytes(pack(header, bytes(at)))
    write(
        case.adapter / "adapter_config.json",
        {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "task_type": task},
    )
    outcome(case, whole)


@SLOW
@given(VALUES | st.dictionaries(st.sampled_from(["weight_map", "metadata"]), VALUES))
def test_any_index(sharded: Case, value: object) -> None:
    write(sharded.base / INDEX, value)
    assert isinstance(outcome(sharded), AdapterMergeError)


@SLOW
@given(
    st.sampled_from(["tokenizer.json", "tokenizer_config.json", "modules.json", "special_tokens_map.json",
                     "added_tokens.json", "preprocessor_config.json", "chat_template.json"]),
    VALUES | st.dictionaries(
        st.sampled_from(["model", "added_tokens", "chat_template", "eos_token", "added_tokens_decoder"]), VALUES),
    st.booleans(),
    WHOLE,
)  # fmt: skip
def test_any_side_file(folder: Path, name: str, value: object, of_both: bool, whole: bool) -> None:
    case = _own(folder / "side")
    for root in (case.adapter, *((case.base,) if of_both else ())):
        write(root / name, value)
    outcome(case, whole)
    for root in (case.adapter, case.base):
        (root / name).unlink(missing_ok=True)


@SLOW
@given(st.binary(max_size=60), st.integers(0, 400), st.booleans())
def test_any_bytes_in_a_header(folder: Path, noise: bytes, at: int, of_base: bool) -> None:
    case = _own(folder / "bytes")
    path = (
        case.base / "model.safetensors" if of_base else case.adapter / "adapter_model.safetensors"
    )
    good = path.read_bytes()
    path.write_bytes(good[:at] + noise + good[at + len(noise) :])
    try:
        outcome(case)
    finally:
        path.write_bytes(good)


@SLOW
@given(FILES, KEYS | MODEL_KEYS | WORDS, HOSTILE, st.booleans())
def test_any_text_that_is_hardly_json(
    folder: Path, name: str, key: str, value: str, of_base: bool
) -> None:
    case = _own(folder / "text")
    path = (case.base if of_base else case.adapter) / name
    good = path.read_bytes() if path.exists() else None
    text = f"{{{json.dumps(key)}: {value}"
    whole = (good or b"{}").decode().strip().removesuffix("}") + ("," if good else "")
    path.write_bytes((whole + text[1:] + "}").encode("utf-8", "surrogatepass"))
    try:
        outcome(case)
    finally:
        path.unlink() if good is None else path.write_bytes(good)


def _own(root: Path) -> Case:
    """The case of one test, made at its first example."""
    case = Case(base=root / "base", adapter=root / "adapter", to=root / "out")
    return case if case.base.exists() else make_case(root)
