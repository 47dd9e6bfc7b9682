# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""List the figures of a page, in order; a new one is a function listed here.

altair and vl-convert (the extra ``report``) are imported when a chart is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from bench.questions.transports.figures import curves, strips, timeline
from bench.questions.transports.summary import Summary
from bench.report.document import Figure

Maker = Callable[[Summary], Figure | None]

OPENING: Final[tuple[Maker, ...]] = (strips.violations,)
"""Beside the decision."""

CHARTS: Final[tuple[Maker, ...]] = (
    curves.loss,
    curves.latency,
    strips.lateness,
    timeline.timeline,
    strips.cost,
    curves.wakeups,
)


def figures(summary: Summary, makers: Iterable[Maker] = (*OPENING, *CHARTS)) -> Iterator[Figure]:
    """Yield the figures for which there are trials."""
    from altair.utils.schemapi import debug_mode

    # Otherwise each part of a chart is validated as it is made, which takes longer than drawing it.
    with debug_mode(False):
        for make in makers:
            figure = make(summary)
            if figure is not None and figure.panels:
                yield figure
