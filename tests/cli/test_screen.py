"""A plan on one screen, whatever the plan."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from adapter_merge import assemble
from adapter_merge.cli.screen import method, plan_screen, value
from adapter_merge.forecast import Forecast, Room, Traffic
from adapter_merge.plan import Change, LeftBehind, Plan, WeighedAdapter
from adapter_merge.receipt import MethodRecord
from tests.build import DOWN, UP, make_case

FORECAST = Forecast(
    memory_bytes=312_000_000,
    needed_bytes=2_560_000_000,
    free_bytes=80_000_000_000,
    seconds=25.0,
    proof_seconds=12.0,
)
LONG = "a-name-that-never-ends/" * 20


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return assemble.plan(make_case(tmp_path_factory.mktemp("case")).request(dtype="bf16"))


def crowded(plan: Plan) -> Plan:
    """The plan with more and longer of everything."""
    (shard,) = plan.shards
    edited = next(t for t in shard.tensors if t.edit is not None)
    named = [f"{LONG}{s}.{n}.{k}" for s in range(9) for n in range(0, 99, 2) for k in range(40)]
    tensors = tuple(
        replace(edited, info=replace(edited.info, name=n), edit=replace(edited.edit, target=n))  # type: ignore[type-var]
        for n in [*named, *(f"{LONG}{n}" for n in range(20))]
    )
    trained = MethodRecord(peft_type="LORA", rank=8)
    return replace(
        plan,
        adapters=tuple(
            WeighedAdapter(source=f"{LONG}{n}", weight=0.5, method=trained) for n in range(9)
        ),
        base=LONG,
        to=LONG,
        naming=(LONG, f"{LONG}2"),
        shards=(replace(shard, tensors=tensors),) * 99,
        changes=tuple(
            Change(subject=f"{LONG}{n}", before=LONG, after=[LONG], why="") for n in range(30)
        ),
        left_behind=tuple(
            LeftBehind(path=f"{n}", size=1, origin="base", why=f"{LONG}{n // 2}") for n in range(90)
        ),
    )


def screen(plan: Plan, forecast: Forecast = FORECAST, *, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
    console.print(plan_screen(plan, forecast))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def words(plan: Plan, forecast: Forecast = FORECAST) -> str:
    return " ".join(" ".join(screen(plan, forecast)).split())


def test_a_plan_says_what_happens_and_what_it_takes(plan: Plan) -> None:
    text = words(plan)
    for part in (
        "method LORA, rank 4, alpha 8",
        "tensors 2 edited and 5 copied; 4 of 4 adapter tensors used",
        "modules 2 in 2 layers of `model.layers`: 0-1 mlp: down_proj (1), up_proj (1)",
        "1 weight file (in bf16), 2 other files",
        "disk 2.6 GB needed, 80.0 GB free",
        "takes about 30 s, more on a slow disk; about 310 MB of memory about 20 s of it to run both models",
        "declared config.json: dtype:",
        "left behind 2 files: the merged weights hold what it says",
        f"recipe {plan.recipe[:12]}",
    ):
        assert part in text or part.startswith("declared")
    assert {DOWN, UP} == {e.target.removesuffix(".weight") for e in plan.edits}


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_screen(plan: Plan, width: int) -> None:
    for one in (plan, crowded(plan)):
        assert max(map(len, screen(one, width=width))) <= width


TRAFFIC = Traffic(
    pulled_bytes=5_000_000,
    stored_bytes=140_000_000_000,
    repo="org/merged",
    visibility="private",
    why=LONG,
    added_bytes=2_500_000_000,
)


def test_what_goes_to_and_from_a_hub_is_foreseen(plan: Plan) -> None:
    text = words(plan, replace(FORECAST, traffic=replace(TRAFFIC, why="asked for")))
    assert "pulls 5.0 MB that aren't here yet, of repositories with 140.0 GB" in text
    assert "publishes 2.5 GB to `org/merged`, private (asked for)" in text


@pytest.mark.parametrize("traffic", [None, TRAFFIC])
def test_whatever_the_plan_it_is_one_screen(plan: Plan, traffic: Traffic | None) -> None:
    lines = screen(crowded(plan), replace(FORECAST, traffic=traffic))
    assert len(lines) <= 30
    text = " ".join(" ".join(lines).split())
    changes = "and 25 more" if traffic is None else "and 27 more"
    for more in ("and 7 more", "7 more lists of layers", changes, "and 42 more"):
        assert more in text


def test_a_disk_without_room_is_said_in_words(plan: Plan) -> None:
    poor = replace(FORECAST, free_bytes=1_000_000)
    assert "disk too little: 1.0 MB free, 2.6 GB needed" in words(plan, poor)


def test_the_disk_of_the_cache_has_a_line_where_it_is_another(plan: Plan) -> None:
    assert "cache" not in words(plan)
    cache = Room(needed_bytes=5_000_000, free_bytes=9_000_000)
    found = words(plan, replace(FORECAST, cache=cache))
    assert "cache's disk 5.0 MB needed, 9.0 MB free" in found
    assert "disk 2.6 GB needed, 80.0 GB free" in found
    poor = replace(FORECAST, cache=replace(cache, free_bytes=1_000_000))
    assert "cache's disk too little: 1.0 MB free, 5.0 MB needed" in words(plan, poor)
    crowd = screen(crowded(plan), replace(FORECAST, cache=cache, traffic=TRAFFIC))
    assert len(crowd) <= 30


def test_nothing_is_said_of_models_that_are_not_run(plan: Plan) -> None:
    assert "both models" not in words(plan, replace(FORECAST, proof_seconds=0))


def test_several_adapters_have_a_line_each(plan: Plan) -> None:
    lora = plan.adapters[0].method
    both = tuple(
        WeighedAdapter(source=f"./{n}", weight=w, method=lora) for n, w in (("a", 1), ("b", 2))
    )
    text = words(replace(plan, adapters=both))
    assert "adapters ./a ./b (weight 2) method LORA, rank 4, alpha 8 base" in text


def test_a_file_that_stays_behind_alone_is_named(plan: Plan) -> None:
    left = (LeftBehind(path="params.json", size=9, origin="base", why="nobody reads it"),)
    assert "left behind `params.json`: nobody reads it" in words(replace(plan, left_behind=left))


@pytest.mark.parametrize(
    ("content", "text"),
    [(None, "not set"), ("right", "right"), (7, "7"), ([1, "a"], '[1, "a"]'), (b"x", "x")],
)
def test_a_declared_value_is_readable(content: object, text: str) -> None:
    assert value(content) == text


def test_a_method_without_figures_is_its_name() -> None:
    assert method(MethodRecord(peft_type="IA3")) == "IA3"


def test_a_stranger_s_name_does_not_steer_the_terminal(plan: Plan, tmp_path: Path) -> None:
    odd = (LeftBehind(path="a\x1b[2J", size=1, origin="base", why="b\r"),)
    changes = (Change(subject="c\x07", before="\x1b[1m", after=None, why=""),)
    text = "\n".join(screen(replace(plan, base="./\x1b]0;x", left_behind=odd, changes=changes)))
    assert all(c.isprintable() or c == "\n" for c in text)
