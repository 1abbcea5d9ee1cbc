"""Both sides round alike on one thread only; nothing here may ask a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import pytest

from tests.contract.methods import PEFT

# Where transformers and PEFT meet, transformers asks for a PEFT; PEFT 0.19 also breaks over its converters.
_BY_TRANSFORMERS = ("test_bundled.py", "test_sentence.py", "test_experts.py")
# What an older PEFT doesn't do, or does in another order: the start of a test's name -> the first that does.
_SINCE: Mapping[str, tuple[int, ...]] = {
    # On transformers 5 it takes what is tied for apart.
    "test_tied.py::test_what_was_trained_tied_stays_tied": (0, 19),
    "test_tied.py::test_the_head_of_gpt2_that_peft_forgets_when_it_loads": (0, 19),
    "test_tied.py::test_a_base_that_stores_the_head[tied again": (0, 19),
    "test_tied.py::test_tied_halves_that_differ_are_refused": (0, 19),
    "test_vocabulary.py::test_a_vocabulary_that_grew[tied, a LoRA that ties both]": (0, 19),
    "test_vocabulary.py::test_single_tokens_beside_a_lora[tied, ": (0, 19),
    "test_refused.py::test_an_adapter_that_peft_saved[LoRA-GA]": (0, 19),
    "test_refused.py::test_an_accepted_start_leaves_the_base_alone[mica]": (0, 20),
    # It rounds once more.
    "test_lora.py::test_the_bits_are_those_of_peft[two adapters in bf16]": (0, 19),
    "test_lora.py::test_the_bits_are_those_of_peft[a Conv2d with lora_bias in bf16]": (0, 20),
}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """For these tests only: a child of another one may have a Hub to ask."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what the installed PEFT can't be compared with."""
    for item in items:
        name = item.nodeid.partition("tests/contract/")[2]
        first = max((v for start, v in _SINCE.items() if name.startswith(start)), default=(0, 0))
        if name.startswith(_BY_TRANSFORMERS):
            first = max(first, _least_of_transformers())
        if first > PEFT:
            wanted = ".".join(str(part) for part in first)
            item.add_marker(pytest.mark.skip(reason=f"needs peft {wanted}"))


@cache
def _least_of_transformers() -> tuple[int, ...]:
    if PEFT >= (0, 20):  # as the newest that is known asks: nothing has to be imported
        return (0, 0)
    from transformers.integrations.peft import MIN_PEFT_VERSION

    return tuple(int(part) for part in MIN_PEFT_VERSION.split(".")[:2])
