"""How a request is spelled: refs, weights, sizes, targets."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from adapter_merge.request import AdapterRef, RepoRef, Request, Settings


@pytest.mark.parametrize(
    ("text", "repo", "revision", "subfolder"),
    [
        ("gpt2", "gpt2", None, None),
        ("org/name", "org/name", None, None),
        ("hf://org/name", "org/name", None, None),
        ("org/name@v1", "org/name", "v1", None),
        ("org/name@v1/sub/folder", "org/name", "v1", "sub/folder"),
        ("org/name/sub/folder", "org/name", None, "sub/folder"),
        ("org/name@refs/pr/3/sub", "org/name", "refs/pr/3", "sub"),
    ],
)
def test_a_hub_id_is_read(
    text: str, repo: str, revision: str | None, subfolder: str | None
) -> None:
    ref = RepoRef.model_validate(text)
    assert ref.folder is None
    assert (ref.repo, ref.revision, ref.subfolder) == (repo, revision, subfolder)


@pytest.mark.parametrize("text", ["./a", "../a", "/a/b", "~/a", "."])
def test_a_folder_is_read(text: str) -> None:
    ref = RepoRef.model_validate(text)
    assert (ref.folder, ref.repo) == (Path(text), None)


@pytest.mark.parametrize("text", ["", "a b", "a!b", "-a", "org/name@", "org/na me"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="neither a folder"):
        RepoRef.model_validate(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("hf://datasets/org/name", "a data set"),
        ("datasets/org", "a data set"),
        ("hf://spaces/org/name@main", "a Space"),
        ("spaces/org/name/folder", "a Space"),
    ],
)
def test_what_is_no_model_on_the_hub_is_refused(text: str, kind: str) -> None:
    bare = text.removeprefix("hf://")
    with pytest.raises(ValidationError, match=f"`{text}` is {kind} on the Hub") as caught:
        RepoRef.model_validate(text)
    assert f"`./{bare}` for a folder" in str(caught.value)
    assert RepoRef.model_validate("datasets").repo == "datasets"
    assert RepoRef.model_validate(f"./{bare}").repo is None


@pytest.mark.parametrize("text", ["org/name@{}", "org/{}", "org/name/{}", "./{}", "{}"])
def test_what_no_file_system_could_hold_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="a part of more than 255 bytes"):
        RepoRef.model_validate(text.format("a" * 256))
    RepoRef.model_validate(text.format("a" * 200))


def test_a_path_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"`./a.udcff` is not UTF-8"):
        RepoRef.model_validate("./a\udcff")


@pytest.mark.parametrize(
    ("text", "ref", "weight"),
    [
        ("./a", "./a", 1.0),
        ("./a=0.5", "./a", 0.5),
        ("./a=-2", "./a", -2.0),
        ("./a=b", "./a=b", 1.0),
        ("./a=b=3", "./a=b", 3.0),
    ],
)
def test_a_weight_follows_the_last_equals_sign(text: str, ref: str, weight: float) -> None:
    adapter = AdapterRef.model_validate(text)
    assert (adapter.ref.text, adapter.weight) == (ref, weight)


@pytest.mark.parametrize("weight", ["0", "nan", "inf", "-0.0"])
def test_a_weight_that_cannot_scale_is_refused(weight: str) -> None:
    with pytest.raises(ValidationError, match="finite number other than 0"):
        AdapterRef.model_validate(f"./a={weight}")


@pytest.mark.parametrize(
    ("text", "count"),
    [("keep", None), ("5GB", 5 * 10**9), ("500mb", 5 * 10**8), ("1.5 GiB", 3 * 2**29)],
)
def test_a_shard_size_is_read(text: str, count: int | None) -> None:
    assert Settings(max_shard_size=text).shard_bytes == count


@pytest.mark.parametrize("text", ["0GB", "5", "GB", "-1GB", "5 GB each"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a size"):
        Settings(max_shard_size=text)


@pytest.mark.parametrize(
    ("adapter", "target"),
    [("./x/a", "./a-merged"), ("org/name", "./name-merged"), ("org/name/sub", "./sub-merged")],
)
def test_a_target_that_is_left_out_is_named_after_the_adapter(adapter: str, target: str) -> None:
    request = Request.model_validate({"adapters": [adapter]})
    assert request.target.folder == Path(target)


def test_several_adapters_need_a_target() -> None:
    with pytest.raises(ValidationError, match="several adapters need `--to`"):
        Request.model_validate({"adapters": ["./a", "./b"]})
    assert Request.model_validate({"adapters": ["./a", "./b"], "to": "./c"}).target.text == "./c"


def test_codes_are_read_in_either_case() -> None:
    assert Settings(ignore=("t003",), strict=("all", "F002")).ignore == ("T003",)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"layout": "merged", "bundle_as": "org/name"}, "`--bundle-as` is for `--layout bundled`"),
        ({"bundle_as": "name"}, "is not a Hub id"),
        ({"bundle_as": "./org/name"}, "is not a Hub id"),
        ({"bundle_as": "org/a", "to": "hf://org/b"}, "leads away from the target `org/b`"),
        ({"adapters": ("./a", "./b"), "to": "./c"}, "a bundle has one adapter"),
        ({"native": True}, "`--native` is for `--layout merged`"),
        ({"adapters": ("./a=0.5",)}, "keeps its own scale"),
        ({"dtype": "bf16"}, "the base's own weight files"),
        ({"max_shard_size": "5GB"}, "the base's own weight files"),
    ],
)
def test_what_a_bundle_cannot_be(settings: dict[str, object], words: str) -> None:
    given = {"adapters": ("./a",), "layout": "bundled", **settings}
    with pytest.raises(ValidationError, match=words):
        Request.model_validate(given)


@pytest.mark.parametrize(
    ("settings", "bundle_id"),
    [
        ({}, None),
        ({"to": "./a"}, None),
        ({"to": "./a", "bundle_as": "org/b"}, "org/b"),
        ({"to": "org/b"}, "org/b"),
        ({"to": "hf://org/b", "bundle_as": "org/b"}, "org/b"),
    ],
)
def test_where_a_bundle_leads(settings: dict[str, object], bundle_id: str | None) -> None:
    given = {"adapters": ("./a",), "layout": "bundled", **settings}
    assert Request.model_validate(given).bundle_id == bundle_id


@pytest.mark.parametrize(
    ("settings", "name"), [({"layout": "bundled"}, "./a-bundled"), ({"native": True}, "./a-hf")]
)
def test_a_bundle_and_a_native_form_have_names_of_their_own(
    settings: dict[str, object], name: str
) -> None:
    request = Request.model_validate({"adapters": ("./some/a",), **settings})
    assert request.target.text == name
