"""Contract of the pull side, with the real client: what is read, what is written, what is believed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from adapter_merge.errors import (
    AdapterMergeError,
    Corrupt,
    Gated,
    NotFound,
    RequestError,
    RevisionMissing,
)
from adapter_merge.remote import Access
from tests.hub.stock import TOKEN, WEIGHTS, Stocked, weights

FILES = {
    "README.md": b"# Words\n",
    "config.json": b'{"model_type": "llama"}',
    WEIGHTS: weights(1, 2, 3, 4),
    "checkpoint-5/adapter_config.json": b"{}",
    "checkpoint-5/adapter_model.safetensors": weights(5, 6, name="lora"),
    ".cache/leftover": b"x",
}


def everything(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_a_ref_is_pinned_and_listed_in_two_requests(both: Stocked) -> None:
    commit = both.add("org/base", FILES)
    before = len(both.asked())
    found = both.open("org/base")
    assert len(both.asked()) - before == 2
    assert found.pinned.repo == "org/base"
    assert found.pinned.commit == commit
    assert found.pinned.access is Access.OPEN
    assert found.pinned.root == both.cache / "models--org--base" / "snapshots" / commit
    assert found.files == {
        ".gitattributes": found.files[".gitattributes"],
        **{p: len(c) for p, c in FILES.items() if not p.startswith(".cache")},
    }
    assert not both.cache.exists()


def test_digests_are_the_hubs_own(both: Stocked) -> None:
    both.add("org/base", FILES)
    found = both.open("org/base")
    assert found.digest(WEIGHTS) == f"sha256:{hashlib.sha256(FILES[WEIGHTS]).hexdigest()}"
    blob = b"blob %d\0" % len(FILES["README.md"]) + FILES["README.md"]
    assert found.digest("README.md") == f"git:{hashlib.sha1(blob).hexdigest()}"  # noqa: S324
    assert both.open("org/base").listing[WEIGHTS].xet is (both.server._settings.xet)


def test_a_header_and_a_span_move_no_more_than_they_need(both: Stocked) -> None:
    content = weights(*range(200), metadata={"note": "x" * 300_000})
    both.add("org/base", {WEIGHTS: content + b""})
    found = both.open("org/base")
    header = found.header(WEIGHTS)
    assert header.tensors[0].shape == (200,)
    assert header.header == content[:-200]
    assert found.span(WEIGHTS, header.tensors[0].start + 3, 2) == bytes([3, 4])
    assert found.span(WEIGHTS, 0, 0) == b""
    assert not both.cache.exists()


def test_only_what_is_asked_for_is_pulled_and_every_byte_of_it_told(both: Stocked) -> None:
    both.add("org/base", FILES)
    found = both.open("org/base")
    told: list[int] = []
    wanted = ["config.json", WEIGHTS, "config.json"]
    found.have(wanted, told.append)
    assert everything(found.pinned.root) == {p: FILES[p] for p in wanted}
    assert sum(told) == sum(found.files[p] for p in set(wanted))
    assert all(count >= 0 for count in told)


def test_what_lies_in_the_cache_is_not_asked_for_again(both: Stocked) -> None:
    both.add("org/base", FILES)
    both.open("org/base").have([WEIGHTS, "config.json"])
    found = both.open("org/base")
    before, told = len(both.asked()), list[int]()
    found.have([WEIGHTS, "config.json"], told.append)
    assert found.header(WEIGHTS).tensors[0].name == "w"
    assert found.span(WEIGHTS, len(FILES[WEIGHTS]) - 2, 2) == bytes([3, 4])
    assert found.pinned.file("config.json").read_bytes() == FILES["config.json"]
    assert len(both.asked()) == before
    assert sum(told) == len(FILES[WEIGHTS]) + len(FILES["config.json"])


def test_other_programs_share_the_cache(both: Stocked) -> None:
    from huggingface_hub import hf_hub_download

    commit = both.add("org/base", FILES)
    both.open("org/base").have([WEIGHTS])
    theirs = hf_hub_download(
        "org/base", WEIGHTS, revision=commit, cache_dir=both.cache, local_files_only=True
    )
    assert Path(theirs).read_bytes() == FILES[WEIGHTS]


def test_a_subfolder_is_a_repository_of_its_own(both: Stocked) -> None:
    commit = both.add("org/runs", FILES)
    found = both.open("org/runs/checkpoint-5")
    assert set(found.files) == {"adapter_config.json", "adapter_model.safetensors"}
    assert found.header("adapter_model.safetensors").tensors[0].name == "lora"
    found.have(["adapter_config.json"])
    assert found.pinned.root.name == "checkpoint-5"
    assert found.pinned.subfolder == "checkpoint-5"
    assert found.pinned.file("adapter_config.json").read_bytes() == b"{}"
    assert both.asked()[-1].endswith(f"{commit}/checkpoint-5/adapter_config.json")


def test_every_spelling_of_a_revision_leads_to_its_commit(plain: Stocked) -> None:
    from huggingface_hub import HfApi

    first = plain.add("org/base", {"config.json": b"{}"})
    api = HfApi(endpoint=plain.server.url, token=TOKEN)
    api.create_tag("org/base", tag="v1", revision=first)
    api.create_branch("org/base", branch="dev", revision=first)
    proposed = api.create_pull_request("org/base", title="Words")
    api.upload_file(path_or_fileobj=b"[1]", path_in_repo="x.json", repo_id="org/base")
    for revision in ("v1", "dev", first):
        assert plain.open(f"org/base@{revision}").pinned.commit == first
    number = proposed.num
    assert plain.open(f"org/base@refs/pr/{number}").pinned.repo == "org/base"
    assert plain.open("hf://org/base").pinned.commit != first


def test_an_id_of_one_word_is_an_id(plain: Stocked) -> None:
    plain.server.add_repo("gpt2", {"config.json": b"{}"})
    found = plain.open("gpt2")
    found.have(["config.json"])
    assert found.pinned.root.parent.parent.name == "models--gpt2"


def test_who_may_read_is_told(plain: Stocked) -> None:
    plain.add("org/secret", {"config.json": b"{}"}, private=True)
    plain.add("org/asked", {"config.json": b"{}"})
    plain.server.gate("org/asked")
    assert plain.open("org/secret", token=TOKEN).pinned.access is Access.PRIVATE
    assert plain.open("org/asked", token=TOKEN).pinned.access is Access.GATED


REFUSED: tuple[tuple[str, str | bool, type[AdapterMergeError], str], ...] = (
    ("org/none", False, NotFound, "there is no `org/none`"),
    ("org/none", TOKEN, NotFound, "there is no `org/none`"),
    ("org/secret", False, NotFound, "or this account may not see it"),
    ("org/base@none", False, RevisionMissing, "`org/base` has no revision `none`"),
    ("org/base@refs/pr/9", False, RevisionMissing, "`refs/pr/9`"),
    ("org/base@" + "0" * 40, False, RevisionMissing, "has no revision"),
    ("org/base/none", False, NotFound, "`none` of `org/base`|has no `none`|has no folder `none`"),
    ("org/base/config.json", False, NotFound, "config.json"),
    ("org/base/../secret", False, RequestError, "names a folder that no repository has"),
    ("org/a--b", False, RequestError, "can't be an id"),
    ("org/base", "hf_wrongtoken", Gated, "doesn't know the token"),
)


@pytest.mark.parametrize(("ref", "token", "kind", "words"), REFUSED)
def test_what_the_hub_says_no_to_is_told_plainly(
    ref: str, token: str | bool, kind: type[AdapterMergeError], words: str, plain: Stocked
) -> None:
    plain.add("org/base", FILES)
    plain.add("org/secret", FILES, private=True)
    with pytest.raises(AdapterMergeError, match=words) as caught:
        plain.open(ref, token=token)
    assert type(caught.value) is kind
    assert "hf_" not in f"{caught.value} {caught.value.hint}"
    assert plain.waits == []


def test_a_gated_repository_is_listed_and_its_files_are_held_back(both: Stocked) -> None:
    both.add("org/asked", FILES)
    both.server.gate("org/asked")
    both.server.add_user("reader", "hf_readerstoken")
    for token in (False, "hf_readerstoken"):
        found = both.open("org/asked", token=token)
        with pytest.raises(Gated, match="`org/asked` is gated") as caught:
            found.header(WEIGHTS)
        assert "Ask for access at" in caught.value.hint
        for path in (WEIGHTS, "config.json"):
            with pytest.raises(Gated, match="`org/asked` is gated"):
                found.have([path])
    both.server.gate("org/asked", ["reader"])
    both.open("org/asked", token="hf_readerstoken").have([WEIGHTS])


def test_a_file_that_is_not_there_is_told(plain: Stocked) -> None:
    plain.add("org/base", FILES)
    found = plain.open("org/base")
    for act in (
        lambda: found.header("x.safetensors"),
        lambda: found.span("x.safetensors", 0, 1),
        lambda: found.have(["x.safetensors"]),
        lambda: found.digest("x.safetensors"),
    ):
        with pytest.raises(NotFound, match=r"`org/base` has no `x.safetensors`"):
            act()


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "/etc/evil",
        "a//b",
        "a\\b",
        "a\nb",
        "a\x00b",
        "\u202etxt.exe",
        "n" * 256,
        "/".join(["n" * 200] * 6),
        ".",
    ],
)
def test_a_name_that_leads_elsewhere_refuses_the_repository(name: str, plain: Stocked) -> None:
    plain.server.add_repo("org/evil", {"config.json": b"{}", name: b"x"})
    with pytest.raises(Corrupt, match="has a file whose name") as caught:
        plain.open("org/evil")
    assert str(caught.value).isprintable()
    assert not plain.cache.exists()


def test_a_name_that_is_a_file_and_a_folder_refuses_the_repository(plain: Stocked) -> None:
    plain.server.add_repo("org/evil", {"a": b"x", "a/b": b"x"})
    with pytest.raises(Corrupt, match="`a` of `org/evil` is a file and a folder"):
        plain.open("org/evil")
