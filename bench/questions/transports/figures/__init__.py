# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Every figure of a page, in its order: another one is a function, named here.

altair and vl-convert (the extra ``report``) are loaded when a chart is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from bench.questions.transports.figures import curves, strips, timeline, violations
from bench.questions.transports.summary import Summary
from bench.report.document import Figure

_FIGURES: Final[tuple[Callable[[Summary], Figure | None], ...]] = (
    violations.violations,
    curves.loss,
    curves.latency,
    strips.lateness,
    timeline.timeline,
    strips.cost,
    curves.wakeups,
)


def figures(summary: Summary) -> Iterator[Figure]:
    """Yield the figures that the trials give something for."""
    from altair.utils.schemapi import debug_mode

    # Otherwise each part of a chart is validated as it is made, which takes longer than drawing it.
    with debug_mode(False):
        for make in _FIGURES:
            figure = make(summary)
            if figure is not None and figure.panels:
                yield figure
