# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Figure: one chosen trial of each transport, record by record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.measure.timeline import Points, Timeline
from bench.plan.experiments import ArmName
from bench.questions.transports.material import Material
from bench.report.document import Figure, Panel
from bench.report.figure import WIDTH, Row, chart_of, colour
from bench.report.units import budget, clean, size, time
from bench.trial.result import TrialResult

_MOST_DRAWN: Final = 700
_SHAPES: Final = ["circle", "triangle-up", "square", "diamond", "cross", "triangle-down"]
_HEIGHT: Final = 230


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The trials of one block and experiment, both transports."""

    experiment: str
    budget: str
    trials: tuple[TrialResult, ...]


def figure(material: Material) -> Figure | None:
    """Draw the trial in which most was re-ordered; None without any timeline."""
    chosen = _choose(material)
    if chosen is None:
        return None
    ways = tuple(clean(ArmName.parse(trial.arm).transport) for trial in chosen.trials)
    timelines = [trial.timeline for trial in chosen.trials if trial.timeline is not None]
    panels: list[Panel] = []
    for way, timeline in zip(ways, timelines, strict=True):
        panels.append(_close(way, timeline, ways))
    for way, timeline in zip(ways, timelines, strict=True):
        panels.append(_overview(way, timeline, ways, timelines))
    for way, timeline in zip(ways, timelines, strict=True):
        if timeline.used_at_ns:
            panels.append(_occupancy(way, timeline, ways, timelines))
    block = chosen.trials[0].block
    return Figure(
        key="timeline",
        title=f"One trial: {clean(chosen.experiment)} at {budget(chosen.budget)}, block {block}",
        reading="The line follows the order of delivery, each point is an event, its shape the "
        "CPU: where all is in order the line only rises to the right; each step back to the left "
        "is an event delivered after a later one. Below: the whole trial, drops as grey marks, "
        "and how full the buffers were.",
        transports=ways,
        panels=tuple(panels),
        notes=tuple(_notes(ways, timelines)),
    )


def _notes(ways: Sequence[str], timelines: Sequence[Timeline]) -> list[str]:
    text = []
    for way, timeline in zip(ways, timelines, strict=True):
        shown = min(len(timeline.sampled), _MOST_DRAWN)
        dropped = sum(gap.dropped for gap in timeline.gaps)
        words = f"{way}: {shown:,} of {timeline.records:,} events are drawn"
        if dropped:
            words += f"; {dropped:,} dropped in {len(timeline.gaps):,} gaps"
        if timeline.gaps_left_out:
            words += f", and {timeline.gaps_left_out:,} smaller gaps"
        text.append(f"{words}.")
    return text


def _choose(material: Material) -> _Chosen | None:
    best: _Chosen | None = None
    most = -1.0
    for each in material.summary.comparisons:
        samples = material.experiments[each.experiment]
        found = [
            trial
            for arm in (each.left.arm, each.right.arm)
            for trial in samples.arms[arm].trials
            if trial.timeline is not None and len(trial.timeline.sampled)
        ]
        if len(found) < 2:
            continue
        pair = (found[0], found[-1])
        if pair[0].arm == pair[1].arm:
            continue
        late = max(t.ordering.lateness_max_ns if t.ordering is not None else 0 for t in pair)
        if late > most:
            most = late
            best = _Chosen(experiment=each.experiment, budget=each.budget, trials=pair)
    return best


def _cpu_shape(cpus: Sequence[int]) -> object:
    import altair as alt

    return alt.Shape(
        "cpu:N",
        legend=None,
        scale={
            "domain": list(cpus),
            "range": [_SHAPES[at % len(_SHAPES)] for at in range(len(cpus))],
        },
    )


def _cpus(points: Points) -> list[int]:
    return sorted(set(points.cpu))


def _close(way: str, timeline: Timeline, ways: tuple[str, ...]) -> Panel:
    import altair as alt

    points = timeline.close
    begin_ns = min(points.kernel_ns)
    unit_ns, unit = (1e3, "µs") if max(points.kernel_ns) - begin_ns < 2e6 else (1e6, "ms")
    rows: list[Row] = []
    latest_ns = 0
    for at, (kernel_ns, delivered_ns, cpu) in enumerate(
        zip(points.kernel_ns, points.delivered_ns, points.cpu, strict=True)
    ):
        behind_ns = max(latest_ns - kernel_ns, 0) if at else 0
        latest_ns = max(latest_ns, kernel_ns)
        text = f"{way}, CPU {cpu}: delivered {time(delivered_ns - kernel_ns)} after its exit"
        if behind_ns:
            text += f", {time(behind_ns)} behind a later one"
        rows.append(
            {
                "transport": way,
                "at": at,
                "kernel": (kernel_ns - begin_ns) / unit_ns,
                "cpu": cpu,
                "late": behind_ns > 0,
                "words": text,
            }
        )
    x = alt.X("kernel:Q", title=f"kernel time of the exit, {unit}", scale={"nice": False})
    y = alt.Y("at:Q", title="place in the order of delivery", axis={"tickCount": 5})
    line = (
        chart_of("events")
        .mark_line(strokeWidth=1, opacity=0.5, aria=False)
        .encode(x=x, y=y, order=alt.Order("at:Q"), color=colour(ways))
    )
    marks = (
        chart_of("events")
        .mark_point(size=26, strokeWidth=1.2, opacity=1)
        .encode(
            x=x,
            y=y,
            color=colour(ways),
            shape=_cpu_shape(_cpus(points)),
            fillOpacity=alt.condition("datum.late", alt.value(0.9), alt.value(0)),
            fill=colour(ways),
            description=alt.Description("words:N"),
        )
    )
    late = sum(row["late"] for row in rows)
    title = f"{way}: {len(rows)} events in a row, {late} out of order (filled)"
    chart = alt.layer(line, marks).properties(width=1.5 * WIDTH, height=1.25 * _HEIGHT)
    return Panel(title=title, chart=chart, data={"events": rows}, wide=True)


def _domain_ms(timelines: Sequence[Timeline]) -> list[float]:
    ends = [max(each.sampled.delivered_ns, default=1) for each in timelines]
    return [0, max(ends) / 1e6]


def _thinned(count: int) -> range:
    return range(0, count, max(1, -(-count // _MOST_DRAWN)))


def _overview(
    way: str, timeline: Timeline, ways: tuple[str, ...], timelines: Sequence[Timeline]
) -> Panel:
    import altair as alt

    points = timeline.sampled
    rows: list[Row] = [
        {
            "transport": way,
            "kernel": points.kernel_ns[at] / 1e6,
            "delivered": points.delivered_ns[at] / 1e6,
            "cpu": points.cpu[at],
            "words": f"{way}, CPU {points.cpu[at]}: exit at {time(points.kernel_ns[at])}, "
            f"delivered {time(points.delivered_ns[at] - points.kernel_ns[at])} later",
        }
        for at in _thinned(len(points))
    ]
    gaps: list[Row] = [
        {
            "transport": way,
            "begin": gap.begin_ns / 1e6,
            "end": gap.end_ns / 1e6,
            "words": f"{way}, CPU {gap.cpu}: {gap.dropped:,} events dropped within "
            f"{time(gap.end_ns - gap.begin_ns)}",
        }
        for gap in timeline.gaps
    ]
    domain = {"domain": _domain_ms(timelines), "nice": False}
    x = alt.X("kernel:Q", title="kernel time of the exit, ms after the storm began", scale=domain)
    marks = (
        chart_of("events")
        .mark_point(size=12, strokeWidth=1, opacity=0.7)
        .encode(
            x=x,
            y=alt.Y("delivered:Q", title="delivered, ms", scale=domain),
            color=colour(ways),
            shape=_cpu_shape(_cpus(points)),
            description=alt.Description("words:N"),
        )
    )
    layers = [marks]
    if gaps:
        layers.insert(
            0,
            chart_of("gaps")
            .mark_rect(color="#808080", stroke="#808080", strokeWidth=1, opacity=0.35)
            .encode(
                x=alt.X("begin:Q", scale=domain),
                x2=alt.X2("end:Q"),
                description=alt.Description("words:N"),
            ),
        )
    chart = alt.layer(*layers).properties(width=1.5 * WIDTH, height=_HEIGHT)
    title = f"{way}: delivery against kernel time" + (", grey: dropped" if gaps else "")
    return Panel(title=title, chart=chart, data={"events": rows, "gaps": gaps}, wide=True)


def _occupancy(
    way: str, timeline: Timeline, ways: tuple[str, ...], timelines: Sequence[Timeline]
) -> Panel:
    import altair as alt

    rows: list[Row] = [
        {
            "transport": way,
            "at": at_ns / 1e6,
            "used": used / 1024,
            "words": f"{way}: {size(used)} waiting at {time(at_ns)}",
        }
        for at_ns, used in zip(timeline.used_at_ns, timeline.used_bytes, strict=True)
        if at_ns >= 0
    ]
    x = alt.X(
        "at:Q",
        title="ms after the storm began",
        scale={"domain": _domain_ms(timelines), "nice": False, "clamp": True},
    )
    y = alt.Y("used:Q", title="not yet read, KiB", axis={"tickCount": 4})
    chart = (
        chart_of("used")
        .mark_area(opacity=0.4, line=True, interpolate="step-after", aria=False)
        .encode(x=x, y=y, color=colour(ways))
        .properties(width=1.5 * WIDTH, height=_HEIGHT / 2.4)
    )
    return Panel(title=f"{way}: occupancy", chart=chart, data={"used": rows}, wide=True)
