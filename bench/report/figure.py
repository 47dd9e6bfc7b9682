# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A figure: small panels, each a chart of its own, so that a phone shows them one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bench.report.document import Panel
from bench.report.palette import look

if TYPE_CHECKING:
    import altair as alt

WIDTH: Final = 290
HEIGHT: Final = 190
"""Of a panel's plotting area, in CSS pixels: with its axes it fits a phone of 390."""

Row = dict[str, Any]


def chart_of(name: str) -> alt.Chart:
    """Return an empty chart of the panel's data of this name.

    The rows themselves never go through altair, which would copy them several times.
    """
    import altair as alt

    return alt.Chart(alt.NamedData(name))


def specification(panel: Panel) -> dict[str, Any]:
    """Return a panel in Vega-Lite, its data filled in."""
    found: dict[str, Any] = panel.chart.to_dict(validate=False)
    return dict(_filled(found, panel.data))


def _filled(part: Any, data: Mapping[str, Sequence[Row]]) -> Any:
    if isinstance(part, list):
        return [_filled(each, data) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: {"values": data[value["name"]]} if key == "data" else _filled(value, data)
        for key, value in part.items()
    }


def colour(transports: Sequence[str]) -> alt.Color:
    """Encode the field ``transport`` as colour, the same everywhere."""
    import altair as alt

    return alt.Color(
        "transport:N",
        legend=None,
        scale={"domain": list(transports), "range": [look(each).colour for each in transports]},
    )


def shape(transports: Sequence[str]) -> alt.Shape:
    """Encode the field ``transport`` as the shape of points."""
    import altair as alt

    return alt.Shape(
        "transport:N",
        legend=None,
        scale={"domain": list(transports), "range": [look(each).shape for each in transports]},
    )


def dash(transports: Sequence[str]) -> alt.StrokeDash:
    """Encode the field ``transport`` as the dashes of lines."""
    import altair as alt

    return alt.StrokeDash(
        "transport:N",
        legend=None,
        scale={"domain": list(transports), "range": [list(look(each).dash) for each in transports]},
    )


NS_LABELS: Final = (
    "datum.value >= 1e9 ? format(datum.value / 1e9, '~g') + ' s' : "
    "datum.value >= 1e6 ? format(datum.value / 1e6, '~g') + ' ms' : "
    "datum.value >= 1e3 ? format(datum.value / 1e3, '~g') + ' µs' : datum.value + ' ns'"
)
"""Labels of an axis in nanoseconds."""

BYTES_LABELS: Final = (
    "datum.value >= 1048576 ? format(datum.value / 1048576, '~g') + ' MiB' : "
    "datum.value >= 1024 ? format(datum.value / 1024, '~g') + ' KiB' : datum.value + ' B'"
)
"""Labels of an axis in bytes."""


def powers(lowest: float, highest: float, base: int = 10) -> list[float]:
    """Return powers of ``base`` from at or below ``lowest`` to at or above ``highest``."""
    from math import ceil, floor, log

    first = floor(log(lowest, base) + 1e-9)
    last = max(ceil(log(highest, base) - 1e-9), first + 1)
    return [float(base) ** each for each in range(first, last + 1)]
