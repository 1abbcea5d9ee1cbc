"""Draw docs/bot.png: the pages of a bot at work. Argument: an address of them, such as http://127.0.0.1:8000/.

It waits for a merge that is on its way. `make test-browser` installs what drives the browser, which is chromium.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

TARGET = Path(__file__).parent / "bot.png"
WIDTH, HEIGHT = 1000, 770
_ON_ITS_WAY = (
    "[...document.querySelectorAll('progress')].some(p => p.value > 0.2 && p.value < 0.95)"
)


def main(address: str) -> None:
    """Take the picture, by day."""
    arguments = ["--no-sandbox"]  # root may draw, too; the pages are ours
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(address)
        page.wait_for_function(_ON_ITS_WAY, timeout=300_000)
        page.screenshot(path=TARGET)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
