# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the page, as text and in a real browser: complete, self-contained, safe, and working."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import made_up
import numpy as np
import pytest
from browser import WIDTHS, chromium, opened, unfold, violations
from made_up_claims import arm, whole
from made_up_trials import blocks, header, trial
from playwright.sync_api import Browser

from bench.cli.report import with_charts, write_charts
from bench.journal.schema import JournalContent, Run
from bench.measure.timeline import trace
from bench.questions.page import documents
from bench.questions.transports.figures import figures
from bench.questions.transports.summary import Summary, compare_journals
from bench.report.converter import Converter
from bench.report.document import Document, Fold, Note
from bench.report.figure import look
from bench.report.renderers.html import render, render_page
from bench.trial.result import State, TrialResult

EVIL = "<script>evil=1</script>\x1b[31m\u202e\"'&"
IMAGE = "<img src=x onerror=evil=1>"
FIGURES = ["violations", "loss", "latency", "lateness", "timeline", "cost", "wakeups"]


def with_timeline(transport: str) -> TrialResult:
    made = made_up.trial(2_000, transport=transport, loss=0.01)
    origin_ns = int(made.records["timestamp_ns"].min())
    occupancy = np.array([[origin_ns + 1_000, 10], [origin_ns + 9_000_000, 4_000]], np.uint64)
    return replace(
        trial(f"{transport}@64KiB", 0, experiment="chain", pairs=1_344, run_ns=500),
        timeline=trace(made.records, occupancy, origin_ns=origin_ns),
    )


def trials() -> list[TrialResult]:
    found = []
    for transport, lost in (("ringbuf", 30), ("perfbuf", 90)):
        found += blocks(f"{transport}@8KiB", [{"dropped": lost, "window_ns": 900}] * 8)
        found += blocks(f"{transport}@64KiB", [{"dropped": 0}] * 8)
        found += blocks(f"{transport}@8KiB", [{"dropped": lost}] * 8, experiment=IMAGE)
        found.append(with_timeline(transport))
        found += blocks(f"{transport}@64KiB", [{"violations": 3}] * 8, experiment="chain")[1:]
    for variant in ("reserve", "output"):  # a claim reproduced, and one left open
        found += arm("migration", f"ringbuf@1MiB/{variant}", whole, (1,) * 8)
    for transport in ("ringbuf", "perfbuf"):
        found += arm("mixed-lengths", f"{transport}@8MiB", whole, (1,) * 5)
    found.append(trial("ringbuf@8KiB", 9, state=State.INVALID, reasons=(EVIL,)))
    return found


@pytest.fixture(scope="module")
def content() -> JournalContent:
    return JournalContent(runs=(Run(header=header(EVIL), trials=tuple(trials())),), faults=())


@pytest.fixture(scope="module")
def found(content: JournalContent) -> tuple[Summary, ...]:
    return compare_journals(content)


@pytest.fixture(scope="module")
def page(content: JournalContent) -> str:
    with Converter() as converter:
        return render_page(documents(content, {}), converter)


def test_every_figure_is_there_and_says_how_to_read_it(found: tuple[Summary, ...]) -> None:
    made = list(figures(found[0]))
    assert [figure.key for figure in made] == FIGURES
    assert all(figure.reading.endswith(".") and figure.panels for figure in made)


def test_a_transport_has_one_colour_everywhere(page: str) -> None:
    for transport in ("ringbuf", "perfbuf"):
        assert page.count(look(transport).colour) > 20
    colours = {each.upper() for each in re.findall(r"(?:fill|stroke)=\"(#[0-9a-fA-F]{6})\"", page)}
    drawn = {look(each).colour.upper() for each in ("ringbuf", "perfbuf")}
    assert {each for each in colours if len(set(re.findall("..", each[1:]))) > 1} >= drawn


def test_nothing_is_fetched(page: str) -> None:
    """Leave it to the reader to ask for what a claim's sources lead to."""
    unasked = re.sub(r"<a href=\"https://[^\"]+\" rel=\"noreferrer\">", "", page)
    links = re.findall(r"(?<![\w-])(?:src|href|action)=\"([^\"]*)\"", unasked)
    assert len(links) > 5
    assert all(link.startswith(("#", "data:")) for link in links)
    assert not re.search(r"url\((?!#)|@import|<link[^>]+stylesheet", page)
    assert len(page) < 5_000_000


def test_marks_tell_what_they_are_without_a_script(page: str) -> None:
    assert page.count("</title></path>") > 100
    assert "lost on average" in page


def test_foreign_text_stays_text(page: str) -> None:
    assert page.count("<script>") == 1
    assert "<img" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert html.escape("<script>evil=1</script>", quote=False) in page
    assert "\\x1b[31m\\u202e" in page


def test_invalid_trials_are_named(page: str) -> None:
    assert "storm ringbuf@8KiB block 9" in page


def test_tables_have_captions_and_scopes(page: str) -> None:
    tables = re.findall(r"<table.*?</table>", page, re.DOTALL)
    assert len(tables) >= 6
    assert all("<caption" in table and 'scope="row"' in table for table in tables)


def test_ids_are_unique_and_links_lead_somewhere(page: str) -> None:
    ids = re.findall(r"\bid=\"([^\"]+)\"", page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"href=\"#([^\"]+)\"", page)) <= set(ids)


@pytest.mark.slow
@pytest.mark.parametrize("journals", [True, False])
@pytest.mark.parametrize("folded", [True, False])
def test_the_last_lines_hold_of_this_page(*, folded: bool, journals: bool) -> None:
    fold = Fold(key="more", summary="More", parts=(Note(text="more"),))
    parts = (fold,) if folded else (Note(text="all"),)
    of = Document(title="Answer", subject="", parts=parts, data=None, journals=journals)
    text = render(of)
    assert ("not on paper: what is folded here." in text) == folded
    assert ("Made by bufbench from journals alone" in text) == journals


def test_charts_are_files_too(found: tuple[Summary, ...], tmp_path: Path) -> None:
    drawn = write_charts(found, tmp_path / "charts", "svg")
    assert [path.stem for path in drawn] == FIGURES
    assert all(b"<svg" in path.read_bytes()[:200] for path in drawn)
    text = with_charts("## Verdict\n", drawn, tmp_path / "summary.md")
    assert "](charts/loss.svg)" in text
    assert write_charts(found, tmp_path, "png")[0].read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def path(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("page") / "page.html"
    found.write_text(page, encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_works_in_a_browser(
    browser: Browser, path: Path, width: int, *, dark: bool
) -> None:
    with opened(browser, path, width=width, dark=dark, trusted=True) as page:
        assert page.evaluate("typeof evil") == "undefined"
        assert page.evaluate("document.documentElement.scrollWidth") == width
        charts = page.evaluate(
            "[...document.querySelectorAll('.chart svg')].map((each) => each.clientWidth)"
        )
        assert len(charts) >= 10
        assert all(200 < each < width for each in charts)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(20, 23, 28)" if dark else "rgb(255, 255, 255)")

        assert violations(page) == []
        unfold(page)
        assert violations(page) == []
        unfold(page, open_=False)

        claims = page.locator("details.fold[data-badge]")
        assert claims.count() == claims.filter(visible=True).count() == 2
        name = claims.first.get_attribute("id") or ""
        page.locator("form.filter input[type=search]").fill(re.sub(r"^m\d+-", "", name))
        assert claims.filter(visible=True).count() == 1
        claims.first.locator("summary").click()
        assert claims.first.locator("dl").is_visible()

        mark = page.locator(".chart path[data-words*='lost on average']").first
        mark.hover(force=True)
        assert "lost on average" in page.locator("#tip").inner_text()
