"""The formula that stands for PEFT's forward where a parameter holds several experts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from adapter_merge.adapters.hollow.probe import probe
from adapter_merge.adapters.hollow.sites import Site, sites

EXPERTS, WIDE, NARROW = 3, 6, 4
Spoil = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Experts(nn.Module):
    """Weights of several experts in one parameter; nobody calls it."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(EXPERTS, *shape))


class Model(nn.Module):
    """Something that has them."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.experts = Experts(*shape)


def merged(*shape: int) -> tuple[Site, torch.Tensor, torch.Tensor]:
    """The layer of PEFT, and the parameter before and after its merge."""
    import peft

    torch.manual_seed(0)
    config = peft.LoraConfig(
        r=2, lora_alpha=6, target_modules=[], target_parameters=["experts.weights"]
    )
    wrapped = peft.get_peft_model(Model(*shape), config)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter)
    (site,) = sites(wrapped)
    before = torch.randn(EXPERTS, *shape)
    return site, before, site.merge({"weights": before.clone()})["weights"].detach().clone()


SHAPES = [(WIDE, NARROW), (NARROW, WIDE), (NARROW, NARROW)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_formula_is_peft_s_merge_of_experts(shape: tuple[int, int]) -> None:
    site, before, after = merged(*shape)
    assert not torch.allclose(before, after)
    assert probe(site, {"weights": before}, {"weights": after}) < 1e-5


@pytest.mark.parametrize(
    "spoil",
    [
        lambda before, _: before,
        lambda before, after: before + (after - before) / 2,
        lambda before, after: before + (after - before).roll(1, 0),
        lambda before, after: torch.cat([after[:-1], before[-1:]]),
        lambda before, after: after + (after - before),
    ],
    ids=["lost", "halved", "of another expert", "lost in one", "twice"],
)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_wrong_merge_of_experts_shows(shape: tuple[int, int], spoil: Spoil) -> None:
    site, before, after = merged(*shape)
    assert probe(site, {"weights": before}, {"weights": spoil(before, after)}) > 1e-2
