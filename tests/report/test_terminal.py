# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test documents on a terminal: nothing is cut off, and no title is printed twice."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.report.document import Cell, Column, Document, Fold, Row, Table
from bench.report.renderers.html import render as one_page
from bench.report.renderers.markdown import render as render_markdown
from bench.report.renderers.text import show


def document(fold: str = "a fold") -> Document:
    table = Table(
        key="t",
        title="of some numbers",
        corner="number",
        columns=(
            *(Column(heading=f"heading {at}") for at in range(5)),
            Column(heading="better", numeric=False),
        ),
        rows=(
            Row(
                heading=Cell(text="consumer CPU per million"),
                cells=(*(Cell(text="-41.98 pt .. -11.52 pt") for _ in range(5)), Cell(text="ring")),
            ),
        ),
    )
    return Document(
        title="a title", subject="", parts=(Fold(key="f", summary=fold, parts=(table,)),), data=None
    )


def text_of(made: Document, width: int) -> str:
    file = io.StringIO()
    show(made, Console(file=file, width=width))
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 100])
def test_a_table_is_wrapped_not_cut(width: int) -> None:
    text = text_of(document(), width)
    assert max(map(len, text.splitlines())) <= width
    flat = "".join(text.split())
    assert flat.count("-41.98") == flat.count("-11.52") == 5
    assert "better" in text
    assert "ring" in text


def test_a_title_that_repeats_its_fold_is_left_out() -> None:
    for fold, times in (("a fold", 1), ("of some numbers", 1)):
        made = document(fold)
        for form in (text_of(made, 100), render_markdown(made)):
            assert form.count("of some numbers") == times
        page = one_page(made)
        assert page.count("<caption>") == (fold == "a fold")


def test_no_line_of_a_wrapped_name_looks_like_a_row() -> None:
    names = ("dropped", "PERF_RECORD_LOST, by kernel", "latency of all records pooled, p99")
    table = Table(
        key="t",
        title="",
        corner="number",
        columns=tuple(Column(heading=f"heading number {at}") for at in range(4)),
        rows=tuple(
            Row(
                heading=Cell(text=name),
                cells=tuple(Cell(text="-7.94 ms .. -1.11 ms") for _ in range(4)),
                under=name == names[1],
            )
            for name in names
        ),
    )
    lines = text_of(Document(title="", subject="", parts=(table,), data=None), 70).splitlines()
    body = lines[1 + next(at for at, line in enumerate(lines) if line.startswith("─")) :]
    begin = [line for line in body if line[:1].strip() or (line[:2] == "  " and line[2:3].strip())]
    assert [line.split()[0] for line in begin] == ["dropped", "PERF_RECORD_LOST,", "latency"]
    flat = " ".join(" ".join(line[:20] for line in body).split())
    assert all(word in flat for name in names for word in name.split())
    assert "-7.94 ms" in "".join(body)  # a number and its unit stay together


def test_a_number_and_its_unit_stay_on_one_line() -> None:
    whole = "writes faster, in 2 of 2 comparisons by 7.3 to 27 % at 64 KiB, in 12 ms"
    for width in range(12, len(whole)):
        made = Document(title=whole, subject="", parts=(), data=None)
        lines = text_of(made, width).splitlines()
        assert " ".join(lines) == whole
        assert not any(line.startswith(("%", "KiB", "ms")) for line in lines)
