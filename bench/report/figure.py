# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make figures: small panels, one chart each, so that a phone shows them one by one.

Every transport and series has one colour, shape and dash in all charts and tables. Colours are
Okabe and Ito's for the colour-blind, with a contrast of at least 3 on white. On a dark page the
style lightens them, so that a chart is drawn only once. Shape and dash repeat the distinction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil, floor, log
from typing import TYPE_CHECKING, Any, Final

from bench.plan.traits import GREY, Look
from bench.report.document import Panel
from bench.tracer.transports import names, ranked, traits

if TYPE_CHECKING:
    import altair as alt

WIDTH: Final = 290
HEIGHT: Final = 190
"""Of a panel's plotting area, in CSS pixels: with its axes it fits a phone of 390."""
_FEW: Final = 5  # labels with a unit that fit into a panel side by side

ALL_LABELLED: Final = {"labelOverlap": False}
"""An axis whose chosen labels neither collide nor may be left out."""

NS_LABELS: Final = (
    "datum.value >= 1e9 ? format(datum.value / 1e9, '~g') + ' s' : "
    "datum.value >= 1e6 ? format(datum.value / 1e6, '~g') + ' ms' : "
    "datum.value >= 1e3 ? format(datum.value / 1e3, '~g') + ' µs' : datum.value + ' ns'"
)
"""Labels of an axis in nanoseconds."""

COUNT_LABELS: Final = "format(datum.value, datum.value < 1e4 ? ',' : '~s')"
"""Labels of an axis of counts: "1,000", "10k"."""

SHARE_LABELS: Final = "format(100 * datum.value, '~r') + ' %'"
"""Labels of an axis of shares."""

BYTES_LABELS: Final = (
    "datum.value >= 1048576 ? format(datum.value / 1048576, '.4~r') + ' MiB' : "
    "datum.value >= 1024 ? format(datum.value / 1024, '.4~r') + ' KiB' : datum.value + ' B'"
)
"""Labels of an axis in bytes."""

_PURPLE: Final = Look(colour="#C0649A", dark="#E39BC4", shape="diamond", dash=(8, 2, 2, 2))
_GREEN: Final = Look(colour="#009E73", dark="#2CC79B", shape="triangle-up", dash=(2, 2))
_SERIES: Final = {
    "ring over perf": _PURPLE,
    "sharded over perf": _GREEN,
    "idle": _PURPLE,
    "beside bpf() calls": _GREEN,
}
"""Looks of series that are not transports."""

Datum = dict[str, Any]


def looks() -> tuple[Look, ...]:
    """Return all looks, once each."""
    found = (*(traits(name).look for name in ranked(names())), *_SERIES.values(), GREY)
    return tuple(dict.fromkeys(found))


def look(name: str) -> Look:
    """Return the look of a transport or series; grey crosses for an unknown one."""
    return _SERIES.get(name) or traits(name).look


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


def _filled(part: Any, data: Mapping[str, Sequence[Datum]]) -> Any:
    if isinstance(part, list):
        return [_filled(each, data) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: {"values": data[value["name"]]} if key == "data" else _filled(value, data)
        for key, value in part.items()
    }


def _encoded(channel: str, trait: str, transports: Sequence[str]) -> Any:
    """Encode the field ``transport`` by a trait of its look, the same everywhere."""
    import altair as alt

    looks = [getattr(look(each), trait) for each in transports]
    scale = {"domain": list(transports), "range": looks}
    return getattr(alt, channel)("transport:N", legend=None, scale=scale)


colour: Final = partial(_encoded, "Color", "colour")
shape: Final = partial(_encoded, "Shape", "shape")
dash: Final = partial(_encoded, "StrokeDash", "dash")


def linear(field: str, title: str | None, scale: Mapping[str, Any], **axis: Any) -> dict[str, Any]:
    """Return the arguments of a linear axis."""
    return {"shorthand": f"{field}:Q", "title": title, "scale": scale, "axis": axis}


def logarithmic(
    field: str,
    title: str | None,
    ticks: Sequence[float],
    domain: Sequence[float],
    base: int = 10,
    **axis: Any,
) -> dict[str, Any]:
    """Return the arguments of a logarithmic axis that has a label at each of ``ticks``."""
    return {
        "shorthand": f"{field}:Q",
        "title": title,
        "scale": {"type": "log", "base": base, "domain": list(domain)},
        "axis": {**ALL_LABELLED, "values": ticks, **axis},
    }


def powers(lowest: float, highest: float, base: int = 10) -> list[float]:
    """Return powers of ``base`` from at or below ``lowest`` to at or above ``highest``."""
    first = floor(log(lowest, base) + 1e-9)
    last = max(ceil(log(highest, base) - 1e-9), first + 1)
    return [float(base) ** each for each in range(first, last + 1)]


def steps(lowest: float, highest: float) -> list[float]:
    """Return the decades around both; if few, with 2 and 5 times each, cut to the range."""
    decades = powers(lowest, highest)
    if len(decades) > 3:
        return decades
    found = [step * decade for decade in decades for step in (1, 2, 5)]
    first = max(each for each in found if each <= lowest * (1 + 1e-9))
    last = min(each for each in found if each > first and each >= highest * (1 - 1e-9))
    return [each for each in found if first <= each <= last]


def _labels(full: str, thousand: int, ticks: Sequence[float]) -> str:
    """Return the labels of an axis; with many ticks, each unit is below its first."""
    if len(ticks) <= _FEW:
        return full
    begins = [ticks[0], *(thousand**power for power in (1, 2, 3))]
    of_its_unit = f"pow({thousand}, floor(log(datum.value) / log({thousand}) + 1e-9))"
    return (
        f"indexof({begins}, datum.value) >= 0 ? split(({full}), ' ') : "
        f"format(datum.value / {of_its_unit}, '~g')"
    )


ns_labels: Final = partial(_labels, NS_LABELS, 1_000)
bytes_labels: Final = partial(_labels, BYTES_LABELS, 1_024)
