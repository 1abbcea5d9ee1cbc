from __future__ import annotations

import pytest

from adapter_merge.licence import is_licence_file
from adapter_merge.licence.files import licence_texts, notices


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("LICENSE", True),
        ("LICENCE.txt", True),
        ("license-model.md", True),
        ("COPYING.LESSER", True),
        ("Notice", True),
        ("NOTICE.md", True),
        ("USE_POLICY.md", True),
        ("adapter-LICENSE", True),
        ("adapter-2-NOTICE.md", True),
        ("adapter-README.md", False),
        ("README.md", False),
        ("onnx/LICENSE", False),
        ("unlicensed.json", False),
    ],
)
def test_files_that_go_along(path: str, expected: bool) -> None:
    assert is_licence_file(path) is expected


def test_texts_and_notices_are_told_apart() -> None:
    paths = ["NOTICE", "USE_POLICY.md", "LICENSE.txt", "COPYING", "config.json"]
    assert licence_texts(paths) == ("COPYING", "LICENSE.txt")
    assert notices(paths) == ("NOTICE",)
