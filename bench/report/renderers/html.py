# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Documents as one HTML page that needs nothing else: style, script and charts are within it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.errors import MachineUnfit
from bench.escape import clean
from bench.report.converter import Converter
from bench.report.document import Document, Figure, Figures, Fold, Heading, Part, untitled
from bench.report.draw import drawable, element
from bench.report.palette import look, looks
from bench.report.renderers.strip import strip

_FOLDER: Final = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A panel with its chart as SVG."""

    title: str
    svg: str
    wide: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFigure:
    """A figure whose panels are drawn, in place of one that is not."""

    figure: Figure
    panels: tuple[Drawn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The parts between two headings that have a key."""

    key: str
    heading: str
    short: str
    parts: tuple[Part | DrawnFigure, ...]

    @property
    def badges(self) -> tuple[tuple[str, int], ...]:
        """The badges of its folds and how many have each: what a reader may filter by."""
        badges = (part.badge for part in self.parts if isinstance(part, Fold) and part.badge)
        return tuple(Counter(badges).items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One document; ``at`` begins every id, so that two documents have none in common."""

    at: str
    document: Document
    sections: tuple[Section, ...]


def require_extra() -> None:
    """Raise MachineUnfit, with the remedy, where what draws pages is not installed."""
    from importlib.util import find_spec

    missing = [name for name in ("altair", "jinja2", "vl_convert") if find_spec(name) is None]
    if missing:
        raise MachineUnfit(
            f"the page and its charts need {', '.join(missing)}, which this installation lacks",
            remedy="./run report -- FILE --format html installs it",
        )


def render_page(documents: Sequence[Document], converter: Converter) -> str:
    """Return one page of all documents."""
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
    environment.filters |= {"untitled": untitled}
    return environment.get_template("page.html.jinja").render(
        chapters=[
            _chapter(at, each, each.short if len(documents) > 1 else "Verdict", converter)
            for at, each in enumerate(documents)
        ],
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),  # noqa: S704  no input
        script=Markup((_FOLDER / "page.js").read_text(encoding="utf-8")),  # noqa: S704  no input
        markup=Markup,
        look=look,
        strip=strip,
        looks=looks(),
    )


def one_page(*documents: Document) -> str:
    """Return a page whose charts are drawn while it is made."""
    require_extra()
    with Converter() as converter:
        return render_page(documents, converter)


def _visible(value: Any) -> Any:
    """Return foreign text with its control characters shown; it is escaped after this."""
    if type(value) is str:
        return clean(value)
    return "" if value is None else value


def _chapter(at: int, document: Document, short: str, converter: Converter) -> Chapter:
    prefix = f"m{at}"
    sections: list[Section] = []
    opened = Heading(text=document.title, key="verdict", short=short)
    parts: list[Part | DrawnFigure] = []
    for part in document.parts:
        if isinstance(part, Heading) and part.key:
            sections.append(_section(opened, parts))
            opened, parts = part, []
        elif isinstance(part, Figures):
            parts += _drawn(f"{prefix}-", part, converter)
        else:
            parts.append(part)
    sections.append(_section(opened, parts))
    filled = (each for each in sections if each.parts or each.key == "verdict")
    return Chapter(at=prefix, document=document, sections=tuple(filled))


def _section(opened: Heading, parts: Sequence[Part | DrawnFigure]) -> Section:
    return Section(
        key=opened.key,
        heading=opened.text,
        short=opened.short or opened.text,
        parts=tuple(parts),
    )


def _drawn(prefix: str, figures: Figures, converter: Converter) -> Iterator[DrawnFigure]:
    asked = [
        (figure, [converter.svg(drawable(panel)) for panel in figure.panels])
        for figure in figures.make()
    ]
    for figure, charts in asked:
        yield DrawnFigure(figure=figure, panels=tuple(_panels(prefix, figure, charts)))


def _panels(prefix: str, figure: Figure, charts: Sequence[Future[str]]) -> Iterator[Drawn]:
    for number, (panel, chart) in enumerate(zip(figure.panels, charts, strict=True)):
        name = f"{figure.title}: {panel.title}"
        svg = element(chart.result(), f"{prefix}{figure.key}-{number}", name)
        yield Drawn(title=panel.title, svg=svg, wide=panel.wide)
