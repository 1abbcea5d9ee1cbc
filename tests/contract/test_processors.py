"""Real processors in the files of both generations: the result loads, and prepares as its source does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.makers import save_adapter
from tests.contract.oracle import ours
from tests.flavours import repos

KINDS = {
    "PaliGemma": ("paligemma", "<image>"),
    "Idefics3": ("idefics3", "<image>"),
    "Qwen2VL": ("qwen2_vl", repos.QWEN_PICTURE),
}
_PROCESSOR = "processor_config.json"


def older(folder: Path) -> None:
    """The processor's files as transformers 4 had them; its template too, which no tokenizer read there."""
    whole = json.loads((folder / _PROCESSOR).read_text())
    named = {"processor_class": whole["processor_class"]}
    images = whole.pop("image_processor")
    videos = whole.pop("video_processor", None)
    _write(folder / "preprocessor_config.json", {**images, **named, "crop_size": None})
    _write(folder / _PROCESSOR, whole)
    if videos is not None:
        _write(folder / "video_preprocessor_config.json", {**videos, **named})
    template = folder / "chat_template.jinja"
    _write(folder / "chat_template.json", {"chat_template": template.read_text()})
    template.unlink()


def newer(folder: Path) -> None:
    """As transformers 5 left them."""


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2))


def trained(name: str, base: Path, folder: Path, *, other: bool) -> Path:
    """An adapter on a base, with its processor; `other` makes that one normalise and pad otherwise."""
    import transformers

    kind, picture = KINDS[name]
    model = transformers.AutoModelForImageTextToText.from_pretrained(base)
    save_adapter(model, folder, {"r": 2, "target_modules": r".*\.q_proj|.*\.qkv"})
    made = repos.processor_of(name, kind, picture)
    if other:
        made.image_processor.image_mean = [0.1, 0.2, 0.3]
    made.save_pretrained(folder)
    return folder


def prepared(folder: Path) -> dict[str, torch.Tensor]:
    """What the processor of a folder makes of a chat about a page."""
    import transformers
    from PIL import Image

    page = Image.effect_mandelbrot((90, 60), (-2, -1.2, 1, 1.2), 60).convert("RGB")
    content = [{"type": "image", "image": page}, {"type": "text", "text": "what is it?"}]
    made: Any = transformers.AutoProcessor.from_pretrained(folder)
    # A loader that must choose a class looks into the config, which an adapter has none of.
    text = made.apply_chat_template([{"role": "user", "content": content}])
    return {k: torch.as_tensor(v) for k, v in made(images=[page], text=[text], return_tensors="pt").items()}  # fmt: skip


@pytest.mark.parametrize("other", [False, True], ids=["same", "other"])
@pytest.mark.parametrize(
    ("of_base", "of_adapter"), [(older, newer), (newer, older), (older, older), (newer, newer)]
)
@pytest.mark.parametrize("name", KINDS)
def test_the_result_prepares_as_the_source_whose_files_it_has(
    name: str,
    of_base: Callable[[Path], None],
    of_adapter: Callable[[Path], None],
    other: bool,
    tmp_path: Path,
) -> None:
    kind, picture = KINDS[name]
    if name == "Qwen2VL":
        pytest.importorskip("torchvision")
    base = tmp_path / "base"
    repos.sees(kind, name, picture)(base)
    adapter = trained(name, base, tmp_path / "adapter", other=other)
    of_base(base)
    of_adapter(adapter)
    report = ours(base, {adapter: 1.0}, tmp_path / "out")
    assert report.error is None, report.error
    source = adapter if other else base
    assert files_of(tmp_path / "out") == files_of(source)
    found, before = prepared(tmp_path / "out"), prepared(base)
    expected = before
    if other:
        (adapter / "config.json").write_bytes((base / "config.json").read_bytes())
        expected = prepared(adapter)
        assert not torch.equal(before["pixel_values"], expected["pixel_values"])
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def files_of(folder: Path) -> dict[str, str]:
    """The files of a processor, with their content."""
    return {p.name: p.read_text() for p in folder.glob("*processor_config.json")}
