"""Inputs that exercise an adapter: texts of many lengths and scripts, and pages drawn on the spot."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING

from adapter_merge.encoders.inputs import Inputs, OwnInputs

if TYPE_CHECKING:
    from PIL.Image import Image

# Parts of a name that say: only a picture reaches this module.
SEES = (
    "vision",
    "visual",
    "image",
    "projector",
    "connector",
    "patch_embed",
    "perceiver",
    "siglip",
)

QUERIES = (
    "Where is the harbour?",
    "revenue by quarter, 2019 to 2023",
    "Какая температура была в июле?",
)
TEXTS = (
    "Yes.",
    "The harbour lies in the north of the town, behind the old customs house.",
    "def area(radius: float) -> float:\n    return 3.14159 * radius ** 2\n",
    "Der Vertrag läuft am 31. März aus; eine Kündigung ist bis Ende Januar möglich.",  # codespell:ignore ende,ist,januar
    "昨日、北の港で古い灯台の修理が始まりました。",
    "كان البحر هادئا في الصباح، ثم هبت ريح قوية.",
    "मौसम विभाग ने अगले दो दिनों में भारी वर्षा की चेतावनी दी है।",
    "Total 1,482.50 EUR | VAT 19 % | net 1,245.80 | order no. 2023-00417 | paid",
    " ".join(
        f"In year {year} the yard built {year % 7 + 2} ships, and {year % 5} of them still sail."
        for year in range(1901, 1913)
    ),
)
# A page upright, and one that lies: their patches make grids of two shapes.
_SIZES = ((420, 594), (640, 360))


def inputs(own: OwnInputs | None, *, sees: bool) -> Inputs:
    """One's own, and ours of each kind that they lack; without pages for a model that doesn't see."""
    images = own.images if own is not None and sees else ()
    return Inputs(
        texts=(own.texts if own is not None else ()) or TEXTS,
        queries=(own.queries if own is not None else ()) or QUERIES,
        pages=images,
        draw=sees and not images,
        relevant=own.relevant if own is not None else {},
    )


def towers(modules: Iterable[str]) -> frozenset[str]:
    """Which of `text` and `vision` the named modules lie in."""
    return frozenset("vision" if any(w in m.lower() for w in SEES) else "text" for m in modules)


def pages(given: Inputs) -> list[Image]:
    """The pictures: one's own, or drawn: a headline, lines of a text, a table and bars."""
    from PIL import Image

    if given.pages:
        return [Image.open(p).convert("RGB") for p in given.pages]
    return [_page(size, seed) for seed, size in enumerate(_SIZES)] if given.draw else []


def _page(size: tuple[int, int], seed: int) -> Image:
    from PIL import Image, ImageDraw

    width, height = size
    some = random.Random(seed)  # noqa: S311 - the same pictures each time
    image = Image.new("RGB", size, (250, 249, 245))
    pen = ImageDraw.Draw(image)
    pen.text((width // 12, height // 20), f"Harbour report {2020 + seed}", fill=(20, 30, 90))
    for line in range(6):
        top = height // 8 + line * height // 16
        pen.text((width // 12, top), QUERIES[line % 2] + " " + TEXTS[1], fill=(40, 40, 40))
    for bar in range(8):
        left, tall = width // 12 + bar * width // 10, some.randint(height // 12, height // 3)
        colour = tuple(some.randrange(30, 220) for _ in range(3))
        pen.rectangle(
            (left, height * 19 // 20 - tall, left + width // 14, height * 19 // 20), fill=colour
        )
    pen.line((width // 12, height * 19 // 20, width * 11 // 12, height * 19 // 20), fill=0, width=2)
    return image
