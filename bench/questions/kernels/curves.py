# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make curves: one number of every kernel, in the order of versions, with its 95 % interval.

Counts and sizes are absolute, instructions too. Times are only ever ratios, ring over perf or with
a tracer over without, paired within the blocks of one guest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from operator import itemgetter
from typing import Final

from bench.amounts import counted, size
from bench.judge.comparison import Comparison
from bench.judge.metrics import METRICS, Group, Unit
from bench.judge.samples import ArmSamples
from bench.judge.statistics import Estimate, Scale, counted_share, paired_ratio
from bench.plan.experiments import ArmName
from bench.questions.claims.evidence import NotMeasured
from bench.questions.claims.families.memory import largest, least_lossless
from bench.questions.kernels.rows import Result
from bench.questions.transports.profiles import PERFBUF, TRANSPORTS
from bench.questions.transports.standing import Question
from bench.report.document import pick
from bench.tracer.transports import traits

_LEAST_WORTH: Final = 0.02  # of the best: below it a curve is nearly empty
_MOST: Final = 4  # experiments for which a number is shown
_CALM_SHARE: Final = 0.999  # delivered; below it too much was lost for a meaningful latency
_LADDERS: Final = ("ladder", "memory-spread", "memory-onecpu")
_SHARED: Final = ("trickle-duet", "storm-duet")  # latency comes from these if run, else ...
_PACED: Final = ("trickle",)  # ... far below capacity
_CHAINED: Final = ("chain", "pingpong")  # parents that reap: order comes from these if run
_OF_QUESTION: Final = {
    "lossless": Question.MEMORY,
    "consumer_cpu_s_per_million": Question.CPU,
    "missed": "missed",
}
_METRICS: Final = {metric.key: metric for metric in METRICS}

_WORDS: Final = {
    "latency_p50_ns": ("latency p50", "instructions until delivery, p50"),
    "latency_p99_ns": ("latency p99", "instructions until delivery, p99"),
    "write_ns": ("time of a write", "instructions of a write"),
    "kernel_ns_per_run": ("kernel time per exit", "instructions in the kernel, per exit"),
    "kernel_net_ns_per_run": ("kernel time net of wake-ups", ""),
    "storm_over_none": ("storm time over none", ""),
    "storm_ns_per_process": ("", "instructions of a storm, per process"),
    "consumer_cpu_s_per_million": (
        "consumer's CPU time",
        "instructions of the consumer, per event",
    ),
}
"""Titles where times are ratios, and where instructions are counted."""

Places = Mapping[tuple[str, str], dict[str, list[Comparison]]]
"""Comparisons by experiment and budget, then by the label of the kernel."""
Found = Iterable[tuple[str, Estimate, str]]
"""Series, number and note of the points of one kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Hold one kernel's number."""

    kernel: str
    series: str  # a transport, or which one over which
    value: float
    low: float
    high: float
    blocks: int
    note: str = ""  # counts behind the value


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Hold one number over all kernels."""

    key: str
    what: str
    experiment: str
    budget: str  # label, "64KiB"; "" if the budget is the number
    unit: Unit
    times_within_one_guest: bool = False
    points: tuple[Point, ...]

    @property
    def question(self) -> str:
        """Return the question that the number helps to answer."""
        key = self.key.partition(":")[0]
        found = _OF_QUESTION.get(key) or _METRICS[key].group
        return str(Question.WRITE if found is Group.COST else found)

    @property
    def series(self) -> tuple[str, ...]:
        """Return each series once, the ring first; a kernel may lack one that the next has."""
        found = dict.fromkeys(point.series for point in self.points)
        return tuple(sorted(found, key=lambda series: traits(series).rank))

    def at(self, kernel: str, series: str) -> Point | None:
        """Return the point of one kernel."""
        return next((p for p in self.points if (p.kernel, p.series) == (kernel, series)), None)


def curves(results: Mapping[str, Result]) -> Iterator[Curve]:
    """Yield every curve that at least one kernel has: drops, order, memory, latency, cost."""
    places = _places(results)
    # Ladders are summed up by the least lossless budget; elsewhere pairs are few, and accidental.
    storms = {place: found for place, found in places.items() if place[0] not in _LADDERS}
    chains = _made_for(_CHAINED, places)
    yield from _curves(results, storms, "own_dropped_share", "events lost", _shares)
    yield from _curves(results, chains, "causal_violation_share", "causal violations", _shares)
    yield from _lossless(results)
    counting = {each: on for each, on in results.items() if on.machine.counts_instructions}
    timed = {each: on for each, on in results.items() if each not in counting}
    for of, on in enumerate((timed, counting)):
        places = _places(on)
        for key, words in _WORDS.items():
            points = _instructions if of else _slow_downs if key == "storm_over_none" else _ratios
            if words[of]:
                yield from _curves(on, _having(places, key), key, words[of], points)


def _having(places: Places, key: str) -> Places:
    """Return where a number is known; for latency, preferably in experiments made for it."""
    having: Places = {
        place: by_kernel
        for place, by_kernel in places.items()
        if any(each.row(key) is not None for found in by_kernel.values() for each in found)
    }
    return _made_for(_PACED, _made_for(_SHARED, having)) if _is_latency(key) else having


def _places(results: Mapping[str, Result]) -> Places:
    """Group all comparisons that were made without bpf() callers."""
    found: dict[tuple[str, str], dict[str, list[Comparison]]] = {}
    for kernel, result in results.items():
        for each in result.summary.comparisons:
            arms = result.summary.arms(each.experiment).values()
            if not any(trial.config.map_callers for arm in arms for trial in arm.trials):
                place = found.setdefault((each.experiment, each.budget), {})
                place.setdefault(kernel, []).append(each)
    return found


def _made_for(experiments: tuple[str, ...], places: Places) -> Places:
    """Return those of ``experiments`` if there are any, else all."""
    return {place: found for place, found in places.items() if place[0] in experiments} or places


def _curves(
    results: Mapping[str, Result],
    places: Places,
    key: str,
    what: str,
    found: Callable[[str, Sequence[ArmSamples], Sequence[Comparison]], Found],
) -> Iterator[Curve]:
    """Yield the most informative experiments, each at its best budget."""
    best: dict[str, tuple[float, str]] = {}
    for (experiment, budget), by_kernel in places.items():
        total = sum(_worth(key, each) for compared in by_kernel.values() for each in compared)
        best[experiment] = max(best.get(experiment, (-1.0, "")), (total, budget), key=itemgetter(0))
    least = _LEAST_WORTH * max((total for total, _ in best.values()), default=0.0)
    worthy = ((total, name, budget) for name, (total, budget) in best.items() if total > least)
    for _, experiment, budget in sorted(worthy, reverse=True)[:_MOST]:
        points = []
        # A kernel without the ring has only the perf buffers' arm.
        alone = ArmName(transport=PERFBUF, budget=budget)
        for kernel, result in results.items():
            compared, arms = (
                places[experiment, budget].get(kernel, []),
                result.summary.arms(experiment),
            )
            names: list[str] = [side.arm for each in compared for side in (each.left, each.right)]
            names = names or [name for name in arms if name == alone]
            points += [
                _point(kernel, *point) for point in found(key, [arms[n] for n in names], compared)
            ]
        units: dict[object, Unit] = {_shares: Unit.SHARE, _instructions: Unit.INSTRUCTIONS}
        unit = units.get(found, Unit.TIMES)
        if points:
            yield Curve(
                key=f"{key}:{experiment}@{budget}" + ":instructions" * (found is _instructions),
                what=what,
                experiment=experiment,
                budget=budget,
                unit=unit,
                times_within_one_guest=unit is Unit.TIMES,
                points=tuple(points),
            )


def _is_latency(key: str) -> bool:
    return _METRICS[key].group is Group.LATENCY


def _worth(key: str, comparison: Comparison) -> float:
    """Return how informative a number is: shares near a half, times where least was lost."""
    if _METRICS[key].unit is not Unit.SHARE:
        # Costs are shown for every experiment: refused writes cost time too.
        everywhere = _METRICS[key].unit is Unit.NS and not _is_latency(key)
        return _calm(comparison) + everywhere
    row = comparison.row(key)
    sides = [] if row is None else [row.left, row.right]
    return sum(share * (1 - share) for share in sides if share is not None)


def _point(kernel: str, series: str, found: Estimate, note: str) -> Point:
    return pick(Point, found, kernel=kernel, series=series, value=found.point, note=note)


def _shares(key: str, arms: Sequence[ArmSamples], _: Sequence[Comparison]) -> Found:
    """Return each side's share, and the counts behind it."""
    names = ("own_dropped", "own_attempted", "records")
    if key != "own_dropped_share":
        names = ("causal_violations", "causal_pairs", "pairs")
    found = {}
    for arm in arms:
        if values := list(arm.values(_METRICS[key]).values()):
            part, whole = map(arm.total, names[:2])
            series, estimate = arm.name.transport, counted_share(values, part, whole)
            found[series] = series, estimate, f"{part:,} of {whole:,} {names[2]}"
    return found.values()


def _lossless(results: Mapping[str, Result]) -> Iterator[Curve]:
    """Yield the least lossless budget of each ladder, median over blocks."""
    for ladder in _LADDERS:
        points = []
        for (kernel, result), transport in product(results.items(), TRANSPORTS):
            with suppress(NotMeasured):
                evidence = result.claims.evidence
                values = least_lossless(evidence, ladder, transport).values.values()
                if values:
                    note, middle = f"{counted(len(values), 'storm')} a rung", _middle(values)
                    if middle.point > (most := largest(evidence, ladder, transport)):
                        note += f"; {size(most)} is too small, twice that is shown"
                    points.append(_point(kernel, transport, middle, note))
        if points:
            yield Curve(
                key=f"lossless:{ladder}",
                what="least lossless budget",
                experiment=ladder,
                budget="",
                unit=Unit.BYTES,
                points=tuple(points),
            )


def _middle(values: Collection[float]) -> Estimate:
    return paired_ratio(list(values), [1.0] * len(values))


def _calm(comparison: Comparison) -> float:
    """Return the most where least was lost: a transport that drops looks quick."""
    sides = (comparison.left, comparison.right)
    lost = [side.own_dropped / side.own_attempted for side in sides if side.own_attempted]
    return 1.0 - sum(lost) / len(lost) if lost else 0.0


def _ratios(key: str, _: Sequence[ArmSamples], compared: Sequence[Comparison]) -> Found:
    """Yield ring over perf, paired within blocks; no delivery times where much was lost."""
    for each in compared:
        row = each.row(key)
        estimate = row.estimate if row is not None else None
        if estimate is None or estimate.scale is not Scale.RATIO:
            continue
        delivered = _is_latency(key) or _METRICS[key].unit is Unit.SECONDS
        if not delivered or _calm(each) >= _CALM_SHARE:
            yield f"{traits(each.left.transport).short} over perf", estimate, ""


def _slow_downs(key: str, arms: Sequence[ArmSamples], compared: Sequence[Comparison]) -> Found:
    """Return storm time under each tracer over that without one."""
    return _instructions(key, arms if compared else (), compared)


def _instructions(key: str, arms: Sequence[ArmSamples], _: Sequence[Comparison]) -> Found:
    """Return each side's number, the median over blocks; instructions where time is counted."""
    # A second per million events is 1,000 ns each.
    factor = 1e3 if _METRICS[key].unit is Unit.SECONDS else 1.0
    found = {}
    for arm in arms:
        values = [factor * value for value in arm.values(_METRICS[key]).values()]
        if values and min(values) > 0:
            found[arm.name.transport] = arm.name.transport, _middle(values), ""
    return found.values()
