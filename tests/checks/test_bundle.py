"""Bundles that lead elsewhere, lack something, or may be none: each fault is planted in a good one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from adapter_merge import assemble
from adapter_merge.finding import Finding, Outcome
from adapter_merge.folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS, INDEX
from adapter_merge.repository import Folder
from adapter_merge.request import LayoutName, RepoRef, Settings
from adapter_merge.stages.draft import draft
from adapter_merge.stages.resolve import resolve
from adapter_merge.stages.validate import inspect
from tests.build import Case, Tensors, change, change_json
from tests.docs.folders import make_folders

Plant = Callable[[Path], object]
PASS, WARN, FAIL = Outcome.PASS, Outcome.WARN, Outcome.FAIL


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sources, a bundle for its folder, one for a Hub, and a merge."""
    root = tmp_path_factory.mktemp("made")
    make_folders(root)
    for name, settings in {
        "own": {"layout": "bundled"},
        "hub": {"layout": "bundled", "bundle_as": "org/hub"},
        "merged": {},
    }.items():
        assert case_in(root, root / name).run(**settings).error is None  # type: ignore[arg-type]
    return root


def case_in(root: Path, to: Path) -> Case:
    return Case(base=root / "my-base", adapter=root / "my-adapter", to=to)


def looked(folder: Path) -> Mapping[str, Finding]:
    found = inspect(Folder(folder), None, None, workers=1, advance=lambda _n: None).findings
    return {f.code: f for f in found if f.code in {"F004", "F008", "F009"}}


def leads(to: object, **more: object) -> Plant:
    return lambda folder: change_json(folder / ADAPTER_CONFIG, base_model_name_or_path=to, **more)


def delete(path: str) -> Plant:
    return lambda folder: (folder / path).unlink()


def older(folder: Path) -> None:
    """Names of a class that held today's."""

    def rename(tensors: Tensors) -> None:
        for name in list(tensors):
            tensors[name.replace("base_model.model.", "base_model.model.held.")] = tensors.pop(name)

    change(folder / ADAPTER_WEIGHTS, rename)


def narrower(folder: Path) -> None:
    change(folder / ADAPTER_WEIGHTS, lambda ts: ts.update({n: t[:, :3] for n, t in ts.items()}))


# Bundle, what is done to it, and what is found then.
FAULTS: list[tuple[str, Plant, tuple[str, Outcome, str]]] = [
    ("own", leads("/elsewhere"), ("F008", FAIL, "leads to `/elsewhere`, not here")),
    ("own", leads("."), ("F008", FAIL, "leads to `.`")),
    ("own", leads("some/deep/folder"), ("F008", FAIL, "leads to `some/deep/folder`")),
    ("own", leads(None), ("F008", FAIL, "is empty")),
    ("own", leads(7), ("F008", FAIL, "is empty")),
    ("own", leads("org/hub"), ("F008", WARN, "right where that is its own id")),
    ("hub", leads("org/other"), ("F008", FAIL, "leads to `org/other`, and is `org/hub`")),
    ("hub", leads("org/hub", revision="v1"), ("F008", FAIL, "the revision `v1` of `org/hub`")),
    ("own", delete(INDEX), ("F008", FAIL, f"there is no `{INDEX}`")),
    ("own", delete(ADAPTER_WEIGHTS), ("F008", FAIL, f"there is no `{ADAPTER_WEIGHTS}`")),
    ("own", delete(ADAPTER_CONFIG), ("F008", FAIL, f"there is no `{ADAPTER_CONFIG}`")),
    ("own", older, ("F009", FAIL, "PEFT would leave random")),
    ("own", narrower, ("F009", FAIL, "can't load it")),
    ("own", leads("x", target_modules=["k_proj"]), ("F009", FAIL, "don't take the whole adapter")),
    (
        "own",
        leads("x", peft_type="PROMPT_TUNING"),
        ("F009", FAIL, "PROMPT_TUNING is never merged"),
    ),
    ("own", leads("x", peft_type=[1]), ("F009", FAIL, "an impossible `peft_type`")),
    ("own", delete("model.safetensors"), ("F009", Outcome.SKIP, "the weights can't be read")),
    (
        "own",
        lambda f: (f / "adapter_model.bin").write_bytes(b""),
        ("F004", FAIL, "adapter_model.bin"),
    ),
]


@pytest.mark.parametrize(("name", "plant", "expected"), FAULTS)
def test_a_planted_fault_is_found(
    made: Path, tmp_path: Path, name: str, plant: Plant, expected: tuple[str, Outcome, str]
) -> None:
    code, outcome, words = expected
    folder = shutil.copytree(made / name, tmp_path / name)
    if name == "own":
        change_json(folder / ADAPTER_CONFIG, base_model_name_or_path=str(folder))
        change_receipt(folder, str(folder))
    assert {f.outcome for f in looked(folder).values()} == {PASS}
    plant(folder)
    found = looked(folder)[code]
    assert found.outcome is outcome
    assert words in found.message


def change_receipt(folder: Path, lead: str) -> None:
    settings = {"layout": "bundled", "bundle_as": lead}
    change_json(folder / "merge_receipt.json", settings=settings)


def test_a_bundle_that_was_moved_leads_elsewhere(made: Path, tmp_path: Path) -> None:
    found = looked(shutil.copytree(made / "own", tmp_path / "moved"))["F008"]
    assert found.outcome is FAIL
    assert str(made / "own") in found.message
    assert looked(shutil.copytree(made / "hub", tmp_path / "copy"))["F008"].outcome is PASS


def test_a_link_to_its_folder_is_its_folder(made: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(made / "own")
    assert looked(tmp_path / "link")["F008"].outcome is PASS


def without_receipt(source: Path, to: Path) -> Path:
    folder = shutil.copytree(source, to)
    (folder / "merge_receipt.json").unlink()
    return folder


def test_without_a_receipt_both_readings_are_said(made: Path, tmp_path: Path) -> None:
    folder = without_receipt(made / "own", tmp_path / "theirs")
    leads(str(folder))(folder)
    found = looked(folder)
    assert {c: f.outcome for c, f in found.items()} == {"F004": WARN, "F008": PASS, "F009": PASS}
    assert "if these are merged" in found["F004"].message
    assert "it is a bundle" in found["F004"].message


def test_the_cache_of_a_hub_tells_an_id(made: Path, tmp_path: Path) -> None:
    for repo, outcome in (("hub", PASS), ("other", FAIL)):
        snapshot = tmp_path / f"models--org--{repo}" / "snapshots" / ("a" * 40)
        snapshot.parent.mkdir(parents=True)
        found = looked(without_receipt(made / "hub", snapshot))
        assert found["F008"].outcome is outcome


def test_merged_weights_are_no_bundle(made: Path) -> None:
    assert {f.message for f in looked(made / "merged").values() if f.code != "F004"} == {
        "it is no bundle"
    }


def test_an_adapter_beside_merged_weights_fails_with_receipt_or_sources(
    made: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(made / "merged", tmp_path / "left")
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        shutil.copy(made / "my-adapter" / name, folder)
    assert looked(folder)["F004"].outcome is FAIL
    (folder / "merge_receipt.json").unlink()
    assert looked(folder)["F004"].outcome is WARN
    said = against_sources(made, folder, "merged")
    assert said["F004"].outcome is FAIL
    assert "--layout bundled" not in said["F004"].message
    as_bundle = against_sources(made, folder, "bundled")
    assert {as_bundle["T004"].outcome, as_bundle["T008"].outcome} == {FAIL}


def test_a_bundle_of_somebody_else_is_told_by_its_sources(made: Path, tmp_path: Path) -> None:
    folder = without_receipt(made / "own", tmp_path / "theirs")
    leads(str(folder))(folder)
    said = against_sources(made, folder, "bundled")
    assert not [f for f in said.values() if f.outcome is FAIL]
    taken_for_a_merge = against_sources(made, folder, "merged")
    assert taken_for_a_merge["F004"].outcome is FAIL
    assert "--layout bundled" in taken_for_a_merge["F004"].message


def against_sources(made: Path, folder: Path, layout: LayoutName) -> Mapping[str, Finding]:
    request = case_in(made, folder).request(layout=layout)
    sources = resolve(request, verb="check")
    found = inspect(
        Folder(folder), draft(request, sources), sources, workers=1, advance=lambda _n: None
    )
    worst = sorted(found.findings, key=lambda f: f.outcome is FAIL)
    return {f.code: f for f in worst}


def test_a_receipt_tells_check_what_to_compare_with(made: Path) -> None:
    report = assemble.check(
        RepoRef.model_validate(str(made / "own")),
        base=RepoRef.model_validate(str(made / "my-base")),
        adapters=case_in(made, made / "own").request().adapters,
        settings=Settings.model_validate({"probe": "off"}),
    )
    assert report.error is None
    assert report.layout == "bundled"
    assert report.counts["tensors_edited"] == 0
