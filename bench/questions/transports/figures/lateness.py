# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Figure: how late events came that were delivered out of order."""

from __future__ import annotations

from bench.questions.transports.figures.strips import Strip, drawn
from bench.questions.transports.material import Material
from bench.report.document import Figure
from bench.report.figure import NS_LABELS
from bench.report.units import time
from bench.trial.result import TrialResult


def _p99(trial: TrialResult) -> float | None:
    return None if trial.ordering is None else float(trial.ordering.lateness_p99_ns)


def _worst(trial: TrialResult) -> float | None:
    return None if trial.ordering is None else float(trial.ordering.lateness_max_ns)


def _inversions(trial: TrialResult) -> float | None:
    return None if trial.ordering is None else float(trial.ordering.inversions)


_STRIPS = (
    Strip(
        title="Events out of order",
        axis="events in a trial",
        take=_inversions,
        words=lambda value: f"{value:,.0f} events out of order",
        labels="format(datum.value, ',')",
    ),
    Strip(
        title="Lateness, p99 of those",
        axis="behind the latest seen",
        take=_p99,
        words=time,
        labels=NS_LABELS,
    ),
    Strip(
        title="Lateness, the worst",
        axis="behind the latest seen",
        take=_worst,
        words=time,
        labels=NS_LABELS,
    ),
)


def figure(material: Material) -> Figure | None:
    """Draw how many were late, how late, and the worst of each trial."""
    ways, panels = drawn(_STRIPS, material)
    if not panels:
        return None
    return Figure(
        key="lateness",
        title="Lateness of out-of-order events",
        reading="Further left is better: each point is one trial, the bar the median. An event is "
        "late by how far its kernel timestamp lies behind the latest one delivered before it; a "
        "row without points had none. Microseconds are concurrency, milliseconds are buffers "
        "drained in turn.",
        transports=ways,
        panels=panels,
    )
