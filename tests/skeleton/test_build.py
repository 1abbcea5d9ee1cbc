"""Any config ends in a skeleton or in the reason why there is none: quietly, and without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from adapter_merge.skeleton import Absent, Skeleton, skeleton_of

_LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 2}
_NAMES = frozenset(f"t{n}" for n in range(40))

_CONFIGS: Mapping[str, tuple[Mapping[str, object], str | None]] = {
    # Title -> config, and the reason; None where the class can be built.
    "plain": (_LLAMA, None),
    "no architectures": ({"model_type": "llama"}, None),
    "architectures no list": ({"model_type": "llama", "architectures": 7}, None),
    "a class that is no model": ({"model_type": "bert", "architectures": ["pipeline"]}, None),
    "quantised": ({**_LLAMA, "quantization_config": {"quant_method": "bitsandbytes"}}, None),
    "another attention": ({**_LLAMA, "_attn_implementation": "flash_attention_2"}, None),
    "no type": ({}, "no `model_type`"),
    "a type that is none": ({"model_type": ["llama"]}, "no `model_type`"),
    "an unknown type": ({"model_type": "nope"}, "isn't part of transformers"),
    "Python of its own": ({**_LLAMA, "auto_map": {"AutoModel": "x.Y"}}, "Python code of its own"),
    "a billion layers": ({**_LLAMA, "num_hidden_layers": 10**9}, "more layers than its file"),
    "a million stages of layers": (
        {"model_type": "swin", "depths": [500] * 10**6},
        "more layers than its file",
    ),
    "a billion experts": (
        {"model_type": "x", "text_config": {"num_experts": 10**9}},
        "more layers than its file",
    ),
    "values of another kind": ({**_LLAMA, "hidden_size": "x"}, "can't be built from this config"),
    "another type's class": (
        {"model_type": "bert", "architectures": ["T5Model"]},
        "can't be built from this config",
    ),
    "a backbone on the Hub": (
        {"model_type": "dpt", "architectures": ["DPTForDepthEstimation"], "backbone": "org/name",
         "use_pretrained_backbone": True, "is_hybrid": False},
        "can't be built from this config",
    ),
    "a backbone of timm": (
        {"model_type": "timm_backbone", "backbone": "resnet50", "use_pretrained_backbone": True},
        "can't be built from this config",
    ),
}  # fmt: skip

# Every address that is asked for is a line on stdout, and so is whatever anyone prints.
_SCRIPT = """
import json, socket, sys
from adapter_merge.skeleton import skeleton_of
def no(*args, **_):
    print("asked for", args)
    raise OSError
socket.socket.connect = socket.getaddrinfo = no
found = [skeleton_of(c, frozenset(f"t{n}" for n in range(40))) for c in json.load(sys.stdin)]
sys.exit(0 if len(found) > 10 else 1)
"""


def test_a_hostile_config_is_worked_on_quietly_and_without_a_network() -> None:
    configs = json.dumps([config for config, _ in _CONFIGS.values()])
    command = [sys.executable, "-c", _SCRIPT]
    # No variable keeps the Hub off, and the package is the one that is tested here.
    env = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        command, input=configs, capture_output=True, text=True, env=env, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("title", _CONFIGS)
def test_a_config_ends_in_a_skeleton_or_a_reason(title: str) -> None:
    config, reason = _CONFIGS[title]
    found = skeleton_of(config, _NAMES)
    if reason is None:
        assert isinstance(found, Skeleton)
        assert found.shapes
    else:
        assert isinstance(found, Absent)
        assert reason in found.why
        assert "\n" not in found.why


def test_nesting_without_end_is_a_reason_too() -> None:
    config: dict[str, object] = {"num_layers": 10**9}
    for _ in range(2000):
        config = {"inner": config}
    assert isinstance(skeleton_of({**_LLAMA, **config}, _NAMES), Absent)


@pytest.mark.parametrize(("value", "built"), [("Infinity", True), ("much", False), ({}, False)])
def test_a_number_that_json_has_not(value: object, built: bool) -> None:
    limit = {"time_step_limit": [0.0, {"__float__": value}]}
    found = skeleton_of({"model_type": "mamba2", "num_hidden_layers": 1, **limit}, _NAMES)
    assert isinstance(found, Skeleton if built else Absent)


def test_what_is_set_for_the_work_is_set_back() -> None:
    from huggingface_hub import constants
    from transformers.utils import logging

    before = constants.HF_HUB_OFFLINE, logging.get_verbosity()
    skeleton_of({**_LLAMA, "hidden_size": "x"}, _NAMES)
    assert (constants.HF_HUB_OFFLINE, logging.get_verbosity()) == before


@pytest.mark.parametrize(
    ("config", "names", "live"),
    [
        ({"model_type": "qwen2_vl", "architectures": ["ColQwen2"]}, set(), "custom_text_proj.weight"),
        ({"model_type": "paligemma", "architectures": ["ColPali"]}, set(),
         "model.model.language_model.layers.0.self_attn.q_proj.weight"),
        ({"model_type": "paligemma"}, {"custom_text_proj.weight"}, "custom_text_proj.weight"),
        ({"model_type": "idefics3", "architectures": ["ColIdefics3"],
          "text_config": {"model_type": "llama", "pad_token_id": 0}}, set(), "linear.weight"),
    ],
)  # fmt: skip
def test_a_class_of_colpali_engine_is_built_around_that_of_transformers(
    config: Mapping[str, object], names: set[str], live: str
) -> None:
    found = skeleton_of(config, names)
    assert isinstance(found, Skeleton)
    assert live in found.shapes
