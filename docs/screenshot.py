"""Draw docs/run.svg: what a terminal shows of `adapter-merge ARGUMENTS`, run here and now."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

TARGET = Path(__file__).parent / "run.svg"
COLUMNS = 108
_MARGIN = 3  # columns, so that no line ends at the edge
_CLEAR = "\x1b[2K"
_DARK = TerminalTheme(
    background=(24, 28, 34),
    foreground=(214, 220, 228),
    # black, red, green, yellow, blue, magenta, cyan, white
    normal=[
        *((72, 79, 88), (255, 123, 114), (86, 211, 100), (227, 179, 65)),
        *((121, 192, 255), (210, 168, 255), (86, 212, 221), (214, 220, 228)),
    ],
)
# No window's buttons, and no font from elsewhere: pages that show pictures don't load it.
_SVG = """\
<svg class="rich-terminal" viewBox="0 0 {terminal_width} {terminal_height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>A run of adapter-merge in a terminal</title>
<style>.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: {char_height}px; line-height: {line_height}px; }}
{styles}</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
<rect fill="#181c22" width="{terminal_width}" height="{terminal_height}" rx="8"/>
<g transform="translate(18, 12)" clip-path="url(#{unique_id}-clip-terminal)">{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def shown(arguments: list[str]) -> str:
    """What the program writes to a terminal; of a line that is drawn anew its last state."""
    os.environ.update(COLUMNS=str(COLUMNS), TERM="xterm-256color")
    said = bytearray()

    def read(descriptor: int) -> bytes:
        said.extend(data := os.read(descriptor, 4096))
        return data

    pty.spawn([sys.executable, "-m", "adapter_merge", *arguments], read)
    lines = said.decode().replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition(_CLEAR)[2].rpartition("\r")[2] for line in lines)


def main(arguments: list[str]) -> None:
    """Run the command, and write the picture."""
    console = Console(width=COLUMNS + _MARGIN, record=True, file=Path(os.devnull).open("w"))  # noqa: SIM115 - ends with us
    console.print(Text(f"$ adapter-merge {' '.join(arguments)}", style="bold"))
    console.print(Text.from_ansi(shown(arguments)))
    svg = console.export_svg(theme=_DARK, code_format=_SVG, unique_id="run")
    TARGET.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
