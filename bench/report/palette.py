# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Colour, shape and dash of every transport and series: the same in each chart and table.

Colours are Okabe and Ito's for the colour-blind, with a contrast of at least 3 on white. On a dark
page the style lightens them, so that a chart needs no second drawing. Shape and dash say it again.
"""

from __future__ import annotations

from typing import Final

from bench.plan.traits import GREY, Look
from bench.tracer.transports import names, ranked, traits

_PURPLE: Final = Look(colour="#C0649A", dark="#E39BC4", shape="diamond", dash=(8, 2, 2, 2))
_GREEN: Final = Look(colour="#009E73", dark="#2CC79B", shape="triangle-up", dash=(2, 2))
_SERIES: Final = {
    "ring over perf": _PURPLE,
    "sharded over perf": _GREEN,
    "idle": _PURPLE,
    "beside bpf() calls": _GREEN,
}
"""Looks of series that are no transport."""


def looks() -> tuple[Look, ...]:
    """Return all looks, once each."""
    found = (*(traits(name).look for name in ranked(names())), *_SERIES.values(), GREY)
    return tuple(dict.fromkeys(found))


def look(name: str) -> Look:
    """Return the look of a transport or series; grey crosses for an unknown one."""
    return _SERIES.get(name) or traits(name).look
