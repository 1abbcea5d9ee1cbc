"""Bundles as people load them, by path and by id, against base and adapter through PEFT."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from adapter_merge import assemble
from adapter_merge.report import Report
from tests.build import Case
from tests.contract import eras, makers
from tests.contract.loaders import IDS, Job
from tests.contract.makers import change_config, change_tensors, loaded, save_adapter, save_base

ROOT = Path(__file__).parent.parent.parent
BERT = {"target_modules": ["query", "value", "dense"], "exclude_modules": ["pooler.dense"]}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`load` is the loader of the trained class, `auto_peft` the one that asks the adapter's config for it."""

    save: Callable[[Path], object]
    load: str
    auto_peft: str
    lora: Mapping[str, object]
    train: Mapping[str, object]
    more: tuple[str, ...] = ()


def _sentence(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertTokenizerFast

    inner = folder.with_name("inner")
    save_base(makers.bert(), inner)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    words += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    (inner / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(inner / "vocab.txt")).save_pretrained(inner)
    parts = [Transformer(str(inner)), Pooling(32), Dense(32, 16), Normalize()]
    SentenceTransformer(modules=parts, device="cpu").save(str(folder))


KINDS = {
    "causal": Kind(
        save=lambda folder: save_base(makers.llama(), folder),
        load="auto:AutoModelForCausalLM",
        auto_peft="auto-peft:AutoPeftModelForCausalLM",
        lora={"target_modules": ["q_proj", "down_proj"], "task_type": "CAUSAL_LM"},
        train={},
    ),
    "encoder": Kind(
        save=lambda folder: save_base(makers.bert(), folder),
        load="auto:AutoModel",
        auto_peft="auto-peft:AutoPeftModelForFeatureExtraction",
        lora={**BERT, "task_type": "FEATURE_EXTRACTION"},
        train={},
    ),
    "classifier": Kind(
        save=lambda folder: save_base(makers.bert(), folder),
        load="auto:AutoModelForSequenceClassification",
        auto_peft="auto-peft:AutoPeftModelForSequenceClassification",
        lora={**BERT, "task_type": "SEQ_CLS"},
        train={"num_labels": 5},
    ),
    "sentence": Kind(
        save=_sentence,
        load="auto:AutoModel",
        auto_peft="auto-peft:AutoPeftModelForFeatureExtraction",
        lora={**BERT, "task_type": "FEATURE_EXTRACTION"},
        train={},
        more=("sentence:",),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Base, adapter and bundles of one kind, and a Hub's cache that holds bundles under `org/<name>`."""

    root: Path
    kind: Kind

    @property
    def base(self) -> Path:
        return self.root / "base"

    @property
    def adapter(self) -> Path:
        return self.root / "adapter"

    def bundle(self, name: str, **settings: object) -> Report:
        case = Case(base=self.base, adapter=self.adapter, to=self.root / name)
        return assemble.run(case.request(layout="bundled", workers=1, **settings))

    def edited(self, name: str, **keys: object) -> None:
        """A copy of the bundle `own` whose adapter's config says something else."""
        shutil.copytree(self.root / "own", self.root / name)
        change_config(self.root / name, **keys)

    def publish(self, name: str) -> None:
        repo = self.root / "hub" / f"models--org--{name}"
        (repo / "refs").mkdir(parents=True)
        (repo / "refs" / "main").write_text("a" * 40)
        shutil.copytree(self.root / name, repo / "snapshots" / ("a" * 40))

    def loads(self, jobs: Mapping[str, Job], path: Path | None = None) -> Mapping[str, Any]:
        """What each job gives; `path` takes the place of the installed packages."""
        offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(self.root / "hub"), "PYTHONPATH": ""}
        places = [str(ROOT), str(ROOT / "src"), *([str(path)] if path else [])]
        done = subprocess.run(
            [
                sys.executable,
                *(["-S"] if path else []),
                "-W",
                "ignore",
                "-m",
                "tests.contract.loaders",
            ],
            input=json.dumps(jobs),
            cwd=self.root,
            env={**os.environ, **offline, "PYTHONPATH": os.pathsep.join(places)},
            capture_output=True,
            text=True,
            check=True,
        )
        found: Mapping[str, Any] = {**json.loads(done.stdout), "said": done.stderr}
        return found


def shelf_of(name: str, root: Path) -> Shelf:
    kind = KINDS[name]
    kind.save(root / "base")
    model = loaded(root / "base", kind.load.partition(":")[2], **kind.train)
    save_adapter(model, root / "adapter", dict(kind.lora))
    change_config(root / "adapter", base_model_name_or_path="org/original", revision="v1")
    return Shelf(root=root, kind=kind)


def judged(value: Any, adapted: list[float], bare: list[float]) -> str:
    if isinstance(value, str):
        return "stops"
    if near(value, adapted):
        return "adapted"
    return "bare" if near(value, bare) else "something else"


def near(one: list[float], other: list[float]) -> bool:
    return (
        len(one) == len(other) and max(abs(a - b) for a, b in zip(one, other, strict=True)) < 1e-6
    )


LEADS = ("own", "self", "parent", "dot", "nowhere", "nothing")


def expected(kind: Kind) -> dict[str, str]:
    """Bundle, loader and place -> what it gives. `own` leads to its folder, `self` to its id, `parent` to the base's.

    The base's own config knows nothing of an adapter's head.
    """
    found: dict[str, str] = {}
    for lead in LEADS:
        reached = lead in {"own", "self"} or (lead == "parent" and not kind.train)
        follows = "adapted" if reached else "stops"
        found |= {f"{lead}, {kind.load}, path": "adapted", f"{lead}, onto, path": "adapted"}
        for by in (kind.auto_peft, *kind.more):
            found |= {f"{lead}, {by}, path": follows, f"{lead}, {by}, id": follows}
        found[f"{lead}, {kind.load}, id"] = follows
    return found


@pytest.mark.parametrize("name", KINDS)
def test_a_bundle_loads_where_its_config_leads_to_it(name: str, tmp_path: Path) -> None:
    shelf = shelf_of(name, tmp_path)
    kind, onto = shelf.kind, shelf.kind.load.replace("auto:", "onto:")
    assert shelf.bundle("own").status == "merged"
    assert shelf.bundle("self", bundle_as="org/self").status == "merged"
    shelf.edited("parent", base_model_name_or_path="org/base")
    shelf.edited("dot", base_model_name_or_path=".")
    shelf.edited("nowhere", base_model_name_or_path="org/gone")
    shelf.edited("nothing", base_model_name_or_path=None)
    jobs: dict[str, Job] = {}
    shelf.publish("base")
    for lead in LEADS:
        shelf.publish(lead)
        for place, where in (("path", str(tmp_path / lead)), ("id", f"org/{lead}")):
            for by in (kind.load, kind.auto_peft, *kind.more):
                jobs[f"{lead}, {by}, {place}"] = {"by": by, "where": where}
        jobs[f"{lead}, onto, path"] = on(onto, tmp_path / lead, tmp_path / lead)
    values = shelf.loads(jobs | yardsticks(shelf))
    whole, bare = values["adapted"], values["bare"]
    assert not near(whole, bare)
    got = {k: judged(values[k], whole, bare) for k in jobs if "sentence:" not in k}
    # A repository of sentence-transformers has a yardstick of its own: the merged one.
    for k in jobs.keys() - got.keys():
        got[k] = judged(values[k], values["merged"], values["bare sentence"])
    assert got == expected(kind)


def on(by: str, adapter: Path, base: Path) -> Job:
    return {"by": by, "where": str(adapter), "base": str(base)}


def yardsticks(shelf: Shelf) -> dict[str, Job]:
    """Base and adapter through PEFT, the base alone, and for a chain of modules the merge and the base."""
    kind = shelf.kind
    base = str(shelf.base)
    # The untrained head of the base is noise, which a bare one must not be compared by.
    bare = "auto:AutoModel" if kind.train else kind.load
    jobs: dict[str, Job] = {"bare": {"by": bare, "where": base}}
    if kind.train:
        merged = shelf.root / "merged"
        assert Case(base=shelf.base, adapter=shelf.adapter, to=merged).run().error is None
        return jobs | {"adapted": {"by": kind.load, "where": str(merged)}}
    jobs["adapted"] = on(kind.load.replace("auto:", "onto:"), shelf.adapter, shelf.base)
    if kind.more:
        merged = shelf.root / "merged"
        assert Case(base=shelf.base, adapter=shelf.adapter, to=merged).run().error is None
        jobs |= {"merged": {"by": "sentence:", "where": str(merged)}}
        jobs |= {"bare sentence": {"by": "sentence:", "where": base}}
    return jobs


def test_without_peft_a_bundle_is_the_bare_base_and_nobody_says_so(tmp_path: Path) -> None:
    shelf = shelf_of("sentence", tmp_path)
    shelf.bundle("own")
    (tmp_path / "packages").mkdir()
    places = [Path(place) for place in sys.path if place.endswith("site-packages")]
    found = {e.name: e for place in reversed(places) for e in place.iterdir()}
    for name in (n for n in found if not n.startswith("peft")):
        (tmp_path / "packages" / name).symlink_to(found[name])
    own = str(tmp_path / "own")
    jobs: dict[str, Job] = {
        "base": {"by": "auto:AutoModel", "where": str(shelf.base)},
        "bundle": {"by": "auto:AutoModel", "where": own},
        "chain": {"by": "sentence:", "where": own},
    }
    values = shelf.loads(jobs, path=tmp_path / "packages")
    assert near(values["bundle"], values["base"])
    assert "adapter" not in values["said"]
    assert "peft" in values["chain"]


def _held(name: str) -> str:
    return name.replace("base_model.model.", "base_model.model.0.auto_model.")


def test_names_that_loaders_would_lose_are_today_s_in_the_bundle(tmp_path: Path) -> None:
    shelf = shelf_of("encoder", tmp_path)
    right = shelf_of("encoder", tmp_path / "right").adapter
    change_tensors(shelf.adapter, lambda tensors: {_held(n): t for n, t in tensors.items()})
    report = shelf.bundle("own")
    assert report.status == "merged", report.error
    (change,) = (c for c in report.changes if "names of" in c.subject)
    assert (change.before, change.after) == (
        "0.auto_model.encoder.layer.0.attention.output.dense",
        "encoder.layer.0.attention.output.dense",
    )
    jobs: dict[str, Job] = {
        "lost": on("onto:AutoModel", shelf.adapter, shelf.base),
        "kept": on("onto:AutoModel", tmp_path / "own", shelf.base),
        "auto": {"by": "auto:AutoModel", "where": str(tmp_path / "own")},
        "right": on("onto:AutoModel", right, shelf.base),
        "bare": {"by": "auto:AutoModel", "where": str(shelf.base)},
    }
    found = shelf.loads(jobs)
    assert judged(found["lost"], found["right"], found["bare"]) == "bare"
    assert judged(found["kept"], found["right"], found["bare"]) == "adapted"
    assert judged(found["auto"], found["right"], found["bare"]) == "adapted"


def test_names_that_no_pattern_of_its_config_selects_any_more_fail(tmp_path: Path) -> None:
    """Under today's names PEFT would put no layer on a module that only the older name selects."""
    shelf = shelf_of("encoder", tmp_path)
    change_tensors(shelf.adapter, lambda tensors: {_held(n): t for n, t in tensors.items()})
    change_config(shelf.adapter, target_modules=r"0\.auto_model\..*\.(query|value|dense)")
    report = shelf.bundle("own")
    assert report.error is not None
    assert [f.code for f in report.findings if f.outcome == "fail"] == ["F009"]


def _lora(**options: object) -> Mapping[str, object]:
    return {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"], **options}


METHODS: dict[str, Callable[[], Any]] = {
    "all biases": lambda: _lora(bias="all"),
    "a whole module": lambda: _lora(modules_to_save=["lm_head"]),
    "single tokens": lambda: _lora(trainable_token_indices=[1, 2]),
    "an embedding": lambda: _lora(target_modules=["embed_tokens", "q_proj"]),
    "IA3": lambda: peft().IA3Config(target_modules=["k_proj"], feedforward_modules=[]),
    "LoKr": lambda: peft().LoKrConfig(target_modules=["q_proj"], r=4),
    "LN tuning": lambda: peft().LNTuningConfig(target_modules=["input_layernorm"]),
}
# transformers passes over what these keep beside their factors.
LOST: dict[str, Callable[[], Any]] = {"DoRA": lambda: _lora(use_dora=True)}


def peft() -> Any:
    return import_module("peft")


def logits(model: Any) -> list[float]:
    import torch

    ids = torch.tensor(IDS)
    with torch.no_grad():
        values: list[float] = model.eval()(input_ids=ids).logits.flatten().tolist()
    return values


@pytest.mark.parametrize("method", [*METHODS, *LOST])
def test_transformers_loads_a_method_as_peft_does_or_the_bundle_fails(
    method: str, tmp_path: Path
) -> None:
    shelf = Shelf(root=tmp_path, kind=KINDS["causal"])
    save_base(makers.llama(), shelf.base)
    load = KINDS["causal"].load.partition(":")[2]
    save_adapter(loaded(shelf.base, load), shelf.adapter, (METHODS | LOST)[method]())
    report = shelf.bundle("own", ignore=("F009",))
    assert report.error is None
    (found,) = (f for f in report.findings if f.code == "F009")
    whole = peft().PeftModel.from_pretrained(loaded(shelf.base, load), shelf.adapter)
    got = near(logits(loaded(tmp_path / "own", load)), logits(whole))
    assert got is (method in METHODS)
    assert (found.outcome == "pass") is got, found.message


def test_what_has_no_merged_form_is_no_bundle(tmp_path: Path) -> None:
    """With prompts transformers opens no folder, and the others it loads without their effect."""
    shelf = shelf_of("causal", tmp_path)
    change_config(shelf.adapter, alora_invocation_tokens=[3, 4])
    report = shelf.bundle("own")
    assert report.error is not None
    assert report.error.type == "AdapterKind"
    assert "a bundle is only made of what could be merged too" in report.error.message


# Class of colpali-engine -> the type inside, and what an older stack called the modules (today's name first).
ENGINE = {
    "ColPali": ("paligemma", ("model.model.language_model.", "model.language_model.model.")),
    "ColQwen2": ("qwen2_vl", ("language_model.layers.", "model.layers.")),
}
PROJECTED = r".*(q_proj|v_proj|fc1|attn\.qkv|custom_text_proj)"


@pytest.mark.skipif(find_spec("colpali_engine") is None, reason="needs colpali-engine")
@pytest.mark.parametrize("era", ["today", "older"])
@pytest.mark.parametrize("name", ENGINE)
def test_colpali_engine_loads_a_bundle_of_either_era(name: str, era: str, tmp_path: Path) -> None:
    models = import_module("colpali_engine.models")
    kind, (new, old) = ENGINE[name]
    build = getattr(models, name)
    shelf = Shelf(root=tmp_path, kind=KINDS["encoder"])
    save_base(build(eras.config(kind)), shelf.base)
    save_adapter(
        build.from_pretrained(shelf.base), tmp_path / "today", {"target_modules": PROJECTED}
    )
    shutil.copytree(tmp_path / "today", shelf.adapter)
    if era == "older":
        head = "base_model.model."
        change_tensors(
            shelf.adapter,
            lambda ts: {n.replace(f"{head}{new}", f"{head}{old}"): t for n, t in ts.items()},
        )
    assert shelf.bundle("own").error is None
    assert shelf.bundle("self", bundle_as="org/self").error is None
    shelf.edited("dot", base_model_name_or_path=".")
    for lead in ("own", "self", "dot"):
        shelf.publish(lead)
    names = load_file(shelf.adapter / "adapter_model.safetensors")
    assert any(f".{old}" in n for n in names) is (era == "older")
    places = {"path": str(tmp_path / "own"), "id": "org/self", "dot": str(tmp_path / "dot")}
    jobs: dict[str, Job] = {
        place: {"by": f"engine:{name}", "where": where} for place, where in places.items()
    }
    jobs |= {"lost": {"by": f"engine:{name}", "where": "org/dot"}}
    jobs |= {"onto": on(f"engine-onto:{name}", tmp_path / "own", shelf.base)}
    jobs |= {"whole": on(f"engine-onto:{name}", tmp_path / "today", shelf.base)}
    found = shelf.loads(jobs | {"bare": {"by": f"engine:{name}", "where": str(shelf.base)}})
    got = {k: judged(found[k], found["whole"], found["bare"]) for k in jobs}
    assert got == {**dict.fromkeys(jobs, "adapted"), "lost": "stops"}
