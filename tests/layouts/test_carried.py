from __future__ import annotations

import pytest

from adapter_merge.layouts.carried import why_left


@pytest.mark.parametrize(
    ("path", "why"),
    [
        *(
            (path, "unmerged")
            for path in (
                "consolidated.safetensors",
                "consolidated.00.pth",
                "original/tokenizer.model",
                "onnx/model_quantized.onnx",
                "onnx/config.json",
                "openvino/openvino_model.xml",
                "coreml/model/weights.txt",
                "model.onnx_data",
                "model-Q4_K_M.gguf",
                "Model-F16.GGUF",
                "tf_model.h5",
                "flax_model.msgpack",
                "rust_model.ot",
                "model.tflite",
                "weights.pt",
                "weights.pth",
                "weights.ckpt",
                "pytorch_model.bin.index.json",
                "model.safetensors.index.fp16.json",
            )
        ),
        ("pytorch_model.bin", "doesn't touch"),
        ("pytorch_model-00001-of-00002.bin", "doesn't touch"),
        ("fp16/model.safetensors", "doesn't touch"),
        ("params.json", "consolidated"),
        ("adapter_config.json", "once more"),
        ("sub/adapter_model.bin", "once more"),
        ("training_args.bin", "training run"),
        ("optimizer.pt", "training run"),
        ("scheduler.pt", "training run"),
        ("rng_state_0.pth", "training run"),
        ("trainer_state.json", "training run"),
        ("checkpoint-500/config.json", "training run"),
        ("runs/today/events.out", "training run"),
        ("modeling_custom.py", "Python"),
        (".gitattributes", "repository"),
        ("README.md", "card"),
        *(
            (path, "Windows")
            for path in ("CON", "con.json", "docs/Aux.txt", "a:b.png", "what?.md", "end.", "end ")
        ),
        ("merge_receipt.json", "receipt"),
    ],
)
def test_a_base_file_is_left_with_its_reason(path: str, why: str) -> None:
    assert why in (why_left(path, "base") or "")


@pytest.mark.parametrize(
    "path",
    [
        "LICENSE",
        "NOTICE",
        "USE_POLICY.md",
        "generation_config.json",
        "tokenizer.model",
        "spiece.model",
        "docs/README.md",
        "sub/params.json",
        "scheduler/scheduler_config.json",
        "1_Pooling/config.json",
        "originals.txt",
    ],
)
def test_any_other_file_is_carried(path: str) -> None:
    assert why_left(path, "base") is None


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_weights_stay_in_a_module_folder(name: str) -> None:
    assert why_left(f"2_Dense/{name}", "base", {"2_Dense"}) is None
    assert why_left(f"2_Dense/{name}", "base", {"1_Pooling"}) is not None
    assert why_left(f"2_Dense_old/{name}", "base", {"2_Dense"}) is not None


def test_a_module_folder_excuses_nothing_else() -> None:
    assert why_left("2_Dense/model.onnx", "base", {"2_Dense"}) is not None


def test_a_module_keeps_its_folder_whatever_it_is_called() -> None:
    assert why_left("aux/config.json", "base", {"aux"}) is None
    assert why_left("aux/config.json", "base") is not None
    assert why_left("2_Dense/training_args.bin", "base", {"2_Dense"}) is not None


def test_an_adapter_is_told_that_it_was_merged() -> None:
    assert "merged weights" in (why_left("adapter_model.safetensors", "./a") or "")
    assert "once more" in (why_left("adapter_model.safetensors", "base") or "")
