# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The chart of causal violations: how many pairs were delivered parent first, by experiment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bench.questions.transports.figures.panels import layer, panel, side_by_side
from bench.questions.transports.summary import Summary
from bench.questions.transports.words import place
from bench.report.document import Figure
from bench.report.figure import ALL_LABELLED, SHARE_LABELS, WIDTH, linear
from bench.report.units import share
from bench.tracer.transports import ranked

_ROW: Final = 22  # pixels
_LABELS: Final = 150


def violations(summary: Summary) -> Figure | None:
    """Chart the share of causal pairs in the wrong order; None where there was none."""
    every = list(_rows(summary))
    violated = {row["place"] for row in every if row["share"]}
    if not violated:
        return None
    rows = [row for row in every if row["place"] in violated]
    without = len({row["place"] for row in every}) - len(violated)
    ways = ranked({row["transport"] for row in rows})
    places = list(dict.fromkeys(row["place"] for row in rows))
    most = max(row["share"] for row in rows)
    drawn = layer(
        "pairs",
        "point",
        ways,
        linear(
            "share",
            "share of causal pairs delivered parent first",
            {"domain": [0, most], "nice": 4},
            labelExpr=SHARE_LABELS,
            labelFlush=True,  # at the edge of a narrow panel there may be no room beyond the axis
            tickCount=4,
        ),
        {
            "field": "place",
            "type": "nominal",
            "sort": places,
            "title": None,
            # A page's font may be wider than the one that the chart is laid out with.
            "axis": {**ALL_LABELLED, "minExtent": _LABELS},
        },
        style={"filled": True, "size": 45, "opacity": 1},
        yOffset=side_by_side(ways),
    )
    size = {"width": WIDTH - 40, "height": _ROW * len(places)}
    drawing = panel(
        "Causal violations by experiment and budget", {"pairs": rows}, drawn, wide=True, **size
    )
    return Figure(
        key="violations",
        title="Causal violations",
        reading="Lower is better: the share of causal pairs, over all trials, that were delivered "
        "in the wrong order, a parent before a child that it had waited for.",
        transports=ways,
        panels=(drawing,),
        notes=(f"No violation on either side in {without} more.",) if without else (),
    )


def _rows(summary: Summary) -> Iterator[dict[str, Any]]:
    """Yield a row for each side of every comparison that delivered causal pairs."""
    for each in summary.comparisons:
        for side in (each.left, each.right):
            if side.causal_pairs:
                found = side.causal_violations / side.causal_pairs
                yield {
                    "transport": side.transport,
                    "place": place(each),
                    "share": found,
                    "words": f"{side.transport}, {place(each)}: {side.causal_violations:,} of "
                    f"{side.causal_pairs:,} pairs ({share(found)})",
                }
