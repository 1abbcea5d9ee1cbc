"""Our block of the card: how to load the model, what was merged, what was seen of it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import median

from jinja2 import Environment, StrictUndefined

from adapter_merge.card.markdown import code, fenced, plain, sentence
from adapter_merge.card.names import name, named, pathless, pathless_value
from adapter_merge.expert_summary import describe_experts
from adapter_merge.figures import nbytes, percent
from adapter_merge.finding import Said, by_weight
from adapter_merge.licence import Terms
from adapter_merge.modules import seat
from adapter_merge.proved import proved
from adapter_merge.receipt import FindingRecord, Receipt, SourceRecord
from adapter_merge.request import Settings

_TEMPLATE = "block.md.jinja"
_METHODS = {"LORA": "LoRA"}
_DOWNSTREAM, _CARD = "D", "C"  # families of codes that aren't listed among the checks
_KINDS, _FILES, _NAMES = 12, 40, 3
_UNABLE = ("fails", "wrong")  # states of a program that doesn't get the adapted model
_UNITS = ((10**9, "GB"), (10**6, "MB"), (1000, "KB"))
_VALUE = 60  # characters of a changed value
_STATED = ("as stated by the base", "as stated by an adapter, which asks for more than the base")


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the block is made of.

    Attributes:
        title: the result's name.
        receipt: findings of the card's own checks may be in it, and aren't shown.
        base_id: the base's id on the Hub, where it is known.
        snippet: Python that loads the model.
        stated: by whom the licence is stated, as the end of a sentence; empty where nobody knows any more.
        citations: BibTeX entries of the base.
    """

    title: str
    receipt: Receipt
    base_id: str | None
    snippet: str
    terms: Terms
    stated: str
    citations: tuple[str, ...]


def line(facts: Facts) -> str:
    """The first line of the card: what was merged into what."""
    adapters = " and ".join(named(a) for a in facts.receipt.adapters)
    base = named(facts.receipt.base, facts.base_id)
    if facts.receipt.bundles:
        return f"{adapters} beside {base}, not merged: without peft this loads as the bare base, with no message."
    return f"{adapters} merged into {base}; load it like any model, peft isn't needed."


def block(facts: Facts) -> str:
    """The block as Markdown; every value of a stranger is text in it, never markup."""
    receipt = facts.receipt
    loud, passed = _checks(receipt.findings)
    loads = list(_loads(receipt.findings))
    environment = Environment(  # noqa: S701 - Markdown, whose values are made inert one by one
        trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters |= {"code": code, "fenced": fenced, "sentence": _said}
    text = files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text).render(
        bundled=receipt.bundles,
        refused=[row["title"] for row in loads if row["status"] in _UNABLE],
        led=_led(receipt),
        snippet=facts.snippet,
        base=named(receipt.base, facts.base_id),
        adapters=[_adapter(a) for a in receipt.adapters],
        changed=_changed(receipt),
        modules=_modules(receipt),
        experts=[_said(text) for text in describe_experts(receipt.experts)],
        relative_change=_relative_change(receipt.relative_changes),
        outputs=proved(receipt.probe),
        version=sentence(receipt.versions.get("adapter-merge", "unknown")),
        changes=[
            {
                "subject": c.subject,
                "before": _value(c.before, receipt),
                "after": _value(c.after, receipt),
                "why": c.why,
            }
            for c in receipt.changes
        ],
        loud=loud,
        passed=passed,
        loads=loads,
        commands=_commands(facts),
        recipe=receipt.recipe,
        files=_sizes(receipt),
        versions=", ".join(f"{k} {v}" for k, v in receipt.versions.items()),
        left_behind=_left_behind(receipt.left_behind),
        licence=_licence(facts.terms, facts.stated),
        statements=facts.terms.statements,
        citations=facts.citations,
    )


def _adapter(record: SourceRecord) -> str:
    method = record.method
    said = [named(record)]
    if method is not None:
        known = method.variant or _METHODS.get(method.peft_type, method.peft_type)
        said.append(sentence(known))
        said += [f"rank {method.rank:g}"] if method.rank is not None else []
        said += [f"alpha {method.alpha:g}"] if method.alpha is not None else []
    said += [f"weight {record.weight:g}"] if record.weight not in {None, 1} else []
    return ", ".join(said)


def _changed(receipt: Receipt) -> str:
    counts, kept = receipt.counts, Settings.model_fields["dtype"].default
    dtype = receipt.settings.get("dtype", kept)
    edited, total = counts.get("tensors_edited", 0), counts.get("tensors_total", 0)
    if receipt.bundles:
        return f"nothing: the {total:,} tensors are the base's, and the adapter lies beside them"
    cast = "" if dtype == kept else f", floating-point ones as {code(dtype)}"
    return f"{edited:,} of {total:,} tensors; all others are the base's{cast}"


def _modules(receipt: Receipt) -> str:
    """Kinds of modules and the number of layers that they were changed in, by stack."""
    stacks: dict[str, dict[str, set[int | None]]] = {}
    for tensor in receipt.relative_changes:
        at = seat(tensor)
        stacks.setdefault(at.stack, {}).setdefault(at.kind, set()).add(at.layer)
    return "; ".join(_stack(path, kinds) for path, kinds in sorted(stacks.items()))


def _stack(path: str, kinds: Mapping[str, set[int | None]]) -> str:
    shown = ", ".join(code(k) for k in sorted(kinds)[:_KINDS])
    more = f" and {len(kinds) - _KINDS} more" if len(kinds) > _KINDS else ""
    layers = len(set().union(*kinds.values()))
    where = f" in {layers} layers of {code(path)}" if path else ""
    return f"{shown}{more}{where}"


def _relative_change(changes: Mapping[str, float]) -> str:
    """How far tensors moved; empty where no figure is known."""
    values = sorted(changes.values())
    if not values:
        return ""
    middle, least, most = (percent(v) for v in (median(values), values[0], values[-1]))
    return (
        f"{middle} in the median, {least} to {most} (norm of the delta over the norm of the weight)"
    )


def _said(text: object) -> str:
    return sentence(pathless(str(text)))


def _value(value: object, receipt: Receipt) -> str:
    """A value in a table; a source by its name."""
    if value is None:
        return "\N{EM DASH}"
    text = (
        pathless_value(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    )
    if any(text == adapter.source for adapter in receipt.adapters):
        text = name(text)
    return code(plain(text, _VALUE))


def _checks(findings: Sequence[FindingRecord]) -> tuple[tuple[Said, ...], list[FindingRecord]]:
    """What a reader has to know, the heaviest first, and what passed."""
    shown = [f for f in findings if f.code[0] not in {_DOWNSTREAM, _CARD}]
    loud = by_weight(f.finding() for f in shown if f.outcome != "pass")
    return loud, sorted((f for f in shown if f.outcome == "pass"), key=lambda f: f.code)


def _loads(findings: Sequence[FindingRecord]) -> Iterator[Mapping[str, str]]:
    """One row for each program that serves such models."""
    for finding in findings:
        known = {key: str(finding.evidence.get(key, "")) for key in ("title", "version", "status")}
        if finding.code[0] != _DOWNSTREAM or known["status"] in {"", "not served"}:
            continue
        plainly = known["status"] == "loads" and not finding.evidence.get("rules")
        yield {**known, "message": "yes" if plainly else finding.message}


def _commands(facts: Facts) -> str:
    receipt = facts.receipt
    adapters = [_weighed(a) for a in receipt.adapters]
    to = f"./{facts.title}"
    run = ["adapter-merge", "run", *adapters, "--base", _folder(receipt.base), "--to", to]
    options = [part for option in _options(receipt.settings) for part in option]
    return f"{shlex.join([*run, *options])}\n{shlex.join(['adapter-merge', 'verify', to])}"


def _options(settings: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """The options that a receipt's settings stand for, where they aren't the default."""
    for setting, value in settings.items():
        option = f"--{setting.replace('_', '-')}"
        field = Settings.model_fields.get(setting)
        if field is None or value in {str(field.default), "None", ""} or _is_place(setting, value):
            continue
        if setting == "max_shard_size":
            yield option, _size(int(value))
        elif field.annotation is bool:
            yield (option,)
        else:
            yield option, "FILE" if setting == "chat_template" else value


def _is_place(setting: str, value: str) -> bool:
    """Whether it is the folder that a bundle was made for, which follows from `--to`."""
    return setting == "bundle_as" and Path(value).is_absolute()


def _led(receipt: Receipt) -> str:
    """The id that a bundle leads to; empty where that is a folder."""
    led = receipt.settings.get("bundle_as", "")
    return "" if _is_place("bundle_as", led) else led


def _size(count: int) -> str:
    """Bytes as the option takes them."""
    unit, name = next((u for u in _UNITS if count % u[0] == 0), (1000, "KB"))
    return f"{count / unit:g}{name}" if count % unit == 0 else f"{count / unit:.3f}{name}"


def _weighed(record: SourceRecord) -> str:
    text = _folder(record)
    return text if record.weight in {None, 1} else f"{text}={record.weight:g}"


def _folder(record: SourceRecord) -> str:
    known = name(record.source)
    return f"{known}@{record.commit}" if record.commit is not None else f"./{known}"


def _sizes(receipt: Receipt) -> list[Mapping[str, str]]:
    largest = sorted(receipt.files.items(), key=lambda item: -item[1].size)[:_FILES]
    return [{"path": path, "size": nbytes(file.size)} for path, file in largest]


def _left_behind(left: Mapping[str, str]) -> list[Mapping[str, str]]:
    groups: dict[str, list[str]] = {}
    for path, why in left.items():
        groups.setdefault(why, []).append(path.rpartition(": ")[2])
    return [{"files": _listed(paths), "why": why} for why, paths in groups.items()]


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMES} more" if len(paths) > _NAMES else ""
    return ", ".join(code(p) for p in paths[:_NAMES]) + more


def stated_by(terms: Terms) -> str:
    """Who states the licence, for terms that were read from the sources' cards."""
    return _STATED[terms.adapter is not None]


def stated_in(block: str) -> str:
    """The same, as a block has it that stands."""
    return next((stated for stated in _STATED if f", {stated}.\n" in block), "")


def _licence(terms: Terms, stated: str) -> str:
    """The licence, and every doubt about it: a reader must not learn them from the checks alone."""
    doubts = "".join(f" {sentence(_capital(c.message))}." for c in terms.concerns)
    if not terms.license:
        return (
            f"No licence is stated here.{doubts} Ask the publishers before you pass the weights on."
        )
    names = " and ".join(sentence(x.name) for x in terms.licences)
    link = f" ([text]({terms.license_link}))" if terms.license_link else ""
    return f"{names}{link}{stated and ', '}{stated}.{doubts}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
