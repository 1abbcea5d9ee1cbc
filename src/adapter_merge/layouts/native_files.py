"""The files beside the weights in the form that transformers itself loads: config, and the processor's class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from adapter_merge.folder import parse_json, read_json
from adapter_merge.layouts.config import CONFIG
from adapter_merge.layouts.native import Form
from adapter_merge.layouts.rewrite import encode
from adapter_merge.layouts.side import Side
from adapter_merge.plan import Change, SideFile

_CLASS = "processor_class"
_WITH_CLASS = ("preprocessor_config.json", "processor_config.json", "tokenizer_config.json")
# What a config says of the file that it stands in, and not of its model.
_OF_FILE = ("torch_dtype", "dtype", "transformers_version")
_WHY = "`--native`"


def as_native(side: Side, form: Form, dimension: int) -> Side:
    """The side files of a result in a form of transformers.

    `dimension` is the length of an embedding.

    Raises:
        Corrupt: a JSON file that has to be read isn't an object.
    """
    files = {f.path: f for f in side.files}
    config = _content(files[CONFIG])
    native = _config(config, form, dimension)
    named = {path: _content(files[path]) for path in _WITH_CLASS if path in files}
    others = {p: c for p, c in named.items() if c.get(_CLASS) not in {None, form.processor}}
    written = {CONFIG: native} | {p: {**c, _CLASS: form.processor} for p, c in others.items()}
    files |= {path: _written(files[path], content) for path, content in written.items()}
    changes = (
        *side.changes,
        *_config_changes(config, native),
        *(_change(f"{p}: {_CLASS}", c[_CLASS], form.processor) for p, c in others.items()),
        Change(
            subject="queries and pages",
            before="as colpali-engine writes them",
            after="as transformers writes them",
            why=form.prompts,
        ),
    )
    return replace(side, files=tuple(files[p] for p in sorted(files)), changes=changes)


def _config(config: Mapping[str, Any], form: Form, dimension: int) -> dict[str, Any]:
    """The base's config inside one of the form, with what it says of its file outside."""
    inner = {k: v for k, v in config.items() if k not in {*_OF_FILE, "architectures"}}
    return {
        "architectures": [form.architecture],
        **{key: config[key] for key in _OF_FILE if key in config},
        "embedding_dim": dimension,
        "model_type": form.model_type,
        "vlm_config": inner,
    }


def _config_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for key in ("architectures", "embedding_dim", "model_type"):
        yield _change(f"{CONFIG}: {key}", before.get(key), after[key])
    yield _change(f"{CONFIG}: vlm_config", None, "what the base's file says of its model")


def _change(subject: str, before: object, after: object) -> Change:
    return Change(subject=subject, before=before, after=after, why=_WHY)


def _content(file: SideFile) -> dict[str, Any]:
    if file.source is not None:
        return read_json(file.source.parent, file.source.name)
    return dict(parse_json(file.content or b"{}", name=f"`{file.path}`"))


def _written(file: SideFile, content: Mapping[str, Any]) -> SideFile:
    raw = encode(content)
    return replace(file, source=None, content=raw, size=len(raw))
