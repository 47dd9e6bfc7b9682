# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The page over kernels: one self-contained HTML file in the frame of the other page."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.judge.claims.finding import Verdict
from bench.judge.kernels.matrix import Matrix
from bench.report import claims_words, completeness, units
from bench.report.kernels import charts, facts, sentences, tables
from bench.report.page.converter import Converter
from bench.report.page.draw import drawable, element
from bench.report.page.figure import Figure
from bench.report.page.memory import EXPLAINED
from bench.report.page.palette import look, looks
from bench.report.page.render import require_extra

_FOLDER: Final = Path(__file__).resolve().parent
_FRAME: Final = _FOLDER.parent / "page"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A panel with its chart as SVG."""

    title: str
    svg: str


def render_page(matrix: Matrix) -> str:
    """One HTML document; MachineUnfit without the extra ``report``."""
    require_extra()
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
    with Converter() as converter:
        figures = charts.figures(matrix)
        asked = [
            (figure, [converter.svg(drawable(panel)) for panel in figure.panels])
            for figure in figures
        ]
        drawn = tuple((figure, _drawn(figure, futures)) for figure, futures in asked)
    style = "\n".join(_text(path) for path in (_FRAME / "page.css", _FOLDER / "kernels.css"))
    return environment.get_template("page.html.jinja").render(
        matrix=matrix,
        repeats=completeness.repeats,
        figures=drawn,
        style=Markup(style),  # noqa: S704  ours
        script=Markup(_text(_FRAME / "page.js")),  # noqa: S704  ours
        markup=Markup,
        look=look,
        looks=looks(),
        look_of=charts.look_of,
        sentences=sentences,
        tables=tables,
        facts=facts,
        units=units,
        claims_words=claims_words,
        explained=EXPLAINED,
        verdicts=tuple(each.value for each in Verdict),
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _visible(value: Any) -> Any:
    """Foreign text with its control characters shown; the template escapes it after this."""
    if type(value) is str:
        return units.clean(value)
    return "" if value is None else value


def _drawn(figure: Figure, futures: Sequence[Future[str]]) -> tuple[Drawn, ...]:
    return tuple(
        Drawn(
            title=panel.title,
            svg=element(
                future.result(), f"k-{figure.key}-{number}", f"{figure.title}: {panel.title}"
            ),
        )
        for number, (panel, future) in enumerate(zip(figure.panels, futures, strict=True))
    )
