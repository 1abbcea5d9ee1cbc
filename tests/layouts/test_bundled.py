from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adapter_merge.layouts import Side, Wishes, renamed
from adapter_merge.repository import open_adapter
from adapter_merge.sources import Adapter
from adapter_merge.weights import encode_header
from tests.layouts.tiny import WEIGHTS, Files, MakeSide, adapter_in, contents, write

CONFIG = (
    '{"z": 1e-05, "base_model_name_or_path": "org/base", "r": 8, "revision": "v1", "a": [2, 1]}'
)
ADAPTER: Files = {"adapter_config.json": CONFIG, "adapter_model.safetensors": WEIGHTS}


def origins(side: Side) -> dict[str, str]:
    return {f.path: f.origin for f in side.files}


def test_the_adapter_lies_beside_what_the_base_has(make_side: MakeSide) -> None:
    side = make_side({"LICENSE": "x", "notes.txt": "x"}, ADAPTER, layout="bundled")
    assert origins(side) == {
        "LICENSE": "base",
        "adapter_config.json": "0",
        "adapter_model.safetensors": "0",
        "config.json": "base",
        "notes.txt": "base",
    }
    assert side.left_behind == ()


def test_side_files_follow_the_rules_of_a_merge(make_side: MakeSide) -> None:
    base: Files = {"README.md": "x", "vocab.txt": "a", "model.gguf": b"x"}
    adapter = {**ADAPTER, "vocab.txt": "b", "README.md": "y", "optimizer.pt": b"x"}
    bundled = make_side(base, adapter, layout="bundled")
    merged = make_side(base, adapter)
    own = {"adapter_config.json", "adapter_model.safetensors"}
    assert {f.path for f in bundled.files} == {f.path for f in merged.files} | own
    left = {(f.path, f.origin) for f in merged.left_behind}
    assert {(f.path, f.origin) for f in bundled.left_behind} == left - {(p, "0") for p in own}
    assert set(merged.changes) <= set(bundled.changes)


def test_an_adapter_in_the_base_stays_behind(make_side: MakeSide) -> None:
    """It would be a second one, or take the place of the adapter that was asked for."""
    side = make_side({"adapter_config.json": {"old": 1}}, ADAPTER, layout="bundled")
    assert origins(side)["adapter_config.json"] == "0"
    assert [(f.path, f.origin) for f in side.left_behind] == [("adapter_config.json", "base")]


def test_two_keys_of_its_config_change_and_nothing_else(
    make_side: MakeSide, tmp_path: Path
) -> None:
    side = make_side({}, ADAPTER, layout="bundled")
    (file,) = (f for f in side.files if f.path == "adapter_config.json")
    home = tmp_path / "t"
    assert file.content is not None
    assert file.content.decode() == (
        f'{{\n  "z": 1e-05,\n  "base_model_name_or_path": "{home}",\n  "r": 8,\n  "revision": null,\n'
        '  "a": [\n    2,\n    1\n  ]\n}\n'
    )
    assert [(c.subject, c.before, c.after) for c in side.changes] == [
        ("adapter_config.json: base_model_name_or_path", "org/base", str(home)),
        ("adapter_config.json: revision", "v1", None),
    ]


@pytest.mark.parametrize("revision", ["", ', "revision": null'])
def test_a_config_that_leads_there_already_is_copied(make_side: MakeSide, revision: str) -> None:
    odd = f'{{"base_model_name_or_path":   "org/name"{revision}}}'
    adapter = {**ADAPTER, "adapter_config.json": odd}
    side = make_side({}, adapter, layout="bundled", wishes=Wishes(bundle_as="org/name"))
    (file,) = (f for f in side.files if f.path == "adapter_config.json")
    assert file.source is not None
    assert side.changes == ()


def test_an_id_is_where_it_leads(make_side: MakeSide) -> None:
    side = make_side({}, ADAPTER, layout="bundled", wishes=Wishes(bundle_as="org/name"))
    assert contents(side)["adapter_config.json"]["base_model_name_or_path"] == "org/name"


NAMES = [
    "base_model.model.a.b.q.lora_A.weight",
    "base_model.model.a.b.lora_magnitude_vector",
    "base_model.model.ab.q.lora_A.weight",
    "base_model.model.head.weight",
]


def _adapter(root: Path) -> Adapter:
    header, infos = encode_header([(n, "F32", (2,)) for n in NAMES], {"format": "pt"})
    write(root, {"adapter_model.safetensors": header + bytes(range(infos[-1].stop - len(header)))})
    return replace(adapter_in(root), checkpoint=open_adapter(root))


def test_names_change_and_bytes_stay(make_side: MakeSide, tmp_path: Path) -> None:
    adapter = _adapter(tmp_path / "named")
    file = (tmp_path / "named" / "adapter_model.safetensors").read_bytes()
    given = {**ADAPTER, "adapter_model.safetensors": file}
    side = make_side({}, given, layout="bundled")
    modules = {"a.b.q": "x.longer.q", "a.b": "y", "head": "top.head"}
    (made,) = (f for f in renamed(side, adapter, modules).files if f.path.endswith(".safetensors"))
    assert made.content is not None
    assert made.source is not None
    whole = made.content + made.source.read_bytes()[made.skip :]
    assert len(whole) == made.size
    write(tmp_path / "made", {"adapter_model.safetensors": whole})
    (now,), (before,) = open_adapter(tmp_path / "made").files, adapter.checkpoint.files
    assert [t.name.removeprefix("base_model.model.") for t in now.tensors] == [
        "x.longer.q.lora_A.weight",
        "y.lora_magnitude_vector",
        "ab.q.lora_A.weight",
        "top.head.weight",
    ]
    assert now.metadata == before.metadata
    for new, old in zip(now.tensors, before.tensors, strict=True):
        assert whole[new.start : new.stop] == file[old.start : old.stop]
