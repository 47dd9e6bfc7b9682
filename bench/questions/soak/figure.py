# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Figure: what the harness held between the rounds of a soak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bench.measure.health import COUNTS, Sample
from bench.questions.soak.document import NAMES
from bench.questions.transports.material import Material
from bench.report.document import Figure, Panel
from bench.report.figure import HEIGHT, WIDTH, Row, chart_of

_INK: Final = "#6b7280"
_MIB: Final = 1 << 20


def figure(material: Material) -> Figure | None:
    """Memory, and each count, over time; None where there was no soak."""
    samples = [sample for run in material.runs for sample in run.health]
    if not samples:
        return None
    panels = [_panel("MiB", "rss_bytes", samples, _MIB)]
    panels += [_panel(NAMES[what], what, samples) for what in COUNTS]
    return Figure(
        key="health",
        title="What the harness held during the soak",
        reading="Flat is right: each point is between two rounds, when programs, maps and storms "
        "are gone. The first rounds warm caches; whatever climbs after them leaks.",
        transports=(),
        panels=tuple(panels),
    )


def _panel(axis: str, what: str, samples: Sequence[Sample], unit: int = 1) -> Panel:
    import altair as alt

    rows: list[Row] = [
        {
            "minutes": each.elapsed_s / 60,
            "held": getattr(each, what) / unit,
            "told": f"after {each.trials:,} trials",
        }
        for each in samples
    ]
    chart = (
        chart_of("samples")
        .mark_point(size=20, filled=True, opacity=0.7, color=_INK)
        .encode(
            x=alt.X("minutes:Q", title="minutes", axis={"grid": False}),
            y=alt.Y("held:Q", title=axis, scale={"zero": True, "nice": True}),
            description=alt.Description("told:N"),
        )
        .properties(width=WIDTH, height=HEIGHT)
    )
    return Panel(title=NAMES[what], chart=chart, data={"samples": rows})
