# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Open pages from files in the system's Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

WIDTHS: Final = (390, 1440)
_AXE: Final = Path(axe_playwright_python.__file__).parent / "axe.min.js"


@contextmanager
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser, path: Path, *, width: int = 1440, dark: bool = False, trusted: bool = False
) -> Iterator[Page]:
    """Open a page; it must not complain. Its policy holds, unless the test's scripts are trusted.

    That the clipboard can be read is for the test; pages only write.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        permissions=["clipboard-read", "clipboard-write"],
        reduced_motion="reduce",
        bypass_csp=trusted,
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert complaints == []


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with a trusted page as it stands."""
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=_AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


def unfold(page: Page, *, open_: bool = True) -> None:
    """Open every fold, or close it."""
    page.evaluate(
        "(open) => { for (const each of document.querySelectorAll('details')) each.open = open; }",
        open_,
    )
