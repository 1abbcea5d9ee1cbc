"""The picture of a proof shows every input, has room for all of them, and harms nobody."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from adapter_merge.pages import probes
from adapter_merge.pages.render import style
from adapter_merge.receipt import GroupRecord, ProbeRecord
from tests.test_proved import SCORES, VECTORS, of

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "<script>alert('1')</script>\"\x00\x1b&"
LEFT, RIGHT = 3.0, 97.0


def group(
    cosines: tuple[float, ...], bases: tuple[float, ...] = (), name: str = "g"
) -> GroupRecord:
    return VECTORS.model_copy(update={"group": name, "cosines": cosines, "base_cosines": bases})


def parsed(*groups: GroupRecord) -> ET.Element:
    return ET.fromstring(probes(of(*groups)) or "")  # noqa: S314 - our own text


def marks(root: ET.Element, kind: str) -> list[ET.Element]:
    """Those of inputs: the legend's have no percent."""
    found = root.iterfind(f".//{SVG}circle[@class='{kind}']")
    return [mark for mark in found if mark.get("cx", "").endswith("%")]


def places(root: ET.Element, kind: str) -> list[float]:
    return [float(mark.get("cx", "").removesuffix("%")) for mark in marks(root, kind)]


def words(root: ET.Element) -> str:
    return " ".join(t for text in root.iter(f"{SVG}text") for t in text.itertext())


@pytest.mark.parametrize(
    ("cosine", "place"),
    [
        (1.0, LEFT),
        (1.0000001, LEFT),
        (1 - 1e-12, LEFT),
        (1 - 1e-9, LEFT),
        (1 - 1e-6, LEFT + (RIGHT - LEFT) / 3),
        (0.999, LEFT + (RIGHT - LEFT) * 2 / 3),
        (0.0, RIGHT),
        (-1.0, RIGHT),
        (-1e300, RIGHT),
    ],
)
def test_an_input_stands_by_the_logarithm_of_its_distance(cosine: float, place: float) -> None:
    root = parsed(group((cosine,), (cosine,)))
    assert places(root, "result") == places(root, "base") == [pytest.approx(place, abs=0.01)]


def test_each_end_of_the_axis_says_what_it_holds() -> None:
    ticks = re.findall(r'class="tick[^>]*>([^<]*)<', probes(of(VECTORS)) or "")
    assert ticks == ["1e-9 or less", "1e-6", "1e-3", "1 or more"]


def test_a_line_leads_from_the_base_to_the_result() -> None:
    root = parsed(VECTORS)
    ways = [
        (way.get("x1"), way.get("x2"), way.get("y1"))
        for way in root.iterfind(f".//{SVG}line[@class='way']")
    ]
    results, bases = marks(root, "result"), marks(root, "base")
    assert ways == [
        (r.get("cx"), b.get("cx"), r.get("cy")) for r, b in zip(results, bases, strict=True)
    ]
    assert len(ways) == 3
    assert "the base without the adapter" in words(root)


@pytest.mark.parametrize("bases", [(), (0.5,), (0.5,) * 9])
def test_a_receipt_without_the_base_has_dots_alone(bases: tuple[float, ...]) -> None:
    root = parsed(group((0.9, 0.99), bases))
    assert (len(marks(root, "result")), marks(root, "base")) == (2, [])
    assert "base without" not in words(root)
    assert "(of the base)" not in words(root)
    assert root.find(f".//{SVG}line[@class='way']") is None


@pytest.mark.parametrize(("groups", "inputs"), [(1, 1), (1, 40), (8, 40), (16, 256)])
def test_everything_has_room(groups: int, inputs: int) -> None:
    some = tuple(1 - 10.0 ** -(n % 9) for n in range(inputs))
    root = parsed(*(group(some, some, f"g{n}") for n in range(groups)))
    height = float(root.get("height", ""))
    drawn = marks(root, "result")
    assert len(drawn) == groups * inputs
    rows = [float(t.get("y", "")) for t in root.iterfind(f".//{SVG}text[@class='name']")]
    assert len(rows) == groups
    assert all(b - a >= 12 for a, b in pairwise(rows))
    for at, row in enumerate(rows):
        of_row = [float(m.get("cy", "")) for m in drawn[at * inputs : (at + 1) * inputs]]
        assert row + 6 < min(of_row)
        assert max(of_row) + 6 < (rows[at + 1] - 10 if at + 1 < groups else height)
    assert "not shown" not in words(root)


def test_neighbours_do_not_cover_each_other() -> None:
    heights = sorted({float(m.get("cy", "")) for m in marks(parsed(group((1.0,) * 16)), "result")})
    assert len(heights) == 16
    assert all(b - a >= 6 for a, b in pairwise(heights))


def test_what_is_too_much_or_no_number_is_counted() -> None:
    root = parsed(*(group((1.0,) * 400, (), f"g{n}") for n in range(20)))
    assert len(marks(root, "result")) == 16 * 320
    assert f"{20 * 400 - 16 * 320} inputs not shown" in words(root)
    root = parsed(group((math.nan, -math.inf, 0.9), (0.5, math.nan, 0.5)))
    assert (len(marks(root, "result")), len(marks(root, "base"))) == (1, 2)
    assert "2 inputs not shown" in words(root)
    assert "not a number (not a number)" in words(root)


@pytest.mark.parametrize(
    "record",
    [
        None,
        ProbeRecord(needs="4 GB of memory"),
        ProbeRecord(reference="Model", merged=None, groups=(VECTORS,)),
        of(),
        of(SCORES),
        of(group(())),
    ],
)
def test_without_a_comparison_there_is_no_picture(record: ProbeRecord | None) -> None:
    assert probes(record) is None


def test_scores_are_left_out() -> None:
    assert probes(of(VECTORS, SCORES)) == probes(of(VECTORS))


def test_it_can_be_read_aloud() -> None:
    root = parsed(VECTORS, group((0.9,), name="page.vectors"))
    assert root.get("role") == "img"
    named = [
        e.get("id") for e in (root.find(f"{SVG}title"), root.find(f"{SVG}desc")) if e is not None
    ]
    assert root.get("aria-labelledby") == " ".join(str(name) for name in named)
    assert root.findtext(f"{SVG}desc", "") == (
        "text.pooled: 3 inputs, smallest cosine 0.999998, of the base alone 0.60. "
        "page.vectors: 1 input, smallest cosine 0.90."
    )
    titles = [g.findtext(f"{SVG}title") for g in root.iterfind(f".//{SVG}g/{SVG}g")]
    assert titles[0] == "text.pooled, input 1: cosine 0.999998; of the base alone 0.60"
    assert titles[-1] == "page.vectors, input 1: cosine 0.90"


def test_a_stranger_s_name_stays_text() -> None:
    root = parsed(group((0.9,), (0.8,), EVIL))
    kinds = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert kinds == {"svg", "title", "desc", "style", "rect", "circle", "text", "line", "g"}
    shown = "<script>alert('1')</script>\"\\x00\\x1b&"
    assert shown in root.findtext(f"{SVG}desc", "")
    assert any(shown in (t.text or "") for t in root.iterfind(f".//{SVG}g/{SVG}text/{SVG}title"))


def _luminance(colour: str) -> float:
    channels = [int(c * (2 if len(c) == 1 else 1), 16) / 255 for c in _channels(colour)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _channels(colour: str) -> list[str]:
    each = len(colour) // 3
    return [colour[i : i + each] for i in range(1, len(colour), each)]


def test_marks_and_words_stand_out_in_light_in_dark_and_on_paper() -> None:
    themes = [
        dict(re.findall(r"--(\w+): (#\w+);", rule))
        for rule in re.findall(r"\.probes \{ (--[^}]*)\}", style("probes.css"))
    ]
    assert len(themes) == 3
    for theme in themes:
        ground = _luminance(theme["ground"])
        for colour, least in (("ink", 7), ("faint", 4.5), ("mark", 4.5)):
            low, high = sorted((_luminance(theme[colour]), ground))
            assert (high + 0.05) / (low + 0.05) >= least
