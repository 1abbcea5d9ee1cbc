"""How an adapter's tensors find those of a base."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adapter_merge import assemble
from adapter_merge.errors import MissingTarget
from tests.build import PREFIX, Case, adapter_tensors, base_tensors, make_case, write_adapter


def saving(root: Path, name: str, saved: str) -> Case:
    """An adapter that saved a table whole."""
    case = make_case(root)
    table = {f"{PREFIX}{name}": np.ones((12, 8), np.float32)}
    adapter = write_adapter(root / "a", adapter_tensors() | table, modules_to_save=[saved])
    return Case(base=case.base, adapter=adapter, to=case.to)


@pytest.mark.parametrize(
    ("name", "saved"),
    [("text.lm_head.weight", "lm_head"), ("text.embed_tokens.weight", "embed_tokens")],
)
def test_a_saved_table_is_nothing_new_where_the_base_has_one(
    tmp_path: Path, name: str, saved: str
) -> None:
    with pytest.raises(MissingTarget) as caught:
        assemble.plan(saving(tmp_path, name, saved).request())
    assert f"`{name}`" in caught.value.message
    assert caught.value.hint


def test_a_saved_module_of_another_name_is_new(tmp_path: Path) -> None:
    plan = assemble.plan(saving(tmp_path, "text.score.weight", "score").request())
    assert plan.tensors.keys() - base_tensors().keys() == {"text.score.weight"}
