# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Colour, shape and dash of every transport: the same in each chart and table.

Colours are Okabe and Ito's for the colour-blind, chosen to have a contrast of at least 3 on white
and on the dark page alike, so that a chart needs no second drawing. Shape and dash say it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a transport is drawn."""

    colour: str
    shape: str  # of points
    dash: tuple[int, ...]  # of lines; (1, 0) is solid


_LOOKS: Final = {
    "ringbuf": Look(colour="#0072B2", shape="circle", dash=(1, 0)),
    "perfbuf": Look(colour="#D55E00", shape="square", dash=(6, 3)),
    "sharded": Look(colour="#009E73", shape="triangle-up", dash=(2, 2)),
    "ringbuf-output": Look(colour="#C0649A", shape="diamond", dash=(8, 2, 2, 2)),
}
_UNKNOWN: Final = Look(colour="#808080", shape="cross", dash=(1, 3))


def look(transport: str) -> Look:
    """The look of ``transport``; grey crosses for one that is not known here."""
    return _LOOKS.get(transport, _UNKNOWN)
