# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The page itself: everything gathered, filled into the template, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.errors import MachineUnfit
from bench.judge.claims.claim import Side
from bench.judge.claims.finding import Verdict
from bench.report import claims_words, completeness, sentence, soak, units, words
from bench.report.page import claims, headline, memory, repeat
from bench.report.page.charts import figures
from bench.report.page.converter import Converter
from bench.report.page.draw import drawable, element
from bench.report.page.figure import Figure
from bench.report.page.material import Material
from bench.report.page.palette import look, looks

_FOLDER: Final = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A panel with its chart as SVG."""

    title: str
    svg: str
    wide: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """All that the template shows of one machine."""

    at: str  # begins every id, so that two machines have none in common
    material: Material
    figures: tuple[tuple[Figure, tuple[Drawn, ...]], ...]


def require_extra() -> None:
    """MachineUnfit, with the remedy, where what a page or chart is made with is not installed."""
    from importlib.util import find_spec

    missing = [name for name in ("altair", "jinja2", "vl_convert") if find_spec(name) is None]
    if missing:
        raise MachineUnfit(
            f"the page and its charts need {', '.join(missing)}, which this installation lacks",
            remedy="./run report -- FILE --format html installs it",
        )


def render_page(materials: Sequence[Material], converter: Converter) -> str:
    """One HTML document of all machines."""
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
    sections = [_section(at, material, converter) for at, material in enumerate(materials)]
    return environment.get_template("page.html.jinja").render(
        sections=sections,
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),  # noqa: S704  ours
        script=Markup((_FOLDER / "page.js").read_text(encoding="utf-8")),  # noqa: S704  ours
        markup=Markup,
        look=look,
        looks=looks(),
        headline=headline,
        sentence=sentence,
        words=words,
        units=units,
        memory=memory,
        repeat=repeat,
        soak=soak,
        claims=claims,
        claims_words=claims_words,
        completeness=completeness,
        sides=tuple(Side),
        verdicts=tuple(each.value for each in Verdict),
    )


def _visible(value: Any) -> Any:
    """Foreign text with its control characters shown; the template escapes it after this."""
    if type(value) is str:
        return units.clean(value)
    return "" if value is None else value


def _section(at: int, material: Material, converter: Converter) -> Section:
    prefix = f"m{at}"
    asked = [
        (figure, [converter.svg(drawable(panel)) for panel in figure.panels])
        for figure in figures(material)
    ]
    return Section(
        at=prefix,
        material=material,
        figures=tuple((figure, tuple(_drawn(prefix, figure, charts))) for figure, charts in asked),
    )


def _drawn(prefix: str, figure: Figure, charts: Sequence[Future[str]]) -> Iterator[Drawn]:
    for number, (panel, chart) in enumerate(zip(figure.panels, charts, strict=True)):
        name = f"{figure.title}: {panel.title}"
        svg = element(chart.result(), f"{prefix}-{figure.key}-{number}", name)
        yield Drawn(title=panel.title, svg=svg, wide=panel.wide)
