# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Use the pages of the reference journals as people do: links, copies, keys, phone, paper."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from html import escape
from io import BytesIO
from pathlib import Path

import made_up_tune
import pytest
import quotes
from browser import WIDTHS, chromium, opened, unfold, violations
from playwright.sync_api import Browser, Page
from pypdf import PdfReader
from reference import FOLDER, content

import bench.questions.fleet.document as fleet
import bench.questions.kernels.document as kernels
from bench.journal.reader import read_journals
from bench.questions.fleet.judge import judge, of_journals
from bench.questions.kernels.folders import read_matrix
from bench.questions.kernels.matrix import compare
from bench.questions.page import documents
from bench.questions.tune.axis import Axis
from bench.report.document import Document, Level, Table, tables
from bench.report.renderers import html, markdown

pytestmark = pytest.mark.slow

GUESTS = [FOLDER / f"kernels/{release}/journal.jsonl" for release in ("5.10", "7.3")]
"""Two machines, each with many notes to the left of its comparisons."""
MOST_SHEETS = 6
A4_WIDTH = 595  # points
STORM = "m0-comparison-storm-ringbuf-8kib-perfbuf-8kib"
COPIED = {
    "m0-verdict": "## ",
    "m0-chart-loss": "### Loss against budget\n",
    STORM: "### storm at 8 KiB\n",
    "m0-table-overview": "#### Every comparison at a glance\n",
}


@dataclass(frozen=True)
class Made:
    """Hold a page of a reference, and what it was made of."""

    documents: tuple[Document, ...]
    path: Path


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Made]:
    folder = tmp_path_factory.mktemp("pages")
    found = {
        "standard": documents(content("standard/journal.jsonl.gz"), {}),
        "claims": documents(content("claims/journal.jsonl.gz"), {}),
        "kernels": (kernels.document(compare(read_matrix([FOLDER / "kernels"]))),),
        "several": documents(read_journals(GUESTS), {}),
        "fleet": (fleet.document(judge(of_journals(read_journals(GUESTS)))),),
        "size": (quotes.sized(),),
        "tune": (made_up_tune.answer(made_up_tune.Made(made_up_tune.falls), Axis.BALANCE),),
    }
    made = {}
    for name, of in found.items():
        path = folder / f"{name}.html"
        path.write_text(html.render(*of), encoding="utf-8")
        made[name] = Made(documents=of, path=path)
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module", params=["standard", "claims", "kernels"])
def made(request: pytest.FixtureRequest, pages: Mapping[str, Made]) -> Made:
    return pages[request.param]


@pytest.fixture(scope="module")
def open_page(browser: Browser, made: Made) -> Iterator[Page]:
    """Yield a page that several tests look at; none leaves anything in it but folds."""
    with opened(browser, made.path) as page:
        page.evaluate("window.unfolded = [...document.querySelectorAll('details[open]')]")
        yield page


@pytest.fixture
def page(open_page: Page) -> Page:
    """Return that page as it was when it was opened."""
    open_page.set_viewport_size({"width": 1440, "height": 900})
    open_page.evaluate(
        "document.querySelectorAll('details')"
        ".forEach((each) => { each.open = unfolded.includes(each); })"
    )
    return open_page


LINKS = """async () => {
  const broken = [];
  for (const link of document.querySelectorAll("a[href^='#']")) {
    const part = document.getElementById(link.hash.slice(1));
    for (const each of document.querySelectorAll("details")) each.open = false;
    const arrived = new Promise((done) => addEventListener("hashchange", done, { once: true }));
    location.hash = "";
    location.hash = link.hash;
    await arrived;
    await new Promise((done) => setTimeout(done));
    const shown = part && part.checkVisibility() && (part.nodeName !== "DETAILS" || part.open);
    const top = part ? part.getBoundingClientRect().top : NaN;
    if (!shown || !(top < innerHeight)) broken.push(`${link.hash} ${shown} ${top}`);
  }
  return broken;
}"""


def test_every_link_leads_to_what_it_names(browser: Browser, made: Made) -> None:
    with opened(browser, made.path) as page:
        assert page.locator("a[href^='#']").count() >= 3
        assert page.locator("a:not([href^='#'], [href^='https:'])").count() == 0
        assert page.evaluate(LINKS) == []


def test_every_part_has_an_address_and_buttons_to_copy_it(page: Page) -> None:
    parts = "details.fold, figure, table:has(caption), section"
    bare = page.evaluate(
        "(parts) => [...document.querySelectorAll(parts)].filter((part) => !part.id || "
        "document.querySelectorAll(`button[data-of='${part.id}']`).length !== 2)"
        ".map((part) => part.outerHTML.slice(0, 200))",
        parts,
    )
    assert page.locator(parts).count() > 5
    assert bare == []


LABELS = """() => {
  const wrong = [];
  for (const axis of document.querySelectorAll(".role-axis-label")) {
    const panel = axis.closest(".panel").getBoundingClientRect();
    const texts = [...axis.querySelectorAll("text")];
    texts.forEach((text, at) => {
      const box = text.getBoundingClientRect();
      const next = texts[at + 1]?.getBoundingClientRect();
      const within = box.left >= panel.left && box.right <= panel.right;
      const beside = !next || box.right < next.left || next.right < box.left;
      const below = !next || box.bottom < next.top + 3 || next.bottom < box.top + 3;
      if (!within || !(beside || below)) {
        const where = axis.closest("figure").id;
        wrong.push(`${where}: ${text.textContent}, ${texts[at + 1]?.textContent}`);
      }
    });
  }
  return wrong;
}"""


@pytest.mark.parametrize("width", WIDTHS)
def test_labels_of_axes_neither_collide_nor_leave_their_panel(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    assert page.locator(".role-axis-label").count() > 10
    assert page.evaluate(LABELS) == []


def copied(page: Page, part: str, what: str) -> str:
    """Return what a button of this part puts on the clipboard, once the page has said so."""
    page.evaluate("navigator.clipboard.writeText('')")
    page.locator(f"button[data-of='{part}']", has_text=f"Copy {what}").click()
    page.locator("#said", has_text=f"{what} copied").wait_for()
    return str(page.evaluate("navigator.clipboard.readText()"))


@pytest.mark.parametrize("refused", [False, True])
def test_parts_are_copied(browser: Browser, pages: Mapping[str, Made], *, refused: bool) -> None:
    with opened(browser, pages["standard"].path) as page:
        if refused:  # then by the older way
            page.evaluate(
                "navigator.clipboard.write = navigator.clipboard.writeText;"
                "navigator.clipboard.writeText = (text) => text ? Promise.reject(Error('no'))"
                " : navigator.clipboard.write(text)"
            )
        unfold(page)
        for part, begin in COPIED.items():
            assert copied(page, part, "Markdown").startswith(begin)
        address = copied(page, STORM, "link")
        assert address == f"{pages['standard'].path.as_uri()}#{STORM}"
        assert page.evaluate("document.activeElement.textContent") == "Copy link"


def test_a_message_is_shown_as_long_however_soon_it_follows_another(
    browser: Browser, pages: Mapping[str, Made]
) -> None:
    with opened(browser, pages["size"].path) as page:
        page.clock.install(time=0)
        page.clock.pause_at(1)  # else it also goes with the machine's
        first = page.locator("button[data-of]", has_text="Copy link").first
        part = str(first.get_attribute("data-of"))
        for what in ("link", "Markdown"):
            copied(page, part, what)
            page.clock.run_for(3_000)
        assert page.locator("#said").text_content() == "Markdown copied"
        page.clock.run_for(1_500)
        assert page.locator("#said").text_content() == ""


def as_markdown(table: Table) -> str:
    """Return a table by the Markdown renderer, without hints; its columns as on the page."""
    shown = replace(html.verdict_first(table), hint="", title="", level=Level.DECISION)
    rows = tuple(replace(row, reason="") if row.cells else row for row in shown.rows)
    only = Document(title="", subject="", parts=(replace(shown, rows=rows),), data=None)
    return markdown.render(only).partition("\n\n")[2].strip()


def test_copied_tables_are_the_markdown_reports(page: Page, made: Made) -> None:
    for at, document in enumerate(made.documents):
        for table in tables(document.parts):
            found = page.evaluate(
                "(id) => markdown(document.getElementById(id))", f"m{at}-table-{table.key}"
            )
            assert found.partition("| ")[1:] != ("", "")
            assert found[found.index("| ") :].strip() == as_markdown(table)


def test_a_page_says_what_it_is_about(pages: Mapping[str, Made]) -> None:
    titles = set()
    for made in pages.values():
        text = made.path.read_text(encoding="utf-8")
        answer = escape(made.documents[0].title[:40])
        head = text.partition("</head>")[0]
        (title,) = re.findall(r"<title>(.*?)</title>", head)
        (description,) = re.findall(r'<meta name="description" content="(.*?)">', head)
        assert title.startswith(answer)
        assert description.startswith(answer)
        assert f'<meta property="og:title" content="{title}">' in head
        assert f'<meta property="og:description" content="{description}">' in head
        assert len(title) <= 200
        assert len(description) <= 400
        titles.add(title)
    assert len(titles) == len(pages)


@pytest.mark.parametrize("width", [*WIDTHS, 1280])
def test_nothing_that_decides_is_off_the_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    reach = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, td.v, .badge, .words li')]"
        ".map((each) => each.getBoundingClientRect().right)"
    )
    assert len(reach) > 5
    assert max(reach) <= width


def test_a_row_of_words_is_a_paragraph_where_the_screen_is_narrow(
    browser: Browser, pages: Mapping[str, Made]
) -> None:
    cells = "[...document.querySelectorAll('.verdict .cards td[data-of]')]"
    with opened(browser, pages["kernels"].path, width=390) as page:
        ends = page.evaluate(f"{cells}.map((each) => each.getBoundingClientRect().right)")
        named = page.evaluate(f"{cells}.map((each) => getComputedStyle(each, '::before').content)")
        headings = page.locator(".cards thead th").first.is_visible()
    assert max(ends) <= 390
    assert {'"drops: "', '"order: "', '"memory: "'} <= {*named}
    assert not headings


BOXES = "document.querySelector('.sides').children[{}].getBoundingClientRect()"


@pytest.mark.parametrize("name", ["standard", "several", "fleet"])
@pytest.mark.parametrize(("width", "beside"), [(390, False), (1280, True), (1920, True)])
def test_the_decision_and_every_comparison_are_side_by_side_where_there_is_room(
    browser: Browser, pages: Mapping[str, Made], name: str, width: int, *, beside: bool
) -> None:
    with opened(browser, pages[name].path, width=width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        left, right = (page.evaluate(BOXES.format(at)) for at in (0, 1))
        plot = page.locator(".forest").first.bounding_box()
        tools = page.locator(".forest + .tools").first.bounding_box()
        after = page.locator(".sides ~ .scroll").first.bounding_box()
    assert plot is not None
    assert tools is not None
    assert after is not None
    assert (left["right"] < right["left"]) == beside
    assert (left["top"] == right["top"]) == beside
    assert 0 <= tools["y"] - (plot["y"] + plot["height"]) < 10  # the buttons are below their plot
    assert after["y"] >= max(left["bottom"], right["bottom"])


def test_numbers_keep_their_units(page: Page) -> None:
    unfold(page)
    parts = page.locator("main :is(h1, h2, h3, h4, p, li, th, td, dd, summary, figcaption)")
    text = "\n".join(parts.all_text_contents())
    assert "\u00a0" in text
    assert re.findall(r"\d (?:%|[KM]iB|points)(?!\w)", text) == []
    assert "\u00a0" not in page.evaluate("markdown(document.querySelector('section'))")
    assert "\u00a0" not in "".join(page.locator("pre").all_text_contents())


def test_a_page_can_be_used_with_keys_alone(browser: Browser, pages: Mapping[str, Made]) -> None:
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    with opened(browser, pages["claims"].path) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#m0-verdict"
        seen = []
        for _ in range(40):
            page.keyboard.press("Tab")
            assert page.evaluate(outline) != "none"
            seen.append(page.evaluate("document.activeElement.localName"))
            if seen[-1] == "summary":
                break
        assert {"button", "input", "summary"} <= set(seen)
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('details').open")
        page.keyboard.press("Enter")
        page.locator("#said", has_text="link copied").wait_for()
        assert page.evaluate("document.getAnimations().length") == 0


@pytest.mark.parametrize(("name", "dark"), [("standard", True), ("claims", False)])
def test_a_page_is_printed_on_a_few_sheets(
    browser: Browser, pages: Mapping[str, Made], name: str, *, dark: bool
) -> None:
    with opened(browser, pages[name].path, dark=dark) as page:
        unfold(page)
        sheets = PdfReader(BytesIO(page.pdf(prefer_css_page_size=True))).pages
        page.emulate_media(media="print")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        ink = page.evaluate("getComputedStyle(document.querySelector('h1')).color")
        evidence = page.locator(f"#{STORM}").is_visible()
    text = "\n".join(sheet.extract_text() for sheet in sheets)
    assert len(sheets) <= MOST_SHEETS
    assert all(abs(sheet.mediabox.width - A4_WIDTH) < 2 for sheet in sheets)
    assert (ground, ink) == ("rgb(255, 255, 255)", "rgb(0, 0, 0)")
    assert "not on paper" in text
    assert "Loss against budget" in text
    assert not evidence


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1440, False)])
@pytest.mark.parametrize("name", ["size", "tune"])
def test_the_page_of_a_recommendation_fits_and_can_be_used_by_everybody(
    browser: Browser, pages: Mapping[str, Made], name: str, width: int, *, dark: bool
) -> None:
    with opened(browser, pages[name].path, width=width, dark=dark, trusted=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(LINKS) == []
        assert violations(page) == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_quality_of_the_run_is_a_badge_on_the_first_screen(
    browser: Browser, pages: Mapping[str, Made], width: int, *, dark: bool
) -> None:
    with opened(browser, pages["standard"].path, width=width, dark=dark) as page:
        badge = page.locator(".quality")
        box = badge.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 900
        assert re.search("A/A noise .* of the trials were noisy", badge.inner_text())
        border, ground = (
            page.evaluate(f"getComputedStyle(document.querySelector('{of}')).{what}")
            for of, what in ((".quality", "borderLeftColor"), ("body", "backgroundColor"))
        )
        assert border != ground


FEWER = """
for (const each of document.querySelectorAll(".chart svg > *")) each.remove();
for (const section of document.querySelectorAll("section")) {
  for (const fold of [...section.querySelectorAll("details.fold")].slice(3)) fold.remove();
}
"""
"""Leaves out the like of what is there already, which axe takes a minute for."""


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1440, False)])
def test_everybody_can_use_a_page(browser: Browser, made: Made, width: int, *, dark: bool) -> None:
    with opened(browser, made.path, width=width, dark=dark, trusted=True) as page:
        page.evaluate(FEWER)
        unfold(page)
        assert violations(page) == []
