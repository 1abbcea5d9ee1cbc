from __future__ import annotations

import time

import pytest

from adapter_merge.card import citations


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("```bibtex\n@misc{a}\n```\n", ("@misc{a}",)),
        ("~~~latex\n@misc{a,\n  b\n}\n\n@misc{c}\n~~~", ("@misc{a,\n  b\n}\n\n@misc{c}",)),
        ("````\n@misc{a}\n````\n" * 2, ("@misc{a}",)),
        ("```python\n@cached{}\n```\n", ()),
        ("```bibtex\n@misc{a}\n", ()),
        ("```bibtex\n@misc{a}\n~~~\n```bibtex\n@misc{b}\n```\n", ("@misc{b}",)),
        (f"```bibtex\n@misc{{{'a' * 5000}}}\n```\n", ()),
    ],
)
def test_blocks_of_bibtex_are_found(body: str, expected: tuple[str, ...]) -> None:
    assert citations(body) == expected


def test_blocks_that_never_end_take_no_long_time() -> None:
    start = time.monotonic()
    assert citations("```bibtex\n@a{\n" * 50_000) == ()
    assert time.monotonic() - start < 5
