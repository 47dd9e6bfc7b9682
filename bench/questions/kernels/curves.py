# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Curves: one number of every kernel, in the order of versions, with its 95 % interval.

Counts and sizes are absolute. Times are only ever ratios, ring over perf or with a tracer over
without, paired within the blocks of one guest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bench.judge.comparison import Comparison
from bench.judge.metrics import METRICS, Group, Unit
from bench.judge.samples import ArmSamples
from bench.judge.statistics import Estimate, Scale, counted_share, paired_ratio
from bench.plan.experiments import ArmName
from bench.questions.claims.evidence import NotMeasured
from bench.questions.claims.families.memory import least_lossless
from bench.questions.kernels.rows import Result
from bench.questions.transports.profiles import PERFBUF, TRANSPORTS
from bench.tracer.transports import traits

_LEAST_WORTH: Final = 0.02  # of the best: below it a curve is all but empty
_MOST: Final = 4  # experiments that a number is shown of
_CALM_SHARE: Final = 0.999  # delivered; below it too much was lost for a latency to mean anything
_LADDERS: Final = ("ladder", "memory-spread", "memory-onecpu")
_SHARED: Final = ("trickle-duet", "storm-duet")  # latency is taken from these if run, else ...
_PACED: Final = ("trickle",)  # ... far below capacity
_CHAINED: Final = (
    "chain",
    "pingpong",
)  # parents that reap: order is taken from these if run
_METRICS: Final = {metric.key: metric for metric in METRICS}

Places = Mapping[tuple[str, str], dict[str, list[Comparison]]]
"""Comparisons by experiment and budget, then by the label of the kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One kernel's number."""

    kernel: str
    series: str  # a transport, or which one over which
    value: float
    low: float
    high: float
    blocks: int
    note: str = ""  # counts behind the value


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One number over all kernels."""

    key: str
    what: str
    experiment: str
    budget: str  # label, "64KiB"; "" where the budget is the number
    unit: Unit
    times_within_one_guest: bool = False
    points: tuple[Point, ...]

    @property
    def group(self) -> Group:
        """Under which heading the number stands."""
        metric = _METRICS.get(self.key.partition(":")[0])
        return Group.MEMORY if metric is None else metric.group

    @property
    def series(self) -> tuple[str, ...]:
        """Return each series once, the ring first; a kernel may lack one that the next has."""
        found = dict.fromkeys(point.series for point in self.points)
        return tuple(sorted(found, key=lambda series: traits(series).rank))

    def at(self, kernel: str, series: str) -> Point | None:
        """Return the point of one kernel."""
        return next((p for p in self.points if (p.kernel, p.series) == (kernel, series)), None)


def curves(results: Mapping[str, Result]) -> tuple[Curve, ...]:
    """Return all that at least one kernel has: drops, order, memory, latency, cost."""
    places = _places(results)
    # Of a ladder the least lossless budget says more; pairs elsewhere come by chance, and are few.
    storms = {place: found for place, found in places.items() if place[0] not in _LADDERS}
    chains = _made_for(_CHAINED, places)
    found = (
        *_shares(results, storms, "own_dropped_share", "events lost"),
        *_shares(results, chains, "causal_violation_share", "causal violations"),
        *(_lossless(results, ladder) for ladder in _LADDERS),
        *_ratios(places, "latency_p50_ns", "latency p50"),
        *_ratios(places, "latency_p99_ns", "latency p99"),
        *_ratios(places, "write_ns", "time of a write"),
        *_ratios(places, "kernel_ns_per_run", "kernel time per exit"),
        *_ratios(places, "kernel_net_ns_per_run", "kernel time net of wake-ups"),
        *_slow_downs(results, places),
    )
    return tuple(curve for curve in found if curve.points)


def _places(results: Mapping[str, Result]) -> Places:
    """File all comparisons that were made without bpf() callers."""
    found: dict[tuple[str, str], dict[str, list[Comparison]]] = {}
    for kernel, result in results.items():
        for each in result.summary.comparisons:
            arms = result.evidence.experiments[each.experiment].arms.values()
            if not any(trial.config.map_callers for arm in arms for trial in arm.trials):
                place = found.setdefault((each.experiment, each.budget), {})
                place.setdefault(kernel, []).append(each)
    return found


def _made_for(experiments: tuple[str, ...], places: Places) -> Places:
    """Return those of ``experiments`` if there are any, else all."""
    return {place: found for place, found in places.items() if place[0] in experiments} or places


def _with(key: str, places: Places) -> Places:
    """Return those of ``places`` where a comparison has that number."""
    return {
        place: by_kernel
        for place, by_kernel in places.items()
        if any(each.row(key) is not None for found in by_kernel.values() for each in found)
    }


def _by_experiment(
    places: Places, worth: Callable[[Comparison], float]
) -> Iterator[tuple[str, str, dict[str, list[Comparison]]]]:
    """Yield the experiments that are worth most, each at its best budget."""
    best: dict[str, tuple[float, tuple[str, str]]] = {}
    for place, by_kernel in places.items():
        total = sum(worth(each) for found in by_kernel.values() for each in found)
        if place[0] not in best or total > best[place[0]][0]:
            best[place[0]] = (total, place)
    least = _LEAST_WORTH * max((total for total, _ in best.values()), default=0.0)
    worthy = sorted((each for each in best.values() if each[0] > least), reverse=True)
    for _, place in worthy[:_MOST]:
        yield *place, places[place]


def _point(kernel: str, series: str, found: Estimate, note: str = "") -> Point:
    return Point(
        kernel=kernel,
        series=series,
        value=found.point,
        low=found.low,
        high=found.high,
        blocks=found.blocks,
        note=note,
    )


def _shares(results: Mapping[str, Result], places: Places, key: str, what: str) -> Iterator[Curve]:
    """Yield both sides' share, at the budget where it is nearest to half."""

    def worth(comparison: Comparison) -> float:
        row = comparison.row(key)
        sides = [] if row is None else [row.left, row.right]
        return sum(share * (1 - share) for share in sides if share is not None)

    for experiment, budget, by_kernel in _by_experiment(places, worth):
        points: dict[tuple[str, str], Point] = {}
        for kernel, result in results.items():
            arms = result.arms(experiment)
            compared = [
                side.arm for each in by_kernel.get(kernel, ()) for side in (each.left, each.right)
            ]
            # A kernel without the ring has the perf buffers' arm alone.
            alone = ArmName(transport=PERFBUF, budget=budget)
            for name in compared or [name for name in arms if ArmName.parse(name) == alone]:
                values = list(arms[name].values(_METRICS[key]).values())
                if values:
                    series = ArmName.parse(name).transport
                    part, whole, of_what = _counted(arms[name], key)
                    estimate = counted_share(values, part, whole)
                    note = f"{part:,} of {whole:,} {of_what}"
                    points[kernel, series] = _point(kernel, series, estimate, note)
        yield Curve(
            key=f"{key}:{experiment}@{budget}",
            what=what,
            experiment=experiment,
            budget=budget,
            unit=Unit.SHARE,
            points=tuple(points.values()),
        )


def _counted(arm: ArmSamples, key: str) -> tuple[int, int, str]:
    """Return what a share is made of: how many, of how many, of what."""
    if key == "own_dropped_share":
        books = [trial.ledger for trial in arm.trials if trial.ledger is not None]
        return sum(b.own_dropped for b in books), sum(b.own_attempted for b in books), "records"
    orders = [trial.ordering for trial in arm.trials if trial.ordering is not None]
    part = sum(each.causal_violations for each in orders)
    return part, sum(each.causal_pairs for each in orders), "pairs"


def _lossless(results: Mapping[str, Result], ladder: str) -> Curve:
    """Return the least lossless budget of a ladder, median over blocks."""
    points = []
    for kernel, result in results.items():
        for transport in TRANSPORTS:
            try:
                values = list(least_lossless(result.evidence, ladder, transport).values.values())
            except NotMeasured:
                continue
            if values:
                estimate = paired_ratio(values, [1.0] * len(values))
                points.append(_point(kernel, transport, estimate, f"{len(values)} storms a rung"))
    return Curve(
        key=f"lossless:{ladder}",
        what="least lossless budget",
        experiment=ladder,
        budget="",
        unit=Unit.BYTES,
        points=tuple(points),
    )


def _calm(comparison: Comparison) -> float:
    """Return the most where least was lost: a transport that drops looks quick."""
    sides = (comparison.left, comparison.right)
    lost = [side.own_dropped / side.own_attempted for side in sides if side.own_attempted]
    return 1.0 - sum(lost) / len(lost) if lost else 0.0


def _over(key: str, what: str, experiment: str, budget: str, points: list[Point]) -> Curve:
    """Return a curve of ratios of times."""
    return Curve(
        key=f"{key}:{experiment}@{budget}",
        what=what,
        experiment=experiment,
        budget=budget,
        unit=Unit.TIMES,
        times_within_one_guest=True,
        points=tuple(points),
    )


def _ratios(places: Places, key: str, what: str) -> Iterator[Curve]:
    """Yield ring over perf, paired within blocks, where least was lost."""
    places, latency = _with(key, places), _METRICS[key].group is Group.LATENCY
    if latency:
        places = _made_for(_SHARED, places)
        places = _made_for(_PACED, places)
    # Costs are shown of every experiment, at its calmest budget: refused writes cost time too.
    worth = _calm if latency else lambda comparison: 1.0 + _calm(comparison)
    for experiment, budget, by_kernel in _by_experiment(places, worth):
        points = []
        for kernel, found in by_kernel.items():
            for comparison in found:
                row = comparison.row(key)
                estimate = row.estimate if row is not None else None
                if estimate is None or estimate.scale is not Scale.RATIO:
                    continue
                if not latency or _calm(comparison) >= _CALM_SHARE:
                    series = f"{traits(comparison.left.transport).short} over perf"
                    points.append(_point(kernel, series, estimate))
        yield _over(key, what, experiment, budget, points)


def _slow_downs(results: Mapping[str, Result], places: Places) -> Iterator[Curve]:
    """Yield storm time under each tracer over that without one, where least was lost."""
    key = "storm_over_none"
    for experiment, budget, by_kernel in _by_experiment(_with(key, places), _calm):
        points: dict[tuple[str, str], Point] = {}
        for kernel, found in by_kernel.items():
            arms = results[kernel].arms(experiment)
            for side in (side for each in found for side in (each.left, each.right)):
                values = list(arms[side.arm].values(_METRICS[key]).values())
                if values and min(values) > 0:
                    estimate = paired_ratio(values, [1.0] * len(values))
                    points[kernel, side.transport] = _point(kernel, side.transport, estimate)
        yield _over(key, "storm time over none", experiment, budget, list(points.values()))
