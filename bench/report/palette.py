# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Colour, shape and dash of every transport: the same in each chart and table.

Colours are Okabe and Ito's for the colour-blind, with a contrast of at least 3 on white. On a dark
page the style lightens them, so that a chart needs no second drawing. Shape and dash say it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a transport is drawn."""

    colour: str
    dark: str  # the same on a dark page
    shape: str  # of points
    dash: tuple[int, ...]  # of lines; (1, 0) is solid


_LOOKS: Final = {
    "ringbuf": Look(colour="#0072B2", dark="#56B4E9", shape="circle", dash=(1, 0)),
    "perfbuf": Look(colour="#D55E00", dark="#F28A3C", shape="square", dash=(6, 3)),
    "sharded": Look(colour="#009E73", dark="#2CC79B", shape="triangle-up", dash=(2, 2)),
    "ringbuf-output": Look(colour="#C0649A", dark="#E39BC4", shape="diamond", dash=(8, 2, 2, 2)),
}
_LIKE: Final = {
    "ring over perf": "ringbuf-output",
    "sharded over perf": "sharded",
    "in peace": "ringbuf-output",
    "beside bpf() calls": "sharded",
}
"""Series that are no transport, and whose look they take."""
_UNKNOWN: Final = Look(colour="#808080", dark="#A8A8A8", shape="cross", dash=(1, 3))


def looks() -> tuple[Look, ...]:
    """Return every look."""
    return (*_LOOKS.values(), _UNKNOWN)


def look(transport: str) -> Look:
    """Return the look of a transport or series; grey crosses for an unknown one."""
    return _LOOKS.get(_LIKE.get(transport, transport), _UNKNOWN)
