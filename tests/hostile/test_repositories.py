"""Repositories that lie about their files: the whole run ends with an error of ours, and leaves nothing."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from huggingface_hub import HfApi
from safetensors.numpy import load, save

from adapter_merge.ports import Silent
from tests.build import adapter_tensors, base_tensors, entry, pack
from tests.hostile.conftest import ADAPTER, BASE, REPOS, TARGET, Place

NAMES = [
    "../../evil",
    "/etc/evil",
    "a\x1b[2J\x1b[31mred",
    "a\n::error::taken over",
    "::set-output name=x::y\r",
    "\u202egpj.exe",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("repo", REPOS)
def test_a_name_that_leads_elsewhere_ends_the_run(name: str, repo: str, place: Place) -> None:
    place.stock({repo: {name: b"x", "config.json": b"{}"} if repo == TARGET else {name: b"x"}})
    head = place.head()
    ended = place.run()
    assert ended.failure == ("Corrupt", 3)
    assert repo in ended.screen
    ended.require_inert()
    place.require_nothing_left()
    assert place.head() == head


def test_names_that_windows_can_not_write_stay_behind(place: Place) -> None:
    names = ["CON", "aux.json", "a:b.txt", "docs/end.", "docs/end "]
    place.stock({BASE: dict.fromkeys(names, b"x"), ADAPTER: dict.fromkeys(names, b"x")})
    ended = place.run()
    assert ended.report.status == "merged", ended.screen
    api = HfApi(endpoint=place.hub.url, token=False)
    assert not set(names) & set(api.list_repo_files(TARGET))
    left = [f.path for f in ended.report.left_behind if "Windows" in f.why]
    assert sorted(left) == sorted(names * 2)


@pytest.mark.parametrize("repo", [ADAPTER, BASE])
def test_too_many_files_end_the_run(repo: str, place: Place) -> None:
    place.stock()
    hub, state = place.hub, place.hub._state
    with state.lock:
        one = state.objects.put(b"x")
        many = {f"checkpoint-{n}/x.json": one for n in range(100_000)}
        hub._commit(hub._repo(repo, "model"), many, "refs/heads/main")
    start = time.monotonic()
    ended = place.run()
    assert time.monotonic() - start < 20
    assert ended.failure == ("Corrupt", 3)
    assert f"`{repo}` has more than 50000 files" in " ".join(ended.screen.split())
    place.require_nothing_left()


LIES: dict[str, bytes] = {
    "a length beyond its end": (1 << 40).to_bytes(8, "little") + b"{}",
    "overlaps": pack({"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 2, 6)}, bytes(6)),
    "a wrong shape": pack({"a": entry("F32", [1 << 40, 1 << 40], 0, 4)}, bytes(4)),
    "a dtype that is none": pack({"\x1b[31m": entry("::error::", [4], 0, 4)}, bytes(4)),
    "no JSON": pack(b"\x1b[31m{::error::"),
    "nothing": b"",
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("repo", [ADAPTER, BASE])
def test_a_header_that_lies_ends_the_run(lie: str, repo: str, place: Place) -> None:
    file = "adapter_model.safetensors" if repo == ADAPTER else "model.safetensors"
    place.stock({repo: {file: LIES[lie]}})
    ended = place.run()
    assert ended.failure == ("Corrupt", 3)
    ended.require_inert()
    place.require_nothing_left()
    assert place.head() is None


class Swapping(Silent):
    """Lets somebody change a file once its header was read and the plan is made."""

    def __init__(self, swap: Callable[[], object]) -> None:
        self.planned_once = False
        self._swap = swap

    def planned(self, plan: Any, forecast: Any) -> None:
        self.planned_once = True
        self._swap()


def _other_offsets(content: bytes) -> bytes:
    """The same tensors and the same length, in another order."""
    tensors = load(content)
    swapped = dict(tensors)
    one, other = "model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.weight"
    swapped[one], swapped[other] = tensors[other], tensors[one]
    made: bytes = save(swapped, {"format": "pt"})
    assert len(made) == len(content)
    assert made != content
    return made


@pytest.mark.parametrize("change", [_other_offsets, lambda c: c[:-4], lambda c: bytes(len(c))])
def test_a_file_that_changes_after_its_header_was_read_ends_the_run(
    change: Callable[[bytes], bytes], place: Place
) -> None:
    content: bytes = save(base_tensors(), {"format": "pt"})
    place.stock({BASE: {"model.safetensors": content}})
    file = place.hub._state.at(place.hub._repo(BASE, "model"), "main")[1].tree["model.safetensors"]
    stored = place.root / "hub" / "objects" / file.digest
    assert stored.read_bytes() == content

    def swap() -> None:
        stored.unlink()
        stored.write_bytes(change(content))

    talk = Swapping(swap)
    ended = place.run(talk)
    assert talk.planned_once
    error = ended.report.error
    assert error is not None
    assert error.code in {3, 9}
    place.require_nothing_left()
    assert place.head() is None


def test_a_pickle_is_refused_and_converted_with_leave(place: Place) -> None:
    place.stock()
    buffer = io.BytesIO()
    torch.save({n: torch.from_numpy(t) for n, t in adapter_tensors().items()}, buffer)
    config = place.hub.read(ADAPTER, "adapter_config.json")
    place.hub.add_repo(
        "bot/old", {"adapter_config.json": config, "adapter_model.bin": buffer.getvalue()}
    )
    refused = place.run(adapters=("bot/old",))
    assert refused.failure == ("NotSafetensors", 3)
    assert "--allow-pickle" in refused.screen
    assert place.run().report.status == "merged"
    plain = place.hub.read(TARGET, "model.safetensors")
    ended = place.run(adapters=("bot/old",), to="bot/other", allow_pickle=True)
    assert ended.report.status == "merged", ended.screen
    assert place.hub.read("bot/other", "model.safetensors") == plain
    receipt = json.loads(place.hub.read("bot/other", "merge_receipt.json"))
    assert "adapter_model.bin" in receipt["adapters"][0]["digests"]
    again = place.run(adapters=("bot/old",), to="bot/other", allow_pickle=True)
    assert again.report.status == "unchanged"


def _code(place: Place) -> str:
    """A base on the Hub that brings code; the result is its commit."""
    config = {"model_type": "llama", "auto_map": {"AutoModelForCausalLM": "modeling_own.Own"}}
    place.stock(
        {BASE: {"config.json": json.dumps(config).encode(), "modeling_own.py": b"raise OSError"}}
    )
    return place.hub.head(BASE)


def test_code_of_a_base_needs_leave_and_a_commit_that_was_written(place: Place) -> None:
    commit = _code(place)
    for settings in (
        {},
        {"allow_remote_code": True},
        {"allow_remote_code": True, "base": BASE},
        {"allow_remote_code": True, "base": f"{BASE}@main"},
        {"base": f"{BASE}@{commit}"},
    ):
        ended = place.run(**settings)
        assert ended.failure == ("RemoteCode", 4), settings
        assert "--allow-remote-code" in ended.screen
        place.require_nothing_left()
    assert f"--base {BASE}@{commit} --allow-remote-code" in " ".join(place.run().screen.split())
    ended = place.run(allow_remote_code=True, base=f"{BASE}@{commit}")
    assert ended.report.status == "merged", ended.screen
    assert place.hub.read(TARGET, "modeling_own.py") == b"raise OSError"


def test_a_commit_that_an_adapter_writes_pins_nothing(place: Place) -> None:
    commit = _code(place)
    config = json.loads(place.hub.read(ADAPTER, "adapter_config.json"))
    weights = place.hub.read(ADAPTER, "adapter_model.safetensors")
    written = json.dumps({**config, "revision": commit}).encode()
    place.hub.add_repo(
        "bot/sly", {"adapter_config.json": written, "adapter_model.safetensors": weights}
    )
    ended = place.run(adapters=("bot/sly",), allow_remote_code=True)
    assert ended.failure == ("RemoteCode", 4)
