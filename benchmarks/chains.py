"""Two real models to merge into, each with an adapter: MiniLM as an embedder of sentences, and of tokens."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_merge.cli import minilm

if TYPE_CHECKING:
    import torch

# A Transformer, a Dense layer, a mask and a norm. The model and its tokenizer are the base's.
_CHAIN = (
    "modules.json",
    "config_sentence_transformers.json",
    "1_Dense",
    "2_MultiVectorMask",
    "3_Normalize",
)
_TEMPERATURE = 0.05


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A base and what was trained on it."""

    base: Path
    adapter: Path


def pooled(root: Path) -> Pair:
    """all-MiniLM-L6-v2 and the adapter of `make demo`."""
    pair = Pair(base=root / "pooled" / "base", adapter=root / "pooled" / "adapter")
    minilm.fetch(pair.base)
    minilm.train(pair.base, pair.adapter, lambda _step, _loss: None)
    return pair


def vectors(root: Path, trained: Pair) -> Pair:
    """The same with a vector of 128 numbers for each token: the adapter brings a trained Dense layer too."""
    import torch
    from sentence_transformers import MultiVectorEncoder

    pair = Pair(base=root / "vectors" / "base", adapter=root / "vectors" / "adapter")
    torch.manual_seed(0)
    encoder = MultiVectorEncoder(str(trained.base), device="cpu", local_files_only=True)
    encoder.save(str(pair.base))
    shutil.copytree(trained.adapter, pair.adapter)
    _train_dense(encoder, trained.adapter)
    for name in _CHAIN:
        source = pair.base / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, pair.adapter / name)
    encoder[1].save(str(pair.adapter / "1_Dense"))
    return pair


def _train_dense(encoder: Any, adapter: Path) -> None:
    """Train the Dense layer above the adapter, with the demo's pairs and its loss."""
    import torch
    from peft import PeftModel

    PeftModel.from_pretrained(encoder[0].auto_model, str(adapter))
    encoder.eval()
    optimizer = torch.optim.AdamW(encoder[1].parameters(), lr=1e-3)
    for _ in range(minilm.STEPS):
        asked, told = (_forward(encoder, list(side)) for side in zip(*minilm.PAIRS, strict=True))
        scores = _maxsim(*asked, *told) / _TEMPERATURE
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(scores, torch.arange(len(scores))).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _forward(encoder: Any, sentences: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors (sentences, tokens, dimensions) and which of them count."""
    out = encoder(dict(encoder.tokenizer(sentences, padding=True, return_tensors="pt")))
    return out["token_embeddings"], out["attention_mask"].bool()


def _maxsim(
    asked: torch.Tensor, of_asked: torch.Tensor, told: torch.Tensor, of_told: torch.Tensor
) -> torch.Tensor:
    """Mean best match of a query's vectors, (queries, texts)."""
    import torch

    products = torch.einsum("qid,pjd->qpij", asked, told)
    best = products.masked_fill(~of_told[None, :, None, :], -1.0).amax(dim=3)
    return (best * of_asked[:, None, :]).sum(dim=2) / of_asked.sum(dim=1)[:, None]
