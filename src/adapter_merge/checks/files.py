"""F001 to F004 and F007: the files of the folder, by name and size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from adapter_merge.checks.check import (
    NEEDS_WEIGHTS,
    failed,
    first,
    listed,
    milder,
    number,
    passed,
    skipped,
    warned,
)
from adapter_merge.checks.seen import Seen
from adapter_merge.checks.side import CONFIG, MODULES
from adapter_merge.errors import Corrupt, Layout, NotFound, NotSafetensors
from adapter_merge.finding import Finding
from adapter_merge.folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from adapter_merge.plan import Plan
from adapter_merge.receipt import RECEIPT_NAME
from adapter_merge.remote import OF_THE_HUB
from adapter_merge.sources import INSIDE

# Each of these is read by some loader before, or instead of, `model.safetensors`.
_RIVALS = (
    "consolidated*.safetensors",
    "*.bin",
    "*.pt",
    "*.pth",
    "*.ckpt",
    "*.h5",
    "*.msgpack",
    "*.ot",
)
# Conversions for other runtimes; an old one beside new weights still serves the unmerged model.
_CONVERTED = ("*.gguf", "*.onnx*", "*.tflite")
_CONVERTED_FOLDERS = frozenset({"onnx", "openvino", "coreml", "original"})
# What a trainer leaves; no loader takes them for weights.
_OF_TRAINER = ("training_args.bin", "optimizer*", "scheduler*", "scaler*", "rng_state*")
_IN_NAMES = (".lora_", ".base_layer.", ".modules_to_save.")
_OF_BUNDLE = frozenset({ADAPTER_CONFIG, ADAPTER_WEIGHTS})
_NOT_RECORDED = frozenset({"README.md", RECEIPT_NAME})


class FilesPresent:
    """F001."""

    code = "F001"
    title = "All files are there"
    why = "A folder without its config, a shard or a module's folder does not load, or loads as another model."
    fix = "Merge again, or copy the missing file from the base model."
    look = "Run `ls -R FOLDER`, and compare with the `files` of its `merge_receipt.json`."
    ignore = "No: whatever needs the file will not load."

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """Config, weights, the plan's files, the folders of `modules.json`."""
        missing = sorted(set(self._missing(seen)))
        if missing:
            message = f"{number(len(missing), 'file')} missing: {listed(missing)}"
            yield failed(self, seen, message, missing=first(missing))
            return
        yield passed(
            self, seen, f"{number(len(seen.files), 'file')}, none missing", files=len(seen.files)
        )

    def _missing(self, seen: Seen) -> Iterator[str]:
        if CONFIG not in seen.files:
            yield CONFIG
        if isinstance(seen.trouble, NotFound):
            yield f"weights ({seen.trouble.message.replace('`', '')})"
        if MODULES in seen.side.troubles:
            yield f"a readable {MODULES}"
        for folder in seen.side.modules:
            if not any(path.startswith(f"{folder}/") for path in seen.files):
                yield f"{folder}/"
        if seen.plan is not None and not seen.foreign:
            planned = {s.name for s in seen.plan.shards} | {f.path for f in seen.plan.side_files}
            yield from planned - seen.files.keys()


class OneWeightSet:
    """F002."""

    code = "F002"
    title = "Exactly one set of weights"
    why = "A loader that prefers the other set (vLLM takes `consolidated*.safetensors` first) serves the unmerged model in silence."
    fix = "Move every other weight set out of the folder."
    look = "The finding names the files; `ls -l FOLDER` shows which are older."
    ignore = "Only where no program that reads the other set will ever see the folder."

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """Rivals fail; conversions for other runtimes only warn where another program merged."""
        if isinstance(seen.trouble, Layout | NotSafetensors):
            yield failed(self, seen, seen.trouble.message)
            return
        shadowed = () if seen.checkpoint is None else seen.checkpoint.shadowed
        rivals = sorted({*shadowed, *(p for p in seen.files if _is_rival(p, seen))})
        converted = sorted(p for p in seen.files if _is_converted(p) and p not in rivals)
        if rivals:
            message = f"another set of weights lies beside the merged one: {listed(rivals)}"
            yield failed(self, seen, message, files=first(rivals))
        if converted:
            message = f"weights for other runtimes may be the unmerged model's: {listed(converted)}"
            yield milder(self, seen, message, files=first(converted))
        if not rivals and not converted:
            yield passed(self, seen, "no second set of weights")


def _is_rival(path: str, seen: Seen) -> bool:
    pure = PurePosixPath(path)
    own_folder = pure.parent.as_posix() in seen.side.modules
    if own_folder or len(pure.parts) > 1 or any(pure.match(p) for p in _OF_TRAINER):
        return False
    # The adapter's own pickle is F004's.
    return any(pure.match(p) for p in _RIVALS) and not pure.name.startswith("adapter_")


def _is_converted(path: str) -> bool:
    pure = PurePosixPath(path)
    return pure.parts[0] in _CONVERTED_FOLDERS or any(pure.match(p) for p in _CONVERTED)


class IndexAgrees:
    """F003."""

    code = "F003"
    title = "Index and shards agree"
    why = "A loader that trusts the index misses tensors, or reads them from the wrong file."
    fix = "Merge again; for a foreign folder, save the model again."
    look = "Compare `model.safetensors.index.json` with the weight files beside it."
    ignore = "No: loaders trust the index."

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """Headers and index read as one checkpoint, and `total_size` is the tensors' size."""
        if isinstance(seen.trouble, Corrupt):
            yield failed(self, seen, seen.trouble.message)
            return
        if seen.checkpoint is None:
            yield skipped(self, seen, NEEDS_WEIGHTS)
            return
        index, shards = seen.checkpoint.index, len(seen.checkpoint.files)
        metadata = None if index is None else index.content.get("metadata")
        said = metadata.get("total_size") if isinstance(metadata, dict) else None
        if said is not None and said != seen.checkpoint.nbytes:
            # No loader relies on it, and a base's own index may have been wrong before.
            message = f"the index says `total_size` {said}, the tensors have {seen.checkpoint.nbytes} bytes"
            yield warned(self, seen, message, said=said, bytes=seen.checkpoint.nbytes)
            return
        tensors = len(seen.checkpoint.tensors)
        text = f"{number(tensors, 'tensor')} in {number(shards, 'file')}"
        yield passed(self, seen, text, tensors=tensors, files=shards)


class NoAdapterLeft:
    """F004."""

    code = "F004"
    title = "No adapter is left"
    why = (
        "Every loader applies an adapter that lies beside merged weights a second time, in silence."
    )
    fix = "Delete `adapter_config.json` and `adapter_model.*` from the folder."
    look = "Run `ls FOLDER/adapter_*`; with `--base` and `--adapter` the weights tell whether they are merged."
    ignore = "No: the adapter would be applied twice. A bundle is told by its receipt, or by `--layout bundled`."

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """No adapter file but in a bundle, no adapter's or wrapper's name among the tensors."""
        beside = sorted(p for p in seen.files if _is_adapter_file(p))
        files = [p for p in beside if not seen.is_bundle or p not in _OF_BUNDLE]
        names = sorted(name for name in seen.names if _is_adapter_name(name, seen.plan))
        if files:
            yield self._left(seen, files)
        elif names:
            message = f"{number(len(names), 'tensor')} with an adapter's name: {listed(names)}"
            yield failed(self, seen, message, tensors=first(names))
        elif seen.checkpoint is None:
            yield skipped(self, seen, NEEDS_WEIGHTS)
        else:
            text = "the adapter lies beside the base's weights: a bundle"
            yield passed(self, seen, text if beside else "no file and no tensor of an adapter")

    def _left(self, seen: Seen, files: list[str]) -> Finding:
        """Names alone don't tell merged weights from a bundle: receipt or sources do."""
        if seen.recorded is None and seen.plan is None:
            message = (
                f"{listed(files)} beside the weights: if these are merged, loaders apply the adapter once more; "
                "if they are the base's, it is a bundle. `--base` and `--adapter` tell, with `--layout bundled` for a bundle"
            )
            return warned(self, seen, message, files=first(files))
        message = f"the adapter is still there: {listed(files)}"
        if _is_unmerged(seen):
            message += "; the weights are the base's, so `--layout bundled` if it is a bundle"
        return failed(self, seen, message, files=first(files))


def _is_unmerged(seen: Seen) -> bool:
    """Whether all tensors that should have changed are the base's."""
    planned = {} if seen.plan is None else seen.plan.tensors
    edited = [name for name, tensor in planned.items() if tensor.edit is not None]
    return bool(edited) and all(seen.looks[name].same for name in edited)


def _is_adapter_file(path: str) -> bool:
    return PurePosixPath(path).match("adapter_config.json") or PurePosixPath(path).match(
        "adapter_model*"
    )


def _is_adapter_name(name: str, plan: Plan | None) -> bool:
    if any(part in name for part in _IN_NAMES):
        return True
    # Its own file may have the prefix: colpali-engine writes it for ModernVBERT, and takes it off again.
    planned = None if plan is None else plan.tensors.get(name)
    own = planned is not None and planned.base is not None and planned.base.info.name == name
    return name.startswith(INSIDE) and not own


class SizesRecorded:
    """F007."""

    code = "F007"
    title = "Files have their recorded sizes"
    why = "A file that changed after it was written is not the one whose digest the receipt has."
    fix = "Merge again; `adapter-merge verify FOLDER` compares the digests too."
    look = "`adapter-merge verify FOLDER` names every file that is another."
    ignore = "In `check`, for a file that you changed on purpose; `verify` goes on naming it."

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """Sizes against those taken while writing, or the receipt's."""
        if seen.recorded is None:
            yield skipped(self, seen, f"not checked: the folder has no `{RECEIPT_NAME}`")
            return
        wrong = sorted(p for p, size in seen.recorded.items() if seen.files.get(p) != size)
        unknown = sorted(seen.files.keys() - seen.recorded.keys() - _NOT_RECORDED - OF_THE_HUB)
        if wrong:
            message = (
                f"{number(len(wrong), 'file')} with another size than recorded: {listed(wrong)}"
            )
            yield failed(self, seen, message, files=first(wrong))
        if unknown:
            message = f"{number(len(unknown), 'file')} that nothing recorded: {listed(unknown)}"
            yield milder(self, seen, message, files=first(unknown))
        if not wrong and not unknown:
            yield passed(self, seen, f"{number(len(seen.recorded), 'file')} as recorded")
