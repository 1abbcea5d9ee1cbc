"""Bases that are looked for on a Hub: who is asked for what, and what the answer ends in."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from adapter_merge.bases import Search, choose_base, claims_on, refuse_unread
from adapter_merge.errors import (
    AdapterKind,
    AdapterMergeError,
    Corrupt,
    Gated,
    HubUnavailable,
    NotFound,
    QuantisedBase,
    RequestError,
    RevisionMissing,
)
from adapter_merge.localhub import Fault, Status
from adapter_merge.repository import opened
from adapter_merge.request import Request
from tests.bases.online import Online, card, commands
from tests.build import DOWN, PREFIX, UP, base_tensors, write_adapter, write_base

ADAPTER, BASE = "bot/adapter", "org/Llama-1B"
BITS = {"quantization_config": {"bits": 4}}
SMALL = {f"{m}.weight": np.ones((4, 4), np.float32) for m in (UP, DOWN)}
SILENT = "http://127.0.0.1:9"


def narrow(online: Online, repo: str) -> None:
    """A model that the adapter doesn't fit."""
    online.put(repo, write_base(online.place / repo, SMALL))


def other(online: Online, repo: str) -> None:
    """A model that the adapter fits, of the same shapes."""
    tensors = {name: tensor + 1 for name, tensor in base_tensors().items()}
    online.put(repo, write_base(online.place / repo, tensors))


@pytest.mark.parametrize(
    ("written", "owner_card"),
    [
        ("unsloth/Llama-1B-bnb-4bit", None),  # without its ending
        ("house/Other-bnb-4bit", "unsloth/Llama-1B"),  # what the quantised model was made from
        ("/home/me/unsloth/Llama-1B", None),  # the end of a path
        ("C:\\models\\unsloth\\Llama-1B", None),
        ("unsloth/Llama-1B-gone", "unsloth/Llama-1B"),
    ],
)
def test_a_candidate_that_fits_ends_in_a_command(
    online: Online, written: str, owner_card: str | None
) -> None:
    online.base("unsloth/Llama-1B")
    if written.endswith("4bit"):
        online.base(written, card=card(owner_card) if owner_card else "", **BITS)
        owner_card = None
    online.adapter(ADAPTER, written, card=card(owner_card) if owner_card else "")
    found = online.error(ADAPTER, to="./out")
    run = ["adapter-merge", "run", ADAPTER, "--base", "unsloth/Llama-1B", "--to", "./out"]
    assert commands(found.hint) == [run]
    assert found.hint.startswith("It fits: ")
    assert online.resolve(ADAPTER, base="auto").base.pinned.repo == "unsloth/Llama-1B"


@pytest.mark.parametrize("name", [None, "", "unsloth_model"])
def test_the_card_of_the_adapter_counts_where_its_config_says_nothing(
    online: Online, name: str | None
) -> None:
    online.base(BASE)
    online.adapter(ADAPTER, name, card=card(BASE))
    assert commands(online.error(ADAPTER).hint) == [
        ["adapter-merge", "run", ADAPTER, "--base", BASE]
    ]
    assert online.resolve(ADAPTER, base="auto").base.pinned.repo == BASE


def test_what_fitted_is_what_is_merged_into_though_its_branch_moves(online: Online) -> None:
    fitted = online.base("unsloth/Llama-1B")
    online.adapter(ADAPTER, "unsloth/Llama-1B-bnb-4bit")
    request = Request.model_validate({"adapters": (ADAPTER,), "base": "auto", "to": "./out"})
    (adapter,) = online.resolve(ADAPTER, base="auto").adapters
    around = online.around()
    search = Search(request=request, adapters=(adapter,), verb="run", around=around)
    chosen = choose_base(search)
    later = online.place / "later"
    later.write_bytes(b"x")
    sha256 = hashlib.sha256(b"x").hexdigest()
    moved = online.hub.add_file("unsloth/Llama-1B", "x.bin", later, sha256=sha256)
    assert moved != fitted
    assert opened(chosen, around.hub).pinned.commit == fitted
    assert chosen.text == "unsloth/Llama-1B"


def test_several_that_fit_are_listed(online: Online) -> None:
    online.base("unsloth/Llama-1B")
    other(online, "meta/Llama-1B")
    online.base("unsloth/Llama-1B-bnb-4bit", card=card("meta/Llama-1B"), **BITS)
    online.adapter(ADAPTER, "unsloth/Llama-1B-bnb-4bit", card=card("meta/Llama-1B"))
    found = online.error(ADAPTER)
    assert type(found) is QuantisedBase
    assert [c[-1] for c in commands(found.hint)] == ["unsloth/Llama-1B", "meta/Llama-1B"]
    found = online.error(ADAPTER, base="auto")
    assert type(found) is RequestError
    assert "found 2 models that fit: `unsloth/Llama-1B`, `meta/Llama-1B`" in found.message


def test_a_copy_counts_once(online: Online) -> None:
    for repo in ("unsloth/Llama-1B", "meta/Llama-1B"):
        online.base(repo)
    online.base("unsloth/Llama-1B-bnb-4bit", card=card("meta/Llama-1B"), **BITS)
    online.adapter(ADAPTER, "unsloth/Llama-1B-bnb-4bit")
    found = online.error(ADAPTER)
    assert [c[-1] for c in commands(found.hint)] == ["unsloth/Llama-1B"]
    assert "doesn't fit" not in found.message
    assert "card of `unsloth/Llama-1B-bnb-4bit`: a copy of `unsloth/Llama-1B`)" in found.message
    assert online.resolve(ADAPTER, base="auto").base.pinned.repo == "unsloth/Llama-1B"


def test_what_is_not_there_or_does_not_fit_is_said_and_not_advised(online: Online) -> None:
    online.base("unsloth/Llama-1B-bnb-4bit", card=card("meta/Llama-1B"), **BITS)
    narrow(online, "meta/Llama-1B")
    online.adapter(ADAPTER, "unsloth/Llama-1B-bnb-4bit")
    found = online.error(ADAPTER)
    assert (
        f"`unsloth/Llama-1B` (named by `{ADAPTER}`, without `-bnb-4bit`: not on the Hub)"
        in found.message
    )
    assert "in the card of `unsloth/Llama-1B-bnb-4bit`: doesn't fit)" in found.message
    assert commands(found.hint) == [["adapter-merge", "run", ADAPTER, "--base", "./folder"]]
    assert type(online.error(ADAPTER, base="auto")) is NotFound


def test_one_that_is_gated_says_how_to_get_it(online: Online) -> None:
    online.base("meta/Llama-1B")
    online.hub.gate("meta/Llama-1B")
    online.adapter(ADAPTER, "/data/meta/Llama-1B")
    found = online.error(ADAPTER)
    assert ": gated)" in found.message
    assert "Ask for access at" in found.hint
    run = ["adapter-merge", "run", ADAPTER, "--base", "meta/Llama-1B"]
    assert commands(found.hint) == [["hf", "auth", "login"], run]
    # The named base itself: its own error, and what else may do.
    online.base("unsloth/Llama-1B")
    online.adapter("bot/second", "meta/Llama-1B", card=card("unsloth/Llama-1B"))
    found = online.error("bot/second")
    assert type(found) is Gated
    assert commands(found.hint)[0][-1] == "unsloth/Llama-1B"


@pytest.mark.parametrize(
    ("wrote", "kind", "sent"),
    [
        ("/home/me/customer/secret", NotFound, set()),
        ("./customer/secret", NotFound, set()),
        ("work/customer/secret", RequestError, set()),  # a path, though it could name a folder of an id
        ("C:\\customer\\secret", RequestError, set()),
        (None, RequestError, set()),  # the card's id is nobody's business either
        ("customer/secret", NotFound, {"customer/secret", "card/secret"}),  # an id is what a run asks for
    ],
)  # fmt: skip
def test_what_only_files_here_say_stays_here(
    online: Online, wrote: str | None, kind: type[AdapterMergeError], sent: set[str]
) -> None:
    folder = write_adapter(Path("adapter"), base_model_name_or_path=wrote)
    (folder / "README.md").write_text(card("card/secret"))
    assert type(online.error("./adapter")) is kind
    assert online.asked() == sent
    # `--base auto` is leave to look.
    online.error("./adapter", base="auto")
    assert "card/secret" in online.asked()


def test_beside_an_adapter_on_the_hub_a_folder_keeps_its_paths(online: Online) -> None:
    write_adapter(Path("adapter"), base_model_name_or_path="/data/customer/secret")
    online.adapter(ADAPTER, "/data/org/Llama-1B")
    online.error(ADAPTER, "./adapter", to="./out")
    assert online.asked() == {ADAPTER, "org/Llama-1B"}


def test_a_path_in_a_config_from_the_hub_reads_no_file_of_this_machine(online: Online) -> None:
    planted = write_base(Path("models/Llama-1B"))
    shutil.copytree(planted, "Llama-1B")
    for number, path in enumerate(
        (str(planted.resolve()), "./models/Llama-1B", "models/Llama-1B", "~/Llama-1B", "../here/Llama-1B")
    ):  # fmt: skip
        repo = f"bot/a{number}"
        online.adapter(repo, path)
        for settings in ({}, {"base": "auto"}):
            found = online.error(repo, **settings)
            assert "It fits" not in found.hint, path
            assert f"--base {planted}" not in found.hint
    # An id may be found in a folder of its name: the file that is read is the user's choice of place.
    online.adapter("bot/id", "org/Llama-1B-bnb-4bit")
    assert commands(online.error("bot/id").hint)[0][-1] == "./Llama-1B"


def test_a_silent_hub_costs_one_question(online: Online) -> None:
    write_adapter(Path("adapter"), base_model_name_or_path="/data/org/Llama-1B")
    (Path("adapter") / "README.md").write_text(card("other/Llama-1B"))
    found = online.error("./adapter", base="auto", url=SILENT)
    assert type(found) is HubUnavailable
    assert len(online.waits) == 1
    assert sum(online.waits) < 1


def test_a_silent_hub_leaves_what_is_here(online: Online) -> None:
    write_adapter(Path("adapter"), base_model_name_or_path=BASE)
    write_base(Path("Llama-1B"))
    found = online.error("./adapter", url=SILENT)
    assert type(found) is HubUnavailable
    assert commands(found.hint) == [["adapter-merge", "run", "./adapter", "--base", "./Llama-1B"]]
    assert online.resolve("./adapter", base="auto", url=SILENT).base.pinned.source == "./Llama-1B"


def test_one_lost_answer_is_no_silence(online: Online) -> None:
    online.base(BASE)
    online.adapter(ADAPTER, f"/data/{BASE}")
    online.hub.fail(Fault(on=f"/api/models/{BASE}", does=Status(status=503)))
    assert online.resolve(ADAPTER, base="auto").base.pinned.repo == BASE


def test_a_folder_of_the_same_name_has_its_own_spelling(online: Online) -> None:
    online.base(BASE)
    online.adapter(ADAPTER, f"/data/{BASE}")
    write_base(Path(BASE), SMALL)
    (found,) = commands(online.error(ADAPTER).hint)
    assert found[-1] == f"hf://{BASE}"
    base = online.resolve(ADAPTER, base="auto").base
    assert (base.pinned.repo, base.pinned.source) == (BASE, f"hf://{BASE}")


def test_the_revision_that_the_adapter_was_trained_on(online: Online) -> None:
    first = online.base(BASE)
    folder = write_base(online.place / "later", model_type="mistral")
    assert online.put(f"{BASE}-2", folder) != first
    online.adapter(ADAPTER, BASE, revision=first)
    assert online.resolve(ADAPTER).base.pinned.commit == first
    online.adapter("bot/gone", BASE, revision="v9")
    found = online.error("bot/gone")
    assert type(found) is RevisionMissing
    assert commands(found.hint) == [["adapter-merge", "run", "bot/gone", "--base", BASE]]
    online.adapter("bot/odd", BASE, revision="../../x")
    found = online.error("bot/odd")
    assert type(found) is Corrupt
    assert commands(found.hint) == [["adapter-merge", "run", "bot/odd", "--base", BASE]]


def test_one_word_is_an_id(online: Online) -> None:
    online.hub.add_repo(
        "tiny", {p.name: p.read_bytes() for p in write_base(online.place / "t").iterdir()}
    )
    online.adapter(ADAPTER, "tiny")
    assert online.resolve(ADAPTER).base.pinned.repo == "tiny"


@pytest.mark.parametrize("trained", [False, True])
def test_a_plan_brings_weights_here_where_their_values_decide(
    online: Online, trained: bool
) -> None:
    """Of an adapter on a Hub the rest of a plan needs only the header."""
    attention = {"attn.in_proj_weight": np.ones((24, 8), np.float32)}
    attention |= {"attn.out_proj.weight": np.ones((8, 8), np.float32)}
    online.put(BASE, write_base(online.place / "base", attention, model_type="of_nobody"))
    factors = {
        f"{PREFIX}attn.out_proj.lora_A.weight": np.ones((4, 8), np.float32),
        f"{PREFIX}attn.out_proj.lora_B.weight": np.full((8, 4), trained, np.float32),
    }
    folder = write_adapter(online.place / "a", factors, base_model_name_or_path=BASE)
    online.put(ADAPTER, folder)
    sources = online.resolve(ADAPTER)
    settled, _ = claims_on(sources.adapters, sources.base)
    with pytest.raises(AdapterKind, match="out_proj") if trained else nullcontext():
        refuse_unread(settled.claims, sources.base)
