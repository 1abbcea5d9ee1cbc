"""The second route: inputs through PEFT's unmerged layer, and through a plain layer that holds its merge.

Forward passes and merges are different code in PEFT for nearly all methods, so that what one of them gets
wrong shows. All in float32. Where PEFT's forward merges in secret (parameters of a module, attention), the
formula of LoRA stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from adapter_merge.adapters.hollow.inject import NAME
from adapter_merge.adapters.hollow.sites import Site

if TYPE_CHECKING:
    import torch
    from torch import nn

_INPUTS = 16
_ROWS = 256  # rows of an embedding that are drawn


def probe(
    site: Site, before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]
) -> float:
    """The largest difference of outputs over their root mean square; NaN and infinity count as infinite.

    `before` and `after` are the values of all places, without and with the adapter.
    """
    import torch

    with torch.no_grad():
        x = _inputs(site, torch.Generator().manual_seed(0))
        try:
            site.fill(before)
            wanted = _reference(site)(x).double()
            site.fill(after)
            found = _plain(site)(x).double()
        finally:
            site.clear()
    size = float(wanted.square().mean().sqrt())
    worst = float((found - wanted).abs().max())
    return (
        0.0 if worst == 0 else worst / size if size > 0 and worst < float("inf") else float("inf")
    )


def _reference(site: Site) -> Callable[[torch.Tensor], torch.Tensor]:
    """PEFT's unmerged layer, or the formula."""
    if site.form == "parameter":
        return lambda x: x @ _parameter_sum(site).transpose(-1, -2)
    if site.form == "attention":
        return lambda x: _heads(site, x, summed=True)
    return site.layer  # type: ignore[no-any-return]


def _plain(site: Site) -> Callable[[torch.Tensor], torch.Tensor]:
    if site.form == "parameter":
        (place,) = site.places.values()
        return lambda x: x @ place.get().transpose(-1, -2)
    if site.form == "attention":
        return lambda x: _heads(site, x, summed=False)
    return site.layer.get_base_layer()  # type: ignore[no-any-return]


def _parameter_sum(site: Site) -> torch.Tensor:
    """W + scale * B A for each expert: `lora_A` counts experts slowest, `lora_B` fastest."""
    import torch

    layer = site.layer
    (place,) = site.places.values()
    weight: torch.Tensor = place.get()
    experts: int = layer.num_experts
    a, b = layer.lora_A[NAME].weight, layer.lora_B[NAME].weight
    deltas = [b[:, e::experts] @ part for e, part in enumerate(a.chunk(experts))]
    delta: torch.Tensor = torch.stack(deltas) * layer.scaling[NAME]
    if weight.ndim == 2:
        return weight + delta[0]
    straight = delta.shape == weight.shape and layer._did_swap_in_out_features  # noqa: SLF001
    return weight + (delta if straight else delta.transpose(1, 2))


def _heads(site: Site, x: torch.Tensor, *, summed: bool) -> torch.Tensor:
    """Both projections of an attention, side by side."""
    import torch

    layer, out = site.layer, site.layer.get_base_layer().out_proj
    weights = []
    # PEFT adds the delta of `out_proj` twice, in training too: the attention adds it and merges the layer.
    for one, place, times in ((layer, "in_proj_weight", 1), (out, "out_proj.weight", 2)):
        weight = site.places[place].get()
        if summed:
            product = one.lora_B[NAME].weight @ one.lora_A[NAME].weight
            weight = weight + times * one.scaling[NAME] * product
        weights.append(weight)
    return torch.cat([x @ w.T for w in weights], dim=1)


def _inputs(site: Site, draw: torch.Generator) -> torch.Tensor:
    import torch
    from torch import nn

    base = site.layer.get_base_layer()
    if site.form == "parameter":
        (place,) = site.places.values()
        return torch.randn(_INPUTS, place.get().shape[-1], generator=draw)
    if isinstance(base, nn.Embedding):
        return _rows(base, draw)
    if isinstance(base, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        # Three steps of the kernel each way: a layer may treat overlapping patches otherwise than one.
        sides = zip(base.kernel_size, base.dilation, base.stride, strict=True)
        size = [d * (k - 1) + 1 + 2 * s for k, d, s in sides]
        return torch.randn(_INPUTS, base.in_channels, *size, generator=draw)
    return torch.randn(_INPUTS, _width(base), generator=draw)


def _width(base: Any) -> int:
    """Inputs of a linear layer, a `Conv1D`, an attention or a norm."""
    known = (getattr(base, name, None) for name in ("in_features", "nx", "embed_dim"))
    width = next((w for w in known if w), None)
    return int(width or base.weight.shape[-1])


def _rows(base: nn.Embedding, draw: torch.Generator) -> torch.Tensor:
    """Rows of an embedding: the first, the last, and some drawn ones."""
    import torch

    drawn = torch.randint(0, base.num_embeddings, (_ROWS,), generator=draw).tolist()
    return torch.tensor(sorted({0, base.num_embeddings - 1, *drawn}))
