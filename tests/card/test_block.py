from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from adapter_merge.card.block import Facts, block, line
from adapter_merge.card.names import pathless
from adapter_merge.licence import decide
from adapter_merge.markup import active
from adapter_merge.readme import Readme
from adapter_merge.receipt import (
    ChangeRecord,
    FileRecord,
    FindingRecord,
    MethodRecord,
    ProbeRecord,
    Receipt,
    SourceRecord,
)
from tests.test_proved import RAN, THROUGH

ADAPTER = SourceRecord(
    source="/home/me/my-adapter",
    weight=0.5,
    method=MethodRecord(peft_type="LORA", rank=16, alpha=32),
    digests={"adapter_model.safetensors": "sha256:" + "ab" * 32},
)
BASE = SourceRecord(source="./base", digests={"model.safetensors": "header:" + "cd" * 32 + ":9:1"})


def finding(code: str, outcome: str, message: str, **evidence: object) -> FindingRecord:
    values = {"code": code, "outcome": outcome, "subject": "out", "message": message}
    return FindingRecord.model_validate({**values, "evidence": evidence})


FINDINGS = (
    finding("T001", "pass", "all 9 tensors"),
    finding("L001", "skip", "the base has no `README.md`"),
    finding("T010", "warn", "rounding takes 8 %"),
    finding("C001", "pass", "not shown"),
    finding(
        "D005", "warn", "vLLM serves something else", title="vLLM", version="1", status="wrong"
    ),
    finding("D001", "pass", "loads it", title="transformers", version="5", status="loads"),
    finding("D004", "skip", "no", title="colpali-engine", version="0", status="not served"),
)


def receipt(**changes: object) -> Receipt:
    values: dict[str, object] = {
        "schema_version": 1,
        "recipe": "ef" * 32,
        "base": BASE,
        "adapters": (ADAPTER,),
        "settings": {"layout": "merged", "dtype": "bf16", "max_shard_size": "5000000000"},
        "counts": {"tensors_total": 9, "tensors_edited": 2},
        "changes": (
            ChangeRecord(subject="config.json: vocab_size", before=None, after=13, why="it grew"),
        ),
        "left_behind": {"base: a.pt": "training", "./x: b.pt": "training", "base: c": "code"},
        "findings": FINDINGS,
        "relative_changes": {
            "model.layers.0.mlp.up_proj.weight": 0.01,
            "model.layers.1.mlp.up_proj.weight": 0.03,
        },
        "versions": {"adapter-merge": "1.2.3"},
        "files": {"model.safetensors": FileRecord(size=10**9, sha256="00" * 32)},
    }
    return Receipt.model_validate({**values, **changes})


def facts(
    made: Receipt | None = None, *, licence: str = "license: mit", **changes: object
) -> Facts:
    readme = Readme.parse(f"---\n{licence}\n---\n")
    values: dict[str, object] = {
        "title": "out",
        "receipt": made or receipt(),
        "base_id": "org/base",
        "snippet": "print(1)",
        "terms": decide(readme, []),
        "stated": "as stated by the base",
        "citations": ("@misc{x}",),
        **changes,
    }
    return Facts(**values)  # type: ignore[arg-type]


def test_the_line_says_what_was_merged_into_what() -> None:
    assert line(facts()) == (
        "`my-adapter` (weights sha256 `abababababab`) merged into "
        "[`org/base`](https://huggingface.co/org/base) (folder `base`, headers and files "
        f"`{line(facts()).split('files `')[1][:12]}`); load it like any model, peft isn't needed."
    )


def test_a_commit_is_the_pin_where_there_is_one() -> None:
    commit = "1" * 40
    source = SourceRecord(source="org/name@main", commit=commit, digests={})
    text = line(facts(receipt(base=source, adapters=(source,))))
    link = f"[`org/name@main`](https://huggingface.co/org/name/tree/{commit}) (commit `{'1' * 12}`)"
    assert text.startswith(f"{link} merged into {link};")


def test_what_several_checks_say_alike_is_said_once() -> None:
    needs = "outputs were not compared: it needs 4 GB of memory"
    skips = tuple(finding(code, "skip", needs) for code in ("E002", "E001", "E003"))
    text = block(facts(receipt(findings=(*FINDINGS, *skips))))
    assert f"| skip | E001, E002, E003 | {needs} |\n| skip | L001 |" in text
    assert text.count(needs) == 1


def test_times_of_files_do_not_name_a_base() -> None:
    later = SourceRecord(
        source="./base", digests={"model.safetensors": "header:" + "cd" * 32 + ":9:2"}
    )
    assert line(facts()) == line(facts(receipt(base=later)))


@pytest.mark.parametrize(
    "said",
    [
        "```python\nprint(1)\n```",
        "LoRA, rank 16, alpha 32, weight 0.5\n",
        "- Changed: 2 of 9 tensors; all others are the base's, floating-point ones as `bf16`\n",
        "- Modules: `mlp.up_proj` in 2 layers of `model.layers`\n",
        "2 % in the median, 1 % to 3 %",
        "| `config.json: vocab_size` | \N{EM DASH} | `13` | it grew |",
        "| warn | T010 | rounding takes 8 % |\n| skip | L001 | the base has no `README.md` |\n",
        "<summary>1 checks passed</summary>",
        "| vLLM | 1 | vLLM serves something else |\n| transformers | 5 | yes |\n",
        "adapter-merge run ./my-adapter=0.5 --base ./base --to ./out --dtype bf16 --max-shard-size 5GB\n",
        "adapter-merge verify ./out",
        "| `model.safetensors` | 1.0 GB |",
        "- `a.pt`, `b.pt`: training\n- `c`: code",
        "MIT",
        "```bibtex\n@misc{x}\n```",
    ],
)
def test_the_block_says(said: str) -> None:
    assert said in block(facts())


def test_the_outcome_of_a_proof_is_a_line() -> None:
    proved = block(facts(receipt(probe=RAN)))
    assert f"\n- Outputs: {THROUGH} smallest cosine 0.999998, " in proved
    assert proved.index("- Relative change") < proved.index("- Outputs") < proved.index("- Merged")
    for nothing in (None, ProbeRecord(needs="4 GB of memory")):
        assert "- Outputs" not in block(facts(receipt(probe=nothing)))


BUNDLED = {"layout": "bundled", "dtype": "keep", "max_shard_size": "keep", "bundle_as": "org/out"}
# What the checks say of programs that load a bundle.
SERVED = (
    finding(
        "D001",
        "warn",
        "without peft",
        title="transformers",
        version="5",
        status="loads",
        rules=["bundle"],
    ),
    finding("D005", "warn", "serves the base", title="vLLM", version="1", status="wrong"),
    finding("D006", "warn", "stops", title="TEI", version="2", status="fails"),
)


@pytest.mark.parametrize(
    "said",
    [
        "## Who can't use it\n",
        "- vLLM, TEI: the base alone, or nothing, as [below](#loads-in).\n- The base is loaded from `org/out`",
        "## How to load\n\nIt needs `pip install peft`.\n\n```python\n",
        "## How it was bundled\n",
        "- Changed: nothing: the 9 tensors are the base's, and the adapter lies beside them\n",
        "- Bundled by adapter-merge 1.2.3: no weight was computed\n",
        "--to ./out --layout bundled --bundle-as org/out\n",
    ],
)
def test_a_bundle_s_block_says(said: str) -> None:
    text = block(facts(receipt(settings=BUNDLED, findings=SERVED)))
    assert said in text
    assert text.startswith("## Who can't use it")
    assert "in float32" not in text


def test_a_bundle_for_a_folder_keeps_its_path_to_itself() -> None:
    change = ChangeRecord(
        subject="adapter_config.json: base_model_name_or_path",
        before="/home/me/base",
        after="/home/me/out",
        why="there",
    )
    made = receipt(
        settings={**BUNDLED, "bundle_as": "/home/me/out"}, changes=(change,), findings=()
    )
    text = block(facts(made))
    assert "/home/me" not in text
    assert "| `base` | `out` | there |" in text
    assert "- It is for the folder that it was made in" in text
    assert "as [below]" not in text


def test_the_line_of_a_bundle_says_what_it_is_without_peft() -> None:
    text = line(facts(receipt(settings=BUNDLED)))
    assert text.startswith("`my-adapter` (weights sha256 `abababababab`) beside [`org/base`]")
    assert text.endswith("not merged: without peft this loads as the bare base, with no message.")


def test_kept_dtypes_are_the_base_s() -> None:
    assert "all others are the base's\n" in block(facts(receipt(settings={"dtype": "keep"})))


def test_a_program_that_loads_it_with_a_remark_is_not_a_plain_yes() -> None:
    said = {"title": "TEI", "version": "1", "status": "loads", "rules": ["cuda-only"]}
    made = receipt(findings=(finding("D006", "warn", "only on CUDA", **said),))
    assert "| TEI | 1 | only on CUDA |" in block(facts(made))


def test_the_block_leaves_out_what_is_not_there() -> None:
    bare = receipt(changes=(), left_behind={}, relative_changes={}, findings=())
    text = block(facts(bare, licence="a: 1", citations=()))
    assert "byte for byte" in text
    assert "No licence is stated here. The base states no licence" in text
    for gone in (
        "Loads in",
        "Left behind",
        "relative change",
        "modules",
        "bibtex",
        "colpali",
        "C001",
    ):
        assert gone not in text


def test_a_conflict_of_licences_is_said_beside_them() -> None:
    base, adapter = (Readme.parse(f"---\nlicense: {x}\n---\n") for x in ("gemma", "cc-by-nc-4.0"))
    text = block(facts(terms=decide(base, [adapter])))
    assert "both restrict the weights" in text


def test_a_family_is_named_as_its_licence_wants() -> None:
    assert "**Built with Llama**" in block(facts(licence="license: llama3.2"))


def test_paths_of_a_machine_stay_out() -> None:
    path = ADAPTER.source
    quoting = f"the tokenizer of `{path}` is used, not `~/x/y` or `C:\\Users\\me\\z`"
    made = receipt(
        changes=(ChangeRecord(subject="tokenizer", before="base", after=path, why=quoting),),
        left_behind={f"{path}: LICENSE": quoting},
        findings=(finding("T012", "warn", quoting), finding("T001", "pass", quoting)),
    )
    text = f"{block(facts(made))}{line(facts(made))}"
    assert not any(part in text for part in ("/home/me", "~/x", "Users"))
    assert "| `tokenizer` | `base` | `my-adapter` |" in text
    assert text.count("the tokenizer of `my-adapter` is used, not `y` or `z`") == 4


@pytest.mark.parametrize(
    "text", ["`</s>` and `/think`", "`a/b`", r"`\n`", "`onnx/`, `./`", "a /b/c d"]
)
def test_what_is_no_path_stays(text: str) -> None:
    assert pathless(text) == text


HOSTILE = "<script>x</script> | `a` ``` [b](javascript:x) \n## c {{ 7 * 7 }} {% raw %} --> **d**"


def test_strangers_values_are_text() -> None:
    source = SourceRecord(
        source="./" + "x`<b onclick=1>",
        method=MethodRecord(peft_type=HOSTILE),
        digests={"adapter_model.safetensors": "sha256:" + HOSTILE},
    )
    made = receipt(
        adapters=(source,),
        changes=(ChangeRecord(subject=HOSTILE, before=HOSTILE, after=[HOSTILE], why=HOSTILE),),
        left_behind={f"base: {HOSTILE}": HOSTILE},
        findings=(finding("T001", "warn", HOSTILE),),
        relative_changes={f"model.layers.0.{HOSTILE}.weight": 0.1},
        versions={HOSTILE: HOSTILE},
        files={HOSTILE: FileRecord(size=1, sha256="")},
    )
    text = block(facts(made, citations=(f"@misc{{x}}\n{HOSTILE}",)))
    assert active(text) == ()
    assert "{{ 7 * 7 }}" in text
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    headings = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "heading_open"]
    assert headings == ["How to load", "How it was merged", "Checks", "Licence and attribution"]
    assert sum(t.type == "table_open" for t in tokens) == 4
