# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Draw charts as SVG or PNG with vl-convert: nothing is fetched, and no browser is needed."""

from __future__ import annotations

import re
from html import escape
from textwrap import wrap
from typing import Any, Final

from bench.errors import clean
from bench.report.document import Figure, Panel
from bench.report.figure import chart_of, colour, shape, specification

_INK: Final = "#3a4048"
_GRID: Final = "#d9dde3"
_FONT: Final = "sans-serif"
"""One family: vl-convert looks up each in a list for every label, in half of its time."""
_LINE: Final = 130  # characters of a subtitle
_TEXT: Final = {"labelColor": _INK, "titleColor": _INK, "labelFontSize": 11, "titleFontSize": 11}
_CONFIG: Final[dict[str, Any]] = {
    "background": None,  # the page's
    "font": _FONT,
    "axis": {
        **_TEXT,
        "gridColor": _GRID,
        "domainColor": _GRID,
        "tickColor": _GRID,
        "titleFontWeight": "normal",
        "titlePadding": 12,
        "labelFlush": False,
        "labelOverlap": "greedy",
        "labelSeparation": 12,  # the page's font may be wider than the one measured here
    },
    "legend": _TEXT,
    "header": _TEXT,
    "title": {"color": _INK, "fontSize": 13, "anchor": "start", "fontWeight": 600},
    "view": {"stroke": None},
}
_APART: Final = {"scale": dict.fromkeys(("x", "y", "yOffset", "color", "shape"), "independent")}
"""Each panel has its own axes."""
_GEOMETRY: Final = re.compile(r' (?:d|transform|x|y|x1|x2|y1|y2|width|height)="[^"]*"')
_MARK: Final = re.compile(r'<path aria-label="([^"]*)" role="graphics-symbol"([^>]*)/>')
_SPOKEN: Final = re.compile(r' (?:aria-[a-z]+|role)="[^"]*"')


def drawable(panel: Panel) -> dict[str, Any]:
    """Return ``panel`` in Vega-Lite, for a page that styles its text and grid."""
    return specification(panel) | {"config": _CONFIG}


def element(svg: str, prefix: str, name: str, title: str) -> str:
    """Return a drawn chart as an element of a page; ``name`` makes its ids unique.

    ``prefix`` begins the ids of its document, and so the targets of its marks' links. Each mark's
    description becomes its title, which browsers show without a script. To a screen reader the
    chart is one picture, called ``title``, since no one can listen to hundreds of points; links
    within it remain reachable.
    """
    text = re.sub(r'(id="|url\(#)(clip|gradient)', rf"\1{prefix}{name}-\2", svg)
    text = text.replace('href="#', f'href="#{prefix}')
    # Less than a hundredth of a pixel is invisible.
    text = _GEOMETRY.sub(lambda found: re.sub(r"(\d+\.\d{2})\d+", r"\1", found[0]), text)
    text = _MARK.sub(r"<path\2><title>\1</title></path>", text)
    text = _SPOKEN.sub("", text).replace(f' font-family="{_FONT}"', "")
    role = "group" if "<a " in text else "img"
    named = f'<svg role="{role}" aria-label="{escape(clean(title), quote=True)}"'
    text = text.replace("<svg", named, 1)
    return re.sub(r'(<svg[^>]*?) width="([\d.]+)" height="[\d.]+"', r'\1 width="\2"', text, count=1)


def _part(panel: Panel, **more: object) -> dict[str, Any]:
    found = specification(panel)
    return {k: v for k, v in found.items() if k not in {"$schema", "config"}} | more


def _legend(transports: tuple[str, ...]) -> Panel:
    import altair as alt

    axis = {"domain": False, "ticks": False, "grid": False, "labelFontSize": 12}
    y = alt.Y("transport:N", sort=None, title=None, axis=axis)
    points = chart_of("transports").mark_point(size=90, filled=True, opacity=1)
    chart = points.encode(y=y, color=colour(transports), shape=shape(transports))
    rows = [{"transport": each} for each in transports]
    return Panel(title="", chart=chart.properties(width=20), data={"transports": rows})


def drawn(figure: Figure, title: str, form: str) -> bytes:
    """Return a figure as a file of ``form``, "svg" or "png", on white and with a legend.

    A PNG has two pixels to one.
    """
    import vl_convert

    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "config": _CONFIG | {"background": "#ffffff"},
        "padding": 12,
        "title": {"text": clean(title), "subtitle": wrap(clean(figure.reading), _LINE)},
        "resolve": _APART,
        "vconcat": [
            _part(_legend(figure.transports)),
            {
                "columns": 2 if any(panel.wide for panel in figure.panels) else 3,
                "resolve": _APART,
                "concat": [_part(panel, title=clean(panel.title)) for panel in figure.panels],
            },
        ],
    }
    if form == "png":
        return bytes(vl_convert.vegalite_to_png(whole, scale=2))
    return str(vl_convert.vegalite_to_svg(whole)).encode()
