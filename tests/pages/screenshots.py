"""`make screenshots`: a picture of every page in every state, in four languages and two sizes; ARGS="screen sv" picks."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from kiosk.values import Language
from tests.rigs.browser import chromium

PAGES = ("screen", "desk", "login", "virtual")
FOLDER = Path("screenshots")


def main() -> None:
    """Write the pictures of all pages in all languages, or of those that are named, into the folder `screenshots`."""
    wanted = sys.argv[1:]
    pages = [page for page in PAGES if page in wanted] or PAGES
    languages = [language for language in Language if language.value in wanted] or list(Language)
    FOLDER.mkdir(exist_ok=True)
    with chromium() as browser:
        for name in pages:
            # Each page's states stand beside its stories.
            stories = import_module(f"tests.pages.test_{name}")
            for language in languages:
                for width, height in stories.SIZES:
                    with stories.states(browser, language, (width, height)) as states:
                        for state, page in states:
                            path = FOLDER / f"{name}-{state}-{language}-{width}x{height}.png"
                            page.screenshot(path=path, full_page=True, animations="disabled")
                            print(path)


if __name__ == "__main__":
    main()
