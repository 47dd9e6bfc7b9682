# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Render documents as one self-contained HTML page, with its style, script and charts."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import isfinite, log
from pathlib import Path
from textwrap import shorten
from typing import Any, Final

from bench.errors import MachineUnfit, clean
from bench.report import document as doc
from bench.report.converter import Converter
from bench.report.draw import drawable, element
from bench.report.figure import look, looks
from bench.report.forest import axis, drawing
from bench.report.units import glued

_FOLDER: Final = Path(__file__).resolve().parent
_ANSWER: Final = 120
_MACHINE: Final = 50
_DESCRIPTION: Final = 300
"""Characters of a page's title and description: longer ones are cut where they are shown."""
_STRIP_WIDTH: Final = 360
_STRIP_EDGE: Final = 12
_STRIP_MIDDLE: Final = 14


def require_extra() -> None:
    """Raise MachineUnfit, with the remedy, if the libraries that draw pages are missing."""
    from importlib.util import find_spec

    missing = [name for name in ("altair", "jinja2", "vl_convert") if find_spec(name) is None]
    if missing:
        raise MachineUnfit(
            f"the page and its charts need {', '.join(missing)}, which this installation lacks",
            remedy="./run report -- FILE --format html installs it",
        )


def render_page(documents: Sequence[doc.Document], converter: Converter) -> str:
    """Return one page of all documents; ids begin with ``at``, which differs by document."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.tests |= {"kind": lambda part, name: type(part).__name__ == name}
    environment.filters |= {
        "untitled": doc.untitled,
        "verdict_first": verdict_first,
        "plain": lambda text: Markup.escape(clean(text)),  # also for programs other than browsers
    }
    several = len(documents) > 1
    return environment.get_template("page.html.jinja").render(
        title=_title(documents[0]),
        description=_description(documents),
        chapters=[
            {
                "at": f"m{at}",
                "document": each,
                "sections": [*_sections(f"m{at}-", each, several, converter)],
            }
            for at, each in enumerate(documents)
        ],
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),  # noqa: S704  no input
        script=Markup((_FOLDER / "page.js").read_text(encoding="utf-8")),  # noqa: S704  no input
        markup=Markup,
        look=look,
        strip=strip,
        axis=axis,
        drawing=drawing,
        looks=looks(),
    )


def render(*documents: doc.Document, data: Any = None) -> str:  # noqa: ARG001
    """Return a page whose charts are drawn while it is made."""
    require_extra()
    with Converter() as converter:
        return render_page(documents, converter)


def _title(document: doc.Document) -> str:
    """Return the answer and its subject, short enough for a tab and a list of links."""
    answer = shorten(document.title, _ANSWER, placeholder=" …")
    subject = shorten(document.subject, _MACHINE, placeholder=" …")
    return " | ".join(filter(None, (answer, subject, "bufbench")))


def _description(documents: Sequence[doc.Document]) -> str:
    """Return the answers of all documents, each subject once."""
    answers: dict[str, str] = {}
    for each in documents:
        answers[each.subject] = f"{answers.get(each.subject, '')} {each.title}"
    words = " ".join(f"{answer} ({subject})" for subject, answer in answers.items())
    return shorten(words, _DESCRIPTION, placeholder=" …")


def verdict_first(table: doc.Table) -> doc.Table:
    """Return ``table`` with its verdict columns first, where a phone shows them."""
    order = sorted(range(len(table.columns)), key=lambda at: not table.columns[at].verdict)
    return replace(
        table,
        columns=tuple(table.columns[at] for at in order),
        rows=tuple(
            replace(row, cells=tuple(row.cells[at] for at in order)) if row.cells else row
            for row in table.rows
        ),
    )


def _visible(value: Any) -> Any:
    """Return text as it is shown, before escaping: lines are not broken before a unit."""
    if type(value) is str:
        return glued(clean(value), "\u00a0")
    return "" if value is None else value


def _sections(
    prefix: str, document: doc.Document, several: bool, converter: Converter
) -> Iterator[dict[str, Any]]:
    """Yield each section, from one heading with a key to the next, and the badges to filter it by.

    Decisions and figures are printed on paper too.
    """
    short = document.short if several else "Verdict"
    heading, parts = (
        doc.Heading(text=document.title, key="verdict", short=short),
        list[doc.Part | doc.Figure](),
    )
    for part in (*document.parts, None):
        if part is None or (isinstance(part, doc.Heading) and part.key):
            if parts or heading.key == "verdict":
                badges = Counter(
                    each.badge for each in parts if isinstance(each, doc.Fold) and each.badge
                )
                paper = heading.level is doc.Level.DECISION or any(
                    isinstance(each, doc.Figure) for each in parts
                )
                yield {
                    "heading": heading,
                    "parts": parts,
                    "forest": _beside(parts),
                    "badges": badges,
                    "paper": paper,
                }
            heading, parts = part or heading, []
        elif isinstance(part, doc.Figures):
            parts += _drawn(prefix, part.make(), converter)
        else:
            parts.append(part)


def _beside(parts: Sequence[doc.Part | doc.Figure]) -> int | None:
    """Return which part is a forest plot that fits beside those before it, as no table does."""
    kinds = [type(each) for each in parts]
    at = kinds.index(doc.Forest) if doc.Forest in kinds else None
    return None if doc.Table in kinds[:at] else at


def _drawn(
    prefix: str, figures: Iterable[doc.Figure], converter: Converter
) -> Iterator[doc.Figure]:
    requested = [
        (figure, [converter.svg(drawable(panel)) for panel in figure.panels]) for figure in figures
    ]
    for figure, charts in requested:
        panels = []
        for number, (panel, chart) in enumerate(zip(figure.panels, charts, strict=True)):
            name = f"{figure.title}: {panel.title}"
            svg = element(chart.result(), prefix, f"{figure.key}-{number}", name)
            panels.append(replace(panel, svg=svg))
        yield replace(figure, panels=tuple(panels))


def strip(drawn: doc.Strip) -> str:
    """Return a strip as SVG; "" if a number is not finite. A page has dozens."""
    shown = [drawn.low, drawn.high, drawn.bound, *drawn.blocks]
    if not all(map(isfinite, shown)):
        return ""
    scaled = log if drawn.ratio and min(shown) > 0 else float
    first, last = scaled(min(shown)), scaled(max(shown))

    def at(value: float) -> float:
        share = (scaled(value) - first) / ((last - first) or 1.0)
        return round(_STRIP_EDGE + (_STRIP_WIDTH - 2 * _STRIP_EDGE) * share, 1)

    low, high, bound, *places = map(at, shown)
    circles = "".join(f'<circle cx="{place}" cy="{_STRIP_MIDDLE}" r="3.5"/>' for place in places)
    return (
        f'<svg class="dots" viewBox="0 0 {_STRIP_WIDTH} 28" width="{_STRIP_WIDTH}" role="img" '
        f'aria-label="{html.escape(clean(drawn.words), quote=True)}">'
        f'<line class="axis" x1="{_STRIP_EDGE}" x2="{_STRIP_WIDTH - _STRIP_EDGE}" '
        f'y1="{_STRIP_MIDDLE}" y2="{_STRIP_MIDDLE}"/>'
        f'<rect class="interval" x="{low}" y="{_STRIP_MIDDLE - 6}" '
        f'width="{max(high - low, 1):.1f}" height="12"/>'
        f'<line class="bound" x1="{bound}" x2="{bound}" y1="2" y2="26"/>{circles}</svg>'
    )
