# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Charts as SVG or PNG by vl-convert: nothing is fetched, and no browser is needed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from bench.report.page.figure import colour, data, shape
from bench.report.units import clean

if TYPE_CHECKING:
    import altair as alt

    from bench.report.page.figure import Figure

_INK: Final = "#3a4048"
_GRID: Final = "#d9dde3"
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_COLUMNS: Final = 3
_LINE: Final = 130  # characters of a subtitle


def _config(*, ground: str | None) -> dict[str, Any]:
    text = {"labelColor": _INK, "titleColor": _INK, "labelFontSize": 11, "titleFontSize": 11}
    return {
        "background": ground,
        "font": _FONT,
        "axis": {
            **text,
            "gridColor": _GRID,
            "domainColor": _GRID,
            "tickColor": _GRID,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "labelFlush": False,
        },
        "legend": text,
        "header": text,
        "title": {"color": _INK, "fontSize": 13, "anchor": "start", "fontWeight": 600},
        "view": {"stroke": None},
    }


def svg(chart: alt.TopLevelMixin, prefix: str) -> str:
    """``chart`` as an SVG element for a page whose style colours its text and grid.

    ``prefix`` keeps its ids apart from those of other charts of the same page.
    """
    import vl_convert

    specification = chart.to_dict(validate=False)
    specification["config"] = _config(ground=None)
    text = vl_convert.vegalite_to_svg(specification)
    text = re.sub(r'(id="|url\(#)(clip|gradient)', rf"\1{prefix}-\2", text)
    text = re.sub(r"(\d+\.\d{2})\d+", r"\1", text)  # a hundredth of a pixel is not to be seen
    text = re.sub(rf' font-family="{re.escape(_FONT)}"', "", text)
    return re.sub(r'(<svg[^>]*?) width="([\d.]+)" height="[\d.]+"', r'\1 width="\2"', text, count=1)


_APART: Final = {"scale": dict.fromkeys(("x", "y", "yOffset", "color", "shape"), "independent")}
"""Each panel has axes of its own."""


def _part(chart: alt.TopLevelMixin, **more: object) -> dict[str, Any]:
    specification: dict[str, Any] = chart.to_dict(validate=False)
    return {k: v for k, v in specification.items() if k not in {"$schema", "config"}} | more


def _legend(transports: Sequence[str]) -> alt.Chart:
    import altair as alt

    axis = alt.Axis(domain=False, ticks=False, grid=False, labelFontSize=12)
    legend: alt.Chart = (
        alt.Chart(data([{"transport": each} for each in transports]))
        .mark_point(size=90, filled=True, opacity=1)
        .encode(
            y=alt.Y("transport:N", sort=None, title=None, axis=axis),
            color=colour(transports),
            shape=shape(transports),
        )
        .properties(width=20)
    )
    return legend


def whole(figure: Figure, title: str) -> dict[str, Any]:
    """All panels of a figure as one specification on white, with a legend."""
    wide = any(panel.wide for panel in figure.panels)
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "config": _config(ground="#ffffff"),
        "padding": 12,
        "title": {"text": clean(title), "subtitle": wrap(clean(figure.reading), _LINE)},
        "resolve": _APART,
        "vconcat": [
            _part(_legend(figure.transports)),
            {
                "columns": 2 if wide else _COLUMNS,
                "resolve": _APART,
                "concat": [_part(panel.chart, title=clean(panel.title)) for panel in figure.panels],
            },
        ],
    }


def whole_svg(figure: Figure, title: str) -> str:
    """The figure as an SVG file."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(whole(figure, title)))


def whole_png(figure: Figure, title: str) -> bytes:
    """The figure as a PNG file, two pixels to one."""
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(whole(figure, title), scale=2))
