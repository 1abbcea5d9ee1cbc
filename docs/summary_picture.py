"""Draw docs/summary.png: a step summary as GitHub shows it. Arguments: the Markdown of a real run, and mermaid.min.js.

The second comes from npm (`npm install mermaid`); the picture is taken by chromium.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from markdown_it import MarkdownIt

TARGET = Path(__file__).parent / "summary.png"
WIDTH, HEIGHT = 1000, 980
_FENCE = re.compile(r'<pre><code class="language-mermaid">(.*?)</code></pre>', re.DOTALL)
_PAGE = """\
<!doctype html><meta charset="utf-8"><style>
body {{ font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1f2328; margin: 24px; max-width: 950px; }}
h2 {{ border-bottom: 1px solid #d1d9e0; padding-bottom: 6px; }}
code {{ background: #eff1f3; border-radius: 6px; padding: 2px 5px; font: 85% ui-monospace, "DejaVu Sans Mono", monospace; }}
table {{ border-collapse: collapse; margin: 12px 0; }}
td, th {{ border: 1px solid #d1d9e0; padding: 5px 12px; text-align: left; }}
tr:nth-child(even) td {{ background: #f6f8fa; }}
a {{ color: #0969da; text-decoration: none; }}
</style><body>{body}<script src="{mermaid}"></script><script>mermaid.initialize({{ startOnLoad: true, securityLevel: "strict" }});</script>
"""


def main(summary: Path, mermaid: Path) -> None:
    """Render the Markdown, and take its picture."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    body = markdown.render(summary.read_text(encoding="utf-8"))
    body = _FENCE.sub(lambda m: f'<pre class="mermaid">{m[1]}</pre>', body)
    chromium = shutil.which("chromium") or "chromium"
    with TemporaryDirectory() as place:
        page = Path(place, "summary.html")
        uri = html.escape(mermaid.resolve().as_uri())
        page.write_text(_PAGE.format(body=body, mermaid=uri), encoding="utf-8")
        words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        words += [f"--window-size={WIDTH},{HEIGHT}", "--virtual-time-budget=8000"]
        words += [f"--user-data-dir={place}/profile", "--allow-file-access-from-files"]
        shot = [chromium, *words, f"--screenshot={TARGET}", page.as_uri()]
        subprocess.run(shot, check=True, capture_output=True, timeout=120)  # noqa: S603


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
