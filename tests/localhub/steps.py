"""What a user of the real client does on a Hub, step by step; each may build on those before it.

Run as a program, in an environment of its own (the client reads it when it is imported), it prints one JSON
line for each step: its name, and what went wrong.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub as hf
import numpy as np
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors.numpy import save_file

REPO, OTHER, TOKEN = "bot/adapter", "bot/merged", "hf_bot"
CARD = "---\nlicense: apache-2.0\nbase_model: x/y\nbase_model_relation: merge\n---\n# hi\n"


class User:
    """Somebody with a folder and a client."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.endpoint = endpoint
        self.api = HfApi(endpoint=endpoint, token=TOKEN)
        self.folder = folder / "model"
        (self.folder / "sub").mkdir(parents=True)
        (self.folder / "config.json").write_text('{"model_type": "llama"}')
        (self.folder / "README.md").write_text(CARD)
        (self.folder / "sub" / "note.txt").write_text("x" * 5000)
        rng = np.random.default_rng(0)
        small = {"w": rng.random((256, 64), np.float32), "b": np.zeros(10, np.float32)}
        save_file(small, self.folder / "model.safetensors", metadata={"format": "pt"})
        # Above the LFS threshold: without Xet it comes in parts.
        save_file({"w": rng.random(3 << 20, np.float32)}, self.folder / "big.safetensors")

    @property
    def files(self) -> list[str]:
        """The paths of the folder."""
        found = [p for p in self.folder.rglob("*") if p.is_file()]
        return sorted(str(p.relative_to(self.folder)) for p in found)


def who_am_i(user: User) -> None:
    assert user.api.whoami()["name"] == "bot"


def a_missing_repo_is_missing(user: User) -> None:
    assert not user.api.repo_exists(REPO)


def create_repo(user: User) -> None:
    assert user.api.create_repo(REPO, private=False).repo_id == REPO


def create_again(user: User) -> None:
    assert user.api.create_repo(REPO, exist_ok=True).repo_id == REPO
    with refused(409):
        user.api.create_repo(REPO)


def upload_folder(user: User) -> None:
    made = user.api.upload_folder(repo_id=REPO, folder_path=user.folder, commit_message="first")
    assert made.oid == user.api.model_info(REPO).sha


def list_files(user: User) -> None:
    assert sorted(user.api.list_repo_files(REPO)) == sorted([".gitattributes", *user.files])


def list_tree(user: User) -> None:
    entries = {e.path: e for e in user.api.list_repo_tree(REPO, recursive=True, expand=True)}
    assert isinstance(entries["sub"], hf.RepoFolder)
    model = entries["model.safetensors"]
    assert isinstance(model, hf.RepoFile)
    assert model.lfs is not None
    assert model.lfs.size == model.size == (user.folder / "model.safetensors").stat().st_size
    assert model.last_commit is not None
    assert model.last_commit.title == "first"
    first = entries[".gitattributes"]
    assert isinstance(first, hf.RepoFile)
    assert first.last_commit is not None
    assert first.last_commit.title == "initial commit"


def model_info(user: User) -> None:
    info = user.api.model_info(REPO, files_metadata=True)
    assert {"license:apache-2.0", "base_model:x/y", "base_model:merge:x/y"} <= set(info.tags or ())
    assert info.card_data is not None
    assert info.card_data["base_model"] == "x/y"
    sizes = {s.rfilename: s.size for s in info.siblings or ()}
    assert sizes["config.json"] == 23


def model_info_expanded(user: User) -> None:
    info = user.api.model_info(REPO, expand=["safetensors", "gated", "baseModels", "cardData"])
    assert info.safetensors is not None
    assert info.safetensors.total == 256 * 64 + 10 + (3 << 20)
    assert info.gated is False


def paths_info(user: User) -> None:
    found = user.api.get_paths_info(REPO, ["model.safetensors", "config.json", "nope", "sub"])
    assert [f.path for f in found] == ["model.safetensors", "config.json", "sub"]
    model = found[0]
    assert isinstance(model, hf.RepoFile)
    assert (model.xet_hash is None) == _without_xet()


def _without_xet() -> bool:
    return os.environ.get("HF_HUB_DISABLE_XET") == "1"


def metadata_of_a_small_file(user: User) -> None:
    found = hf.get_hf_file_metadata(_url(user, "config.json"), token=TOKEN)
    assert found.size == 23
    assert found.commit_hash == user.api.model_info(REPO).sha


def metadata_of_a_large_file(user: User) -> None:
    found = hf.get_hf_file_metadata(_url(user, "model.safetensors"), token=TOKEN)
    assert found.size == (user.folder / "model.safetensors").stat().st_size
    assert found.commit_hash == user.api.model_info(REPO).sha
    assert (found.xet_file_data is None) == _without_xet()


def _url(user: User, path: str) -> str:
    return hf.hf_hub_url(REPO, path, endpoint=user.endpoint)


def download(user: User) -> None:
    there = Path(user.api.snapshot_download(REPO))
    for path in user.files:
        assert (there / path).read_bytes() == (user.folder / path).read_bytes(), path


def read_a_range(user: User) -> None:
    disk = hf.HfFileSystem(endpoint=user.endpoint, token=TOKEN, block_size=4096)
    with disk.open(f"{REPO}/model.safetensors", "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        assert json.loads(file.read(size))["w"]["shape"] == [256, 64]


def safetensors_metadata(user: User) -> None:
    found = user.api.parse_safetensors_file_metadata(REPO, "model.safetensors")
    assert found.parameter_count == {"F32": 256 * 64 + 10}
    assert user.api.get_safetensors_metadata(REPO).parameter_count == found.parameter_count


def commit_on_a_parent(user: User) -> None:
    head = user.api.model_info(REPO).sha
    add, remove = CommitOperationAdd("a.txt", b"hello"), CommitOperationDelete("sub/note.txt")
    made = user.api.create_commit(
        REPO, [add, remove], commit_message="m", commit_description="why", parent_commit=head
    )
    assert made.commit_url.endswith(made.oid)
    newest = user.api.list_repo_commits(REPO)[0]
    assert (newest.title, newest.message, newest.authors) == ("m", "why", ["bot"])
    files = user.api.list_repo_files(REPO)
    assert "a.txt" in files
    assert "sub/note.txt" not in files


def a_stale_parent_is_refused(user: User) -> None:
    oldest = user.api.list_repo_commits(REPO)[-1].commit_id
    change = CommitOperationAdd("a.txt", b"hello2")
    with refused(412):
        user.api.create_commit(REPO, [change], commit_message="m", parent_commit=oldest)


def an_identical_commit_is_none(user: User) -> None:
    head = user.api.model_info(REPO).sha
    path = user.folder / "model.safetensors"
    changes = [CommitOperationAdd(path.name, path), CommitOperationAdd("a.txt", b"hello")]
    assert user.api.create_commit(REPO, changes, commit_message="again").oid == head
    assert user.api.model_info(REPO).sha == head


def delete_a_folder(user: User) -> None:
    user.api.create_commit(REPO, [CommitOperationAdd("f/a", b"1")], commit_message="m")
    user.api.delete_folder("f", REPO)
    assert "f/a" not in user.api.list_repo_files(REPO)


def copy_within(user: User) -> None:
    change = CommitOperationCopy("model.safetensors", "copy.safetensors")
    user.api.create_commit(REPO, [change], commit_message="copy")
    assert _digest(user, REPO, "copy.safetensors") == _digest(user, REPO, "model.safetensors")


def copy_across(user: User) -> None:
    user.api.create_repo(OTHER, exist_ok=True)
    change = CommitOperationCopy(
        "model.safetensors", "model.safetensors", src_repo_id=REPO, src_repo_type="model"
    )
    if _without_xet():
        return  # the client copies by the Xet hash alone
    user.api.create_commit(OTHER, [change], commit_message="copy")
    assert _digest(user, OTHER, "model.safetensors") == _digest(user, REPO, "model.safetensors")


def _digest(user: User, repo: str, path: str) -> str:
    (found,) = user.api.get_paths_info(repo, [path])
    assert isinstance(found, hf.RepoFile)
    assert found.lfs is not None
    return found.lfs.sha256


def upload_before_the_commit(user: User) -> None:
    user.api.create_repo(OTHER, exist_ok=True)
    shard = CommitOperationAdd("shard-1.safetensors", user.folder / "big.safetensors")
    user.api.preupload_lfs_files(OTHER, [shard])
    user.api.create_commit(OTHER, [shard], commit_message="pre")
    assert "shard-1.safetensors" in user.api.list_repo_files(OTHER)


def make_a_branch(user: User) -> None:
    user.api.create_branch(REPO, branch="cand")
    assert [b.name for b in user.api.list_repo_refs(REPO).branches] == ["main", "cand"]
    user.api.create_branch(REPO, branch="cand", exist_ok=True)


def commit_on_a_branch(user: User) -> None:
    user.api.upload_file(path_or_fileobj=b"z", path_in_repo="z.txt", repo_id=REPO, revision="cand")
    assert "z.txt" in user.api.list_repo_files(REPO, revision="cand")
    assert "z.txt" not in user.api.list_repo_files(REPO)


def make_a_tag(user: User) -> None:
    user.api.create_tag(REPO, tag="v1.0", tag_message="rel")
    assert [t.name for t in user.api.list_repo_refs(REPO).tags] == ["v1.0"]
    user.api.create_tag(REPO, tag="v1.0", exist_ok=True)
    with refused(409):
        user.api.create_tag(REPO, tag="v1.0")


def download_at_a_tag(user: User) -> None:
    path = user.api.hf_hub_download(REPO, "config.json", revision="v1.0")
    assert Path(path).read_text() == '{"model_type": "llama"}'


def pull_request(user: User) -> None:
    change = CommitOperationAdd("pr.txt", b"pr")
    made = user.api.create_commit(REPO, [change], commit_message="pr", create_pr=True)
    assert (made.pr_num, made.pr_revision) == (1, "refs/pr/1")
    assert "pr.txt" in user.api.list_repo_files(REPO, revision="refs/pr/1")
    assert "pr.txt" not in user.api.list_repo_files(REPO)


def commit_on_a_pull_request(user: User) -> None:
    change = CommitOperationAdd("pr2.txt", b"pr")
    user.api.create_commit(REPO, [change], commit_message="more", revision="refs/pr/1")
    assert "pr2.txt" in user.api.list_repo_files(REPO, revision="refs/pr/1")


def merge_a_pull_request(user: User) -> None:
    user.api.upload_file(path_or_fileobj=b"2", path_in_repo="since.txt", repo_id=REPO)
    user.api.merge_pull_request(REPO, 1)
    assert {"pr.txt", "pr2.txt", "since.txt"} <= set(user.api.list_repo_files(REPO))
    details = user.api.get_discussion_details(REPO, 1)
    assert (details.status, details.merge_commit_oid) == ("merged", user.api.model_info(REPO).sha)
    with refused(400):
        user.api.merge_pull_request(REPO, 1)


def discussion(user: User) -> None:
    made = user.api.create_discussion(REPO, title="t", description="d")
    said = user.api.comment_discussion(REPO, made.num, comment="hi")
    user.api.edit_discussion_comment(REPO, made.num, said.id, new_content="ho")
    user.api.rename_discussion(REPO, made.num, new_title="u")
    user.api.change_discussion_status(REPO, made.num, "closed", comment="done")
    found = user.api.get_discussion_details(REPO, made.num)
    assert (found.title, found.status) == ("u", "closed")
    assert [e.content for e in found.events if isinstance(e, hf.DiscussionComment)] == [
        "d",
        "ho",
        "done",
    ]
    assert [d.num for d in user.api.get_repo_discussions(REPO, discussion_status="open")] == []
    requests = user.api.get_repo_discussions(REPO, discussion_type="pull_request")
    assert [d.num for d in requests] == [1]


def push_a_card(user: User) -> None:
    data = hf.ModelCardData(license="mit", base_model=REPO, tags=["merge"])
    card = hf.ModelCard.from_template(data, template_str="---\n{{ card_data }}\n---\n# x")
    # Not `card.push_to_hub`: it asks a fixed address whether the card is right.
    user.api.upload_file(
        path_or_fileobj=str(card).encode(), path_in_repo="README.md", repo_id=OTHER
    )


def load_a_card(user: User) -> None:
    assert hf.ModelCard.load(OTHER, token=TOKEN).data.to_dict()["base_model"] == REPO


def update_metadata(user: User) -> None:
    hf.metadata_update(OTHER, {"tags": ["a"]}, overwrite=True, token=TOKEN)
    assert "a" in (user.api.model_info(OTHER).tags or ())


def make_private(user: User) -> None:
    user.api.update_repo_settings(OTHER, private=True)
    assert user.api.model_info(OTHER).private


def a_stranger_sees_nothing_private(user: User) -> None:
    with refused(401, RepositoryNotFoundError):
        HfApi(endpoint=user.endpoint, token=False).model_info(OTHER)


def gate_it(user: User) -> None:
    user.api.update_repo_settings(OTHER, gated="auto")
    assert user.api.model_info(OTHER).gated == "auto"


def upload_to_what_is_there(user: User) -> None:
    user.api.upload_folder(repo_id=OTHER, folder_path=user.folder, delete_patterns="*.txt")
    assert set(user.files) <= set(user.api.list_repo_files(OTHER))


def list_models(user: User) -> None:
    assert [m.id for m in user.api.list_models(author="bot")] == [REPO, OTHER]


def errors_have_their_classes(user: User) -> None:
    with refused(404, RemoteEntryNotFoundError):
        user.api.hf_hub_download(REPO, "nope.bin")
    with refused(404, RevisionNotFoundError):
        user.api.model_info(REPO, revision="nope")
    with refused(404, RepositoryNotFoundError):
        user.api.model_info("bot/nope")


def duplicate(user: User) -> None:
    assert user.api.duplicate_repo(REPO, to_id="bot/twin").repo_id == "bot/twin"
    assert user.api.list_repo_files("bot/twin") == user.api.list_repo_files(REPO)
    assert user.api.model_info("bot/twin").sha == user.api.model_info(REPO).sha


def move(user: User) -> None:
    user.api.move_repo("bot/twin", "bot/moved")
    assert not user.api.repo_exists("bot/twin")
    assert user.api.repo_exists("bot/moved")


def squash(user: User) -> None:
    before = user.api.list_repo_files(REPO)
    user.api.super_squash_history(REPO)
    assert len(user.api.list_repo_commits(REPO)) == 1
    assert user.api.list_repo_files(REPO) == before


def webhook(user: User) -> None:
    assert user.api.list_webhooks() == []
    watched = hf.WebhookWatchedItem(type="model", name=REPO)
    made = user.api.create_webhook(url="http://127.0.0.1:9/", watched=[watched], secret="s")
    assert [w.id for w in user.api.list_webhooks()] == [made.id]
    assert user.api.disable_webhook(made.id).disabled
    user.api.delete_webhook(made.id)
    assert user.api.list_webhooks() == []


def collection(user: User) -> None:
    made = user.api.create_collection("Our merges", namespace="bot")
    user.api.add_collection_item(made.slug, item_id=REPO, item_type="model", note="first")
    assert [i.item_id for i in user.api.get_collection(made.slug).items] == [REPO]


def auth_check(user: User) -> None:
    user.api.auth_check(REPO, write=True)
    HfApi(endpoint=user.endpoint, token=False).auth_check(REPO)
    with refused(401):
        HfApi(endpoint=user.endpoint, token=False).auth_check(REPO, write=True)


def delete(user: User) -> None:
    user.api.delete_tag(REPO, tag="v1.0")
    user.api.delete_branch(REPO, branch="cand")
    assert user.api.list_repo_refs(REPO).tags == []
    user.api.delete_repo(REPO)
    assert not user.api.repo_exists(REPO)


STEPS: tuple[Callable[[User], None], ...] = (
    who_am_i,
    a_missing_repo_is_missing,
    create_repo,
    create_again,
    upload_folder,
    list_files,
    list_tree,
    model_info,
    model_info_expanded,
    paths_info,
    metadata_of_a_small_file,
    metadata_of_a_large_file,
    download,
    read_a_range,
    safetensors_metadata,
    commit_on_a_parent,
    a_stale_parent_is_refused,
    an_identical_commit_is_none,
    delete_a_folder,
    copy_within,
    copy_across,
    upload_before_the_commit,
    make_a_branch,
    commit_on_a_branch,
    make_a_tag,
    download_at_a_tag,
    pull_request,
    commit_on_a_pull_request,
    merge_a_pull_request,
    discussion,
    push_a_card,
    load_a_card,
    update_metadata,
    make_private,
    a_stranger_sees_nothing_private,
    gate_it,
    upload_to_what_is_there,
    list_models,
    errors_have_their_classes,
    duplicate,
    move,
    squash,
    webhook,
    collection,
    auth_check,
    delete,
)


@contextmanager
def refused(status: int, kind: type[HfHubHTTPError] = HfHubHTTPError) -> Iterator[None]:
    """The Hub refuses what the block asks."""
    with pytest.raises(kind) as caught:
        yield
    assert caught.value.response.status_code == status


def main(folder: Path) -> None:
    """Take all steps, whatever becomes of each."""
    user = User(os.environ["HF_ENDPOINT"], folder)
    for step in STEPS:
        wrong = None
        try:
            step(user)
        except Exception:
            wrong = traceback.format_exc()
        sys.stdout.write(json.dumps([step.__name__, wrong]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
