"""PEFT's layers: what they declare, and that they give everything back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from adapter_merge.adapters.hollow.empty import hollow_model, is_hollow
from adapter_merge.adapters.hollow.inject import Misfit, inject
from adapter_merge.adapters.hollow.probe import probe
from adapter_merge.adapters.hollow.sites import Site, Undeclared, sites
from tests.contract.methods import METHODS, biased, config_of, save_method

Q = "model.layers.0.self_attn.q_proj"


def injected(name: str, folder: Path) -> Any:
    """PEFT's model of a row, on a hollow base."""
    method = METHODS[name]
    save_method(method.model(), folder, config_of(method))
    import json

    values = json.loads((folder / "adapter_config.json").read_text())
    tensors = load_file(folder / "adapter_model.safetensors")
    return inject(hollow_model(method.model), values, tensors)


def site_of(model: Any, module: str) -> Site:
    (found,) = (s for s in sites(model) if s.module == module)
    return found


@pytest.mark.parametrize(
    ("name", "changes"),
    [("DoRA", {"weight"}), ("BEFT", {"bias"}), ("RoAd", {"weight", "bias"})],
)
def test_a_layer_says_what_it_changes(name: str, changes: set[str], tmp_path: Path) -> None:
    site = site_of(injected(name, tmp_path), Q)
    assert site.changes == changes
    assert site.places.keys() == {"weight", "bias"}


def test_an_input_scale_leaves_the_bias(tmp_path: Path) -> None:
    model = injected("IA3", tmp_path)
    assert site_of(model, "model.layers.0.mlp.down_proj").changes == {"weight"}
    assert site_of(model, "model.layers.0.self_attn.k_proj").changes == {"weight", "bias"}


@pytest.mark.parametrize("name", ["DoRA", "HRA", "RoAd", "DEFT", "PEANuT", "LN-tuning"])
def test_a_layer_is_hollow_again_after_each_merge(name: str, tmp_path: Path) -> None:
    site = next(iter(sites(injected(name, tmp_path))))
    (parameter, *_) = sorted(site.changes)
    value = torch.randn(site.places[parameter].get().shape)
    one = site.merge(site.alone(parameter, value.clone()))[parameter].clone()
    assert all(is_hollow(place.get()) for place in site.places.values())
    assert not site.layer.merged_adapters
    other = site.merge(site.alone(parameter, value.clone()))[parameter]
    assert torch.equal(one, other)


def test_an_undeclared_change_is_an_error(tmp_path: Path) -> None:
    site = site_of(injected("RoAd", tmp_path), Q)
    narrow = Site(module=Q, layer=site.layer, places=site.places, changes=frozenset({"weight"}))
    values = {n: torch.randn(p.get().shape) for n, p in site.places.items()}
    with pytest.raises(Undeclared, match="bias"):
        narrow.merge(values)
    assert all(is_hollow(place.get()) for place in site.places.values())


def test_a_wrong_merge_shows_in_the_outputs(tmp_path: Path) -> None:
    site = site_of(injected("DoRA", tmp_path), Q)
    before = {n: 0.1 * torch.randn(p.get().shape) for n, p in site.places.items()}
    after = site.merge({n: v.clone() for n, v in before.items()})
    assert probe(site, before, after) < 5e-5
    for wrong in (1.01 * after["weight"], before["weight"], after["weight"].T):
        assert probe(site, before, {**after, "weight": wrong.contiguous()}) > 1e-3
    broken = torch.full_like(after["weight"], float("nan"))
    assert probe(site, before, {**after, "weight": broken}) == float("inf")


def test_names_of_another_tree_are_not_converted(tmp_path: Path) -> None:
    import json

    method = METHODS["DoRA"]
    save_method(method.model(), tmp_path, config_of(method))
    values = json.loads((tmp_path / "adapter_config.json").read_text())
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    renamed = {n.replace("self_attn", "attention"): t for n, t in tensors.items()}
    with pytest.raises(Misfit, match="lacks"):
        inject(hollow_model(biased), values, renamed)
