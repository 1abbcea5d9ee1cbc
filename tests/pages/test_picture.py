"""The picture holds every figure, fits its frame at any size, and harms nobody."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from adapter_merge.pages import picture
from adapter_merge.pages.grid import Grid
from adapter_merge.pages.layout import Box, draw
from adapter_merge.pages.render import style
from adapter_merge.pages.scale import STEPS

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "h.0.<script>alert('1')</script>\"\x00\x1b&.weight"


def sized(layers: int, kinds: int) -> dict[str, float]:
    return {
        f"model.layers.{n}.part.kind{k:02}.weight": 10 ** (-3 + 2 * (n + k) / (layers + kinds))
        for n in range(layers)
        for k in range(kinds)
    }


def parsed(changes: dict[str, float]) -> ET.Element:
    return ET.fromstring(picture(changes))  # noqa: S314 - our own text


def titles(root: ET.Element) -> list[str]:
    return [rect.findtext(f"{SVG}title", "") for rect in root.iter(f"{SVG}rect")]


@pytest.mark.parametrize(
    ("layers", "kinds"), [(1, 1), (1, 30), (6, 2), (32, 7), (100, 30), (300, 1)]
)
def test_each_figure_is_a_cell_inside_the_frame(layers: int, kinds: int) -> None:
    changes = sized(layers, kinds)
    drawing = draw(Grid.of(changes))
    boxes = [box for panel in drawing.panels for box in panel.boxes]
    assert {box.title.rpartition(":")[0] for box in boxes} == set(changes)
    assert all(box.x >= 0 and box.x + box.width <= drawing.width for box in boxes)
    assert all(box.y + box.height <= drawing.height and box.width >= 4 for box in boxes)
    assert len({(box.x, box.y) for box in boxes}) == len(boxes)


@pytest.mark.parametrize("layers", [1, 12, 40, 100, 300])
def test_the_numbers_of_layers_have_room(layers: int) -> None:
    (panel,) = draw(Grid.of(sized(layers, 1))).panels
    word, *numbers = panel.layers
    assert (word.words, numbers[0].words) == ("layer", "0")
    assert all(b.x - a.x >= 19 for a, b in pairwise(numbers))


def test_more_is_a_further_step() -> None:
    (panel,) = draw(Grid.of({f"h.{n}.q.weight": 10.0 ** (n - 6) for n in range(6)})).panels
    steps = [int(box.style.removeprefix("s")) for box in panel.boxes]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, STEPS - 1)


def test_an_unchanged_run_of_layers_is_one_box_that_says_so() -> None:
    changes = {"h.0.q.weight": 0.1, "h.5.q.weight": 0.1, "h.5.v.weight": 0.1}
    (panel,) = draw(Grid.of(changes)).panels
    empty = [box.title for box in panel.boxes if box.style == "none"]
    assert empty == ["q, layer 1 to 4: not changed", "v, layer 0 to 4: not changed"]


def test_a_shared_cell_tells_its_range() -> None:
    names = {f"h.0.experts.{n}.up.weight": v for n, v in enumerate((0.1, 0.2, 0.4))}
    (panel,) = draw(Grid.of(names)).panels
    (box,) = panel.boxes
    assert box.title == "h.0.experts.0.up.weight and 2 more: 10 % to 40 %, 20 % in the median"


def test_a_tensor_without_a_layer_stands_in_a_list() -> None:
    text = picture({"lm_head.weight": 0.02})
    assert "outside of the layers" in text
    assert ">2 %  lm_head.weight</text>" in text


def test_it_can_be_read_aloud() -> None:
    root = parsed({"h.0.q.weight": 0.01, "h.1.q.weight": 0.03, "top.weight": 0.02})
    assert root.get("role") == "img"
    named = [
        e.get("id") for e in (root.find(f"{SVG}title"), root.find(f"{SVG}desc")) if e is not None
    ]
    assert root.get("aria-labelledby") == " ".join(str(name) for name in named)
    about = root.findtext(f"{SVG}desc", "")
    assert "3 figures: 1 % to 3 %, 2 % in the median" in about
    assert "h: q 2 % in the median" in about


def test_without_figures_it_says_so() -> None:
    root = parsed({})
    assert "nothing was compared" in "".join(root.itertext())


@pytest.mark.parametrize("name", [EVIL, EVIL.replace("h.0.", ""), f"{EVIL}.0.q.weight"])
def test_a_stranger_s_name_stays_text(name: str) -> None:
    root = parsed({name: 0.1, "h.1.q.weight": 0.2})
    kinds = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert kinds <= {
        "svg",
        "title",
        "desc",
        "style",
        "defs",
        "pattern",
        "line",
        "rect",
        "text",
        "g",
    }
    assert any("<script>alert('1')</script>\"\\x00\\x1b&" in title for title in titles(root))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_counted_not_drawn(value: float) -> None:
    root = parsed({"h.0.q.weight": value, "h.1.q.weight": 0.2})
    assert "1 tensor without room here" in "".join(root.itertext())
    assert not any(title.startswith("h.0") for title in titles(root))


def _ramps() -> list[list[str]]:
    rules = re.findall(r"--s\d+: (#[0-9a-f]{6});", style("picture.css"))
    return [rules[i : i + STEPS] for i in range(0, len(rules), STEPS)]


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_ramps_read_without_colour() -> None:
    light, dark, paper = _ramps()
    assert light == paper
    for ramp, darker in ((light, True), (dark, False)):
        brightness = [_luminance(colour) ** (1 / 3) for colour in ramp]
        assert brightness == sorted(brightness, reverse=darker)
        steps = [abs(a - b) for a, b in pairwise(brightness)]
        assert max(steps) < 2 * min(steps)


@pytest.mark.parametrize(("ramp", "ground"), [(0, "#ffffff"), (1, "#14181d")])
def test_no_step_melts_into_the_ground(ramp: int, ground: str) -> None:
    first = _luminance(_ramps()[ramp][0])
    low, high = sorted((first, _luminance(ground)))
    assert (high + 0.05) / (low + 0.05) > 1.15


def test_every_step_has_its_rule() -> None:
    used: list[Box] = list(draw(Grid.of(sized(32, 7))).ramp)
    assert [box.style for box in used] == [f"s{n}" for n in range(STEPS)]
    assert all(f".{box.style} {{" in style("picture.css") for box in used)
