"""The pages that are written from the code: path below docs/ -> content."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import bot_options
import expert_conventions
import yaml
from pydantic.fields import FieldInfo

from adapter_merge.adapters.hollow.installed import RANGES
from adapter_merge.adapters.refused import CHANGED_BASE, LORA_OPTIONS
from adapter_merge.checks import ALL_CHECKS, Explained
from adapter_merge.cli.codes import exit_codes
from adapter_merge.merges import Defaults, Entry, Merges, Terms, Watch
from adapter_merge.methods import METHODS, Method, Route
from adapter_merge.publishing import Delivery
from adapter_merge.reconcile.watched import MOST_WATCHED
from adapter_merge.request import Settings

_NOTE = "<!-- Written by docs/generate.py (`make docs`); edit the code that it describes, or docs/pages.py. -->"
_REPORT = (
    "Not for `plan`: folder that gets `report.json`, `report.html` and its pictures, `changes.svg` and `probes.svg`, of a failure too. "
    "It may not lie in the target or in a source; other files in it are left alone. Where they can't "
    "be written, a run that went well keeps its status and ends with exit code 8."
)
PEFT_RANGE = RANGES["peft"]
_STARTS = ", ".join(CHANGED_BASE.values())
_ROUTES = (
    "- **natively**: our own arithmetic, block by block; the second route recomputes sampled rows in float64. peft isn't needed.",
    (
        "- **through PEFT's layers**: the base's class is built without weights, PEFT puts the adapter on it, and each weight goes through "
        "its layer whole, in float32, and is rounded once. In float32 the result is PEFT's own, bit for bit; in 16 bits PEFT rounds some "
        "methods twice, and the result is nearer to the trained model than its merge. The second route merges again and compares that "
        "merge with what the unmerged layer makes of random inputs; the stored tensor must be that merge, rounded. An adapter's weight "
        "(`ADAPTER=WEIGHT`) is refused, as these methods are no delta times a scale. The adapter may have the names of another release or of "
        "the text model alone; then its modules are named one by one as in today's class. UniLoRA, TinyLoRA and options by module other "
        "than ranks, scales and feedforward modules are refused there."
    ),
    "- `modules_to_save`, saved biases, heads and `trainable_token_indices` are merged natively, whatever the method.",
)
_FAMILIES = {
    "F": ("Files", "What lies in the folder, by name and size."),
    "T": ("Tensors", "Names, shapes, dtypes and values, read again from the disk."),
    "E": ("Outputs", "What the model computes."),
    "C": ("The card", "`README.md`, against the receipt and as a browser shows it."),
    "L": (
        "Licences",
        "What base and adapter allow. In a folder nothing is forbidden: all of it only warns.",
    ),
    "D": (
        "Programs that load the result",
        "By rules that were read in each program's source; nothing is started. They warn, unless `check --for` names the program.",
    ),
}
_MERGES_INTRODUCTION = (
    "# `merges.yaml`",
    "",
    "A list of adapters, each with the target that it is merged into. `adapter-merge sync merges.yaml` merges those that are ready and have",
    "changed, and says of each of the others why it isn't; what is wrong in the file is an error with its line.",
    "",
    "```yaml",
    "defaults:",
    '  to: "{owner}/{name}-merged"',
    "  dtype: bf16",
    "bases:",
    '  "unsloth/*-bnb-4bit": auto',
    "merges:",
    "  - adapter: org/support-lora",
    "  - adapter: [org/german-lora=0.7, org/legal-lora]",
    "    to: org/german-legal",
    "    base: org/base-7b",
    "    when: tag:v*",
    "    publish: pr",
    "  - adapter: org/search-lora",
    "    to: org/search-2",
    "    supersedes: org/search-1",
    "    follow-base: true",
    "watch:",
    "  - owner: org",
    '    match: "*-lora"',
    '    except: ["test-*", "*-draft"]',
    "```",
    "",
    "`adapter-merge schema merges` has all of it as a JSON schema.",
    "",
)
_MERGES_END = (
    "## What becomes of an entry",
    "",
    "1. **Is the adapter ready?** Config and weights are both there at the commit that `when` means, the header of the weights can be read, and",
    "   for `settled` the head has stood still. Otherwise the entry is `skipped`, with the reason. With `tag:` and `title:` the newest such commit is merged, whatever",
    "   was pushed after it. A revision or a subfolder belongs to the id: `org/name@revision/sub/folder`.",
    "2. **Which base?** `base`, else the first pattern of `bases` that fits what the adapter's config names, else what it names. A base that has changed",
    "   since the result was made is kept at its old commit, and the report says so, unless `follow-base` is set. A new commit with the same contents is no change.",
    "3. **Has anything changed?** Adapters, weights, base and settings are compared with the receipt in the target. Where all are the same it is `unchanged`; a newer version of",
    "   this program alone is no reason to merge again, `sync --rebuild` is. New words in an adapter's card give the result's card new words.",
    "4. **May it be merged?** Where the YAML of an adapter's card at its head says `adapter-merge: false`, its owner wants no merges of it, and the entry is",
    "   `skipped`. A result that stands already stays.",
    "5. **With `publish: pr`** an open pull request with the same result is `unchanged`, and one that was closed without being merged isn't made again.",
    "   **Embeddings** are proposed like that where `publish` is left out, once a result stands: vectors of it may be in somebody's index. The target's card tells, by its",
    "   `pipeline_tag`, and without one by its `library_name`. `publish: commit` turns that off. The first result, a tag, and new words in a card are commits all the same.",
    "6. What is due is merged, those with one base one after the other. A failure stops nothing else; the exit code is then 10.",
    "7. `supersedes` writes `new_version` into the card of the older repository, in a commit of its own, once the result stands. Where the token may not write there, the report says so.",
    "8. An adapter that has turned private while others can read its merge is told in the report; nothing is taken away.",
    "",
    "## Which bases an adapter may choose",
    "",
    "Whoever pushes an adapter writes its config, and your token may read bases that they can't. So a base counts as yours to merge only where you name it:",
    "`base` in the entry, the watch or `defaults`, a value of `bases`, or an id in `only-bases`. A base that only an adapter's config or card names, `base: auto` included, is merged as follows.",
    "",
    "| base | in an entry | found by a watch |",
    "|---|---|---|",
    "| public | merged | merged |",
    "| gated | merged; the target is private unless `gated` is set | only if it matches `only-bases` |",
    "| private | only if it matches `only-bases`, or has the same owner (below) | the same |",
    "| any, where `only-bases` is set and does not match | refused | refused |",
    "",
    "**The same owner** means: adapter, base and target belong to one user or organization, none of them is in a resource group, and the author of the adapter's config is known to read the base. The author is known where a",
    "branch has the adapter's commit, and where the organization lists the author as a member. Whatever the Hub does not say counts as different.",
    "",
    "A refusal is the error `BaseNotNamed`. Its hint has the line to write: `only-bases: [org/*]` in the watch, or `base: org/base` in the entry. `public: true` opens a private base only where you name it by its id: a pattern does not",
    "open it. It was tried on a Hub on loopback; that the Hub tells a token of resource groups rests on its client's documentation.",
    "",
    "## What a watch finds",
    "",
    f"Each time the owner's repositories are listed, one request for hundreds of them, and each adapter among them is an entry: at most {MOST_WATCHED:,} of a watch, by name. An adapter is a",
    "repository with an `adapter_config.json` at its root; one that has them in folders alone is `skipped`, and takes an entry of its own, `adapter: org/name/sub/folder`.",
    "Left out are results of ours, whatever is a target, and adapters that an entry names: the entry's keys count for them. Private adapters are found where the token may read them.",
    "Where two adapters would go to one target, the first has it, and its line tells of the other.",
    "",
    "## Options of `sync`",
    "",
    "| option | meaning |",
    "|---|---|",
    "| `--only GLOB` | Only entries whose target or adapter is like this. |",
    "| `--dry-run` | Plan what is due and write nothing, for pull requests; what is due has the status `done` in JSON. No token that writes is needed. |",
    '| `--matrix` | Write what is due to stdout as the matrix of a GitHub workflow, `{"include": [{"to": ..., "adapter": ..., "base": ...}]}`; each job then runs `sync --only` with its `to`. |',
    "| `--rebuild` | Merge again what stands already; what isn't ready still waits. |",
    "| `--json` | The report of each entry, one a line, as soon as it is known. |",
    "| `--report` | Folder that gets a folder with `report.json` and `report.html` for each target. |",
    "| `--quiet` | Show nothing but errors. |",
)
_DEFAULTS = {"settle": "15min", "skip_commits": "Training in progress*", "follow_base": "false"}
_CONVERTERS = Path(__file__).parent / "converters.json"
_FATES = {
    "whole": "edited as it is",
    "rows": "its rows of the file's tensor are edited",
    "pieces": "each of the file's tensors gets its part",
    "refused": "refused",
}
_INTRODUCTION = """\
# When a check fails

A failed check ends `run` and `check` with exit code 7. A run then seals nothing: the target stays as it was, and the work folder is
removed. The last lines name the code, and the command that explains it:

```sh
adapter-merge codes T005
```

A finding has one of four outcomes:

- **fail** stops the run. `--ignore CODE` turns it into a warning; each entry below says whether that makes sense.
- **warn** is for you to judge. `--strict CODE`, or `--strict all`, turns it into a failure. Both take codes with commas between them, and may stand several times.
- **skip** says what the check would have needed, mostly the base and the adapter.
- **pass** says what was counted.

To look at what was written, keep it: `--keep-failed` leaves the work folder beside the target, and the last line names it. To see
the evidence of all findings, take `--json`; [Read a report](read-a-report.md) has its fields. `FOLDER`, `BASE` and `ADAPTER` stand
for your folders.
"""


def pages() -> dict[str, str]:
    """Every generated page."""
    return {
        "reference/codes.md": _codes(),
        "reference/options.md": _options(),
        "reference/action.md": _action(),
        "reference/merges.md": _merges(),
        "reference/adapters.md": _adapters(),
        "reference/bot.md": _page(*bot_options.lines()),
        "reference/converters.md": _converters(),
        "guides/when-a-check-fails.md": _guide(),
    }


def _page(*lines: str) -> str:
    return "\n".join((_NOTE, *lines, ""))


def _codes() -> str:
    return _page(
        "# Codes",
        "",
        "## Checks",
        "",
        *(f"- `{letter}`: {says[0].lower()}." for letter, says in _FAMILIES.items()),
        "",
        "`--ignore CODE` turns a failure into a warning, `--strict CODE` a warning into a failure; each may stand several times.",
        "[When a check fails](../guides/when-a-check-fails.md) has cause and remedy of each, and so has `adapter-merge codes CODE`.",
        "",
        "| code | what must hold | why |",
        "|---|---|---|",
        *(
            f"| [`{c.code}`](../guides/when-a-check-fails.md#{c.code.lower()}) | {c.title} | {c.why} |"
            for c in ALL_CHECKS
        ),
        "",
        "## Exit codes",
        "",
        "The report's `error.type` is the class, `error.code` the exit code.",
        "",
        "| exit code | class | meaning |",
        "|---|---|---|",
        "| 0 |  | Done. |",
        "| 1 |  | A bug in adapter-merge. |",
        *_exit_lines(),
    )


def _exit_lines() -> Iterator[str]:
    for exit_code in exit_codes():
        yield f"| {exit_code.code} | `{exit_code.name}` | {exit_code.meaning} |"
        for name, meaning in exit_code.kinds:
            yield f"| {exit_code.code} | `{name}` | {meaning} |"


def _options() -> str:
    return _page(
        "# Options of `run` and `plan`",
        "",
        "Adapters stand without a flag: `ADAPTER[=WEIGHT]...`, in the order in which their deltas are",
        "added; WEIGHT multiplies the adapter's scale and is 1 where it is left out.",
        "",
        "| option | default | meaning |",
        "|---|---|---|",
        *(_option(name, field) for name, field in Settings.model_fields.items()),
        "| `--json` |  | Write the result as JSON to stdout, and nothing else there. |",
        "| `--quiet` |  | Show nothing but errors. |",
        f"| `--report` |  | {_REPORT} |",
        "",
        "## Publishing",
        "",
        "These count where the target is on a Hub, `--to org/name`.",
        "",
        "| option | default | meaning |",
        "|---|---|---|",
        *(_option(name, field) for name, field in Delivery.model_fields.items()),
        "",
        "`publish FOLDER --to org/name` sends a folder that a run made. It takes the same but `--work-dir`, and beside them",
        "`--overwrite`, `--json`, `--quiet` and `--report`; its `--publish` is `commit` or `pr`.",
        "",
        "`revert org/name` brings the result before the one that stands back, `revert org/name@TAG` that of a tag or a commit; it takes",
        "`--publish` (`commit` or `pr`), `--branch`, `--json`, `--quiet` and `--report`.",
        "",
        "There is no option for a token: `HF_TOKEN`, or what `hf auth login` has kept, counts; `HF_WRITE_TOKEN` is one for publishing alone.",
        "Neither is there one for a revision or a subfolder: an id carries them, `org/name@revision/sub/folder`.",
    )


def _merges() -> str:
    own = [f for f in Entry.model_fields if f not in Defaults.model_fields]
    terms = [*own, "to", *Terms.model_fields]
    rest = [f for f in Entry.model_fields if f not in terms]
    return _page(
        *_MERGES_INTRODUCTION,
        "## Top level",
        "",
        "| key | meaning |",
        "|---|---|",
        *(f"| `{name}` | {f.description} |" for name, f in Merges.model_fields.items()),
        "",
        "## Keys of an entry",
        "",
        "All but `adapter`, `from-watch` and `supersedes` may stand in `defaults` too.",
        "",
        "| key | default | meaning |",
        "|---|---|---|",
        *(_key(name, Entry.model_fields[name]) for name in terms),
        "",
        "And every [option of `run`](options.md), without its dashes:",
        f"{', '.join(f'`{_kebab(name)}`' for name in rest)}.",
        "",
        "## Keys of a watch",
        "",
        "Beside these all that may stand in `defaults` may stand here. `to`, here or there, has to hold `{name}`.",
        "",
        "| key | default | meaning |",
        "|---|---|---|",
        *(
            _key(name, f)
            for name, f in Watch.model_fields.items()
            if name not in Defaults.model_fields
        ),
        "",
        *_MERGES_END,
    )


def _kebab(name: str) -> str:
    return name.replace("_", "-")


def _key(name: str, field: FieldInfo) -> str:
    shown = _DEFAULTS.get(name) or (field.default if isinstance(field.default, str) else "")
    default = f"`{shown}`" if shown else ""
    return f"| `{field.alias or _kebab(name)}` | {default} | {field.description} |"


def _action() -> str:
    action = yaml.safe_load((Path(__file__).parent.parent / "action.yml").read_text("utf-8"))
    return _page(
        "# Inputs and outputs of the Action",
        "",
        "An empty input isn't given. Flags take `true` and `false`. `ignore`, `strict`, `for` and `tell` take several words, `adapter` one a line.",
        "An input that means nothing to the command is an error, and so is a value that isn't one: exit code 2, before anything is done.",
        "",
        "| input | default | meaning |",
        "|---|---|---|",
        *(_input(name, value) for name, value in action["inputs"].items()),
        "",
        "## Outputs",
        "",
        "| output | meaning |",
        "|---|---|",
        *(f"| `{n}` | {value['description']} |" for n, value in action["outputs"].items()),
    )


def _input(name: str, value: Mapping[str, Any]) -> str:
    default = f"`{value['default']}`" if value["default"] else ""
    return f"| `{name}` | {default} | {value['description']} |"


def _adapters() -> str:
    return _page(
        "# Adapters",
        "",
        f"Every method of PEFT from {PEFT_RANGE[0]} to before {PEFT_RANGE[1]}, as `peft_type` in `adapter_config.json` names it.",
        "",
        *_ROUTES,
        "",
        "| method | merged | peft | changes | also |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {m.route} | {_versions(m)} | {m.changes} | {m.also} |"
            for name, m in sorted(METHODS.items())
            if m.route is not Route.NONE
        ),
        "",
        *expert_conventions.lines(),
        "",
        "## Refused methods",
        "",
        "| method | why |",
        "|---|---|",
        *(f"| {n} | {m.why} |" for n, m in sorted(METHODS.items()) if m.route is Route.NONE),
        "",
        "## Refused options of LoRA",
        "",
        "| option | why |",
        "|---|---|",
        *(f"| `{name}` | {why} |" for name, why in LORA_OPTIONS.items()),
        f"| `init_lora_weights` | {_STARTS}: they changed the base when the training began |",
    )


def _converters() -> str:
    data = json.loads(_CONVERTERS.read_text(encoding="utf-8"))
    tried, failed = data["tried"], data["failed"]
    return _page(
        "# Tensors that transformers rebuilds when it loads a file",
        "",
        f"Every model class that transformers {data['transformers']} exports was tried, {tried} of them: built without weights "
        "from the defaults of its config, or with a few small sizes where it has none. Each of its tensors got the "
        "name and the shape that `save_pretrained` gives it, and naming was asked for each live name, and for each name in "
        f"the file. {tried - len(failed)} classes could be built; [the others](#classes-that-could-not-be-built) are listed. "
        "`make docs-converters` tries them again.",
        "",
        "What stands in no row lies in the file as the model has it, under its own name or another one, and is edited there. "
        "So is every tensor below where adapter and file have the same form. Where several tensors of the file are "
        "one of the model, [plain LoRA alone is merged](naming.md#tensors-that-transformers-rebuilds-when-it-loads-a-file).",
        "",
        "| what transformers does | to make | an adapter of that, on a file as saved | an adapter of what is saved, on a file "
        "with the live tensors | model types |",
        "|---|---|---|---|---|",
        *(_converter(row) for row in data["rebuilt"]),
        "",
        "## Names that mean another tensor in a file than in the model",
        "",
        "Where names are equal, tensors are, but for these: the model's class is asked there.",
        "",
        *(f"- `{kind}`: {_listed(names)}" for kind, names in data["moved"].items()),
        "",
        "## Weights that modules share",
        "",
        "The classes of these types tie tensors besides the embedding and the head over the vocabulary, or call those two by "
        "names of their own. An adapter that changes such a module is refused, and the error names the tie: PEFT changes each "
        "module by itself, and the file holds their weight once.",
        "",
        *(
            f"- `{kind}`: {'; '.join(' = '.join(f'`{n}`' for n in group) for group in groups[:2])}"
            for kind, groups in data["shared"].items()
        ),
        "",
        "## Rules that no class showed",
        "",
        "transformers has these too, for types and classes that only use them with another config than was tried, that it doesn't export, or that "
        "could not be built. They are judged by the same code when a base of theirs is merged.",
        "",
        *(f"- `{by}`: {_listed(names)}" for by, names in data["unseen"].items()),
        "",
        "## Classes that could not be built",
        "",
        *(f"- {_listed(names)}: {why}" for why, names in _by_reason(failed).items()),
    )


def _by_reason(failed: Mapping[str, str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, why in failed.items():
        found.setdefault(why, []).append(name)
    return found


def _converter(row: Mapping[str, Any]) -> str:
    cells = (
        _listed(row["tensors"]),
        _FATES[row["live"]],
        _FATES[row["saved"]],
        _listed(row["types"]),
    )
    return f"| `{row['by']}` | {' | '.join(cells)} |"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _versions(method: Method) -> str:
    since, until = (
        (method.since, method.until) if method.since != PEFT_RANGE[0] else ("", method.until)
    )
    parts = ([f"from {since}"] if since else []) + ([f"before {until}"] if until else [])
    return ", ".join(parts) or "all"


def _option(name: str, field: FieldInfo) -> str:
    default = f"`{field.default}`" if isinstance(field.default, str) else ""
    return f"| `--{name.replace('_', '-')}` | {default} | {field.description} |"


def _guide() -> str:
    return _page(_INTRODUCTION, *_entries())


def _entries() -> Iterator[str]:
    for letter, (title, about) in _FAMILIES.items():
        yield from (f"## {title}", "", about, "")
        for check in ALL_CHECKS:
            if check.code.startswith(letter):
                yield from _entry(check)


def _entry(check: Explained) -> Iterator[str]:
    yield from (f"### {check.code}", "", f"**{check.title}.**", "")
    yield f"- Cause: {check.why}"
    yield f"- Look: {check.look}"
    yield f"- Do: {check.fix}"
    yield from (f"- `--ignore`: {check.ignore}", "")
