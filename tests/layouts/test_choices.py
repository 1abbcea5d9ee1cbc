from __future__ import annotations

import pytest

from adapter_merge.layouts import counting_files
from tests.layouts.tiny import WEIGHTS, MakeRepo

FILES = {
    "LICENSE": "x",
    "any.txt": "x",
    "README.md": "x",
    "adapter_config.json": {},
    "vocab.txt": "a",
    "chat_template.jinja": "x",
    "modules.json": [{"path": "2_Dense", "type": "Dense"}],
    "2_Dense/model.safetensors": WEIGHTS,
    "2_Dense/model.onnx": b"x",
    "3_Old/model.safetensors": WEIGHTS,
}
ALIKE = {
    "LICENSE",
    "vocab.txt",
    "chat_template.jinja",
    "modules.json",
    "2_Dense/model.safetensors",
}


@pytest.mark.parametrize(("origin", "expected"), [("base", ALIKE | {"any.txt"}), ("a", ALIKE)])
def test_only_files_that_can_reach_the_result_count(
    make_repo: MakeRepo, origin: str, expected: set[str]
) -> None:
    assert counting_files(make_repo(FILES, origin)) == expected
