# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Documents on a terminal: nothing is cut off, and no title is printed twice."""

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
