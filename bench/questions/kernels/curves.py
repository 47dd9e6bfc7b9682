# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Curves: one number of every kernel, in the order of versions, with its 95 % interval.

Counts and sizes stand for themselves. Of times only ratios do, ring over perf or with a tracer over
without, paired within the blocks of one guest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from bench.judge.comparison import Comparison
from bench.judge.metrics import METRICS, Group, Unit
from bench.judge.samples import ArmSamples
from bench.judge.statistics import Scale, counted_share, paired_ratio
from bench.plan.experiments import ArmName
from bench.questions.claims.evidence import NotMeasured
from bench.questions.claims.families.memory import least_lossless
from bench.questions.kernels.curve import Curve, Point, point_of
from bench.questions.kernels.missed import beside_callers
from bench.questions.kernels.rows import KernelRow
from bench.questions.transports.profiles import PERFBUF, TRANSPORTS
from bench.tracer.transports import traits

_LEAST_WORTH: Final = 0.02  # of the best: what hardly happens need not be shown
_MOST: Final = 4  # experiments that a number is shown of
_CALM_SHARE: Final = 0.999
"""Delivered; below it too much was lost for a latency to mean anything."""

_LADDERS: Final = ("ladder", "memory-spread", "memory-onecpu")
_PACED: Final = ("trickle",)
"""Experiments far below capacity: where they were run, latency is theirs to tell."""
_CHAINED: Final = ("chain", "pingpong")
"""Experiments made of parents that reap: where they were run, order is theirs to tell."""

_BY_KEY: Final = {metric.key: metric for metric in METRICS}


def curves(rows: Sequence[KernelRow]) -> tuple[Curve, ...]:
    """Return all that at least one kernel has: drops, order, memory, latency, cost."""
    places = _places(rows)
    found = [
        *_shares(rows, places, "own_dropped_share", Group.DROPS, "events lost"),
        *_shares(rows, places, "causal_violation_share", Group.ORDER, "causal violations"),
        *_lossless(rows),
        *_ratios(places, "latency_p50_ns", Group.LATENCY, "latency p50"),
        *_ratios(places, "latency_p99_ns", Group.LATENCY, "latency p99"),
        *_ratios(places, "kernel_ns_per_run", Group.COST, "kernel time per exit"),
        *_ratios(places, "kernel_net_ns_per_run", Group.COST, "kernel time net of wake-ups"),
        *_slow_downs(rows, places),
    ]
    return tuple(curve for curve in found if curve.points)


Place = tuple[str, str]
"""Experiment and budget."""


def _places(rows: Sequence[KernelRow]) -> dict[Place, dict[int, list[Comparison]]]:
    """File comparisons of every kernel by where they were made, without bpf() callers."""
    found: dict[Place, dict[int, list[Comparison]]] = {}
    for at, row in enumerate(rows):
        if row.result is None:
            continue
        for each in row.result.summary.comparisons:
            if beside_callers(row.result.evidence.experiments[each.experiment]):
                continue
            place = found.setdefault((each.experiment, each.budget), {})
            place.setdefault(at, []).append(each)
    return found


def _made_for(
    experiments: Sequence[str], places: dict[Place, dict[int, list[Comparison]]]
) -> dict[Place, dict[int, list[Comparison]]]:
    """Return those of ``experiments`` if there are any, else all."""
    return {place: by_row for place, by_row in places.items() if place[0] in experiments} or places


def _telling(
    places: dict[Place, dict[int, list[Comparison]]], key: str
) -> dict[Place, dict[int, list[Comparison]]]:
    """Return those of ``places`` where a comparison has that number."""
    return {
        place: by_row
        for place, by_row in places.items()
        if any(each.row(key) is not None for found in by_row.values() for each in found)
    }


def _by_experiment(
    places: dict[Place, dict[int, list[Comparison]]], worth: Callable[[Comparison], float]
) -> Iterator[tuple[Place, dict[int, list[Comparison]]]]:
    """Return the experiments that are worth most, each at its best budget."""
    best: dict[str, tuple[float, Place]] = {}
    for place, by_row in places.items():
        total = sum(worth(each) for found in by_row.values() for each in found)
        if place[0] not in best or total > best[place[0]][0]:
            best[place[0]] = (total, place)
    least = _LEAST_WORTH * max((total for total, _ in best.values()), default=0.0)
    most = sorted((each for each in best.values() if each[0] > least), reverse=True)[:_MOST]
    for _, place in most:
        yield place, places[place]


def _shares(
    rows: Sequence[KernelRow],
    places: dict[Place, dict[int, list[Comparison]]],
    key: str,
    group: Group,
    words: str,
) -> Iterator[Curve]:
    """Return both sides' share, at the budget where it is nearest to half."""
    metric = _BY_KEY[key]

    def worth(comparison: Comparison) -> float:
        row = comparison.row(key)
        sides = [] if row is None else [row.left, row.right]
        return sum(share * (1 - share) for share in sides if share is not None)

    if key == "own_dropped_share":  # of a ladder the least lossless budget says more
        places = {place: by_row for place, by_row in places.items() if place[0] not in _LADDERS}
    else:  # elsewhere pairs come by chance, and few of them
        places = _made_for(_CHAINED, places)
    for (experiment, budget), by_row in _by_experiment(places, worth):
        points: dict[tuple[int, str], Point] = {}
        for at, row in enumerate(rows):
            compared = [side.arm for each in by_row.get(at, []) for side in (each.left, each.right)]
            for arm in _arms(row, experiment, compared or _alone(row, experiment, budget)):
                values = list(arm.values(metric).values())
                if not values:
                    continue
                part, whole, of_what = _counted(arm, key)
                transport = ArmName.parse(arm.name).transport
                points[at, transport] = point_of(
                    at,
                    transport,
                    counted_share(values, part, whole),
                    f"{part:,} of {whole:,} {of_what}",
                )
        yield Curve(
            key=f"{key}:{experiment}@{budget}",
            what=words,
            experiment=experiment,
            budget=budget,
            group=group,
            unit=Unit.SHARE,
            points=tuple(points.values()),
        )


def _arms(row: KernelRow, experiment: str, names: Iterable[str]) -> Iterator[ArmSamples]:
    if row.result is not None and experiment in row.result.evidence.experiments:
        arms = row.result.evidence.experiments[experiment].arms
        yield from (arms[name] for name in names if name in arms)


def _alone(row: KernelRow, experiment: str, budget: str) -> list[str]:
    """Return the perf buffers' arm of a kernel that has nothing to compare it with."""
    if row.result is None or experiment not in row.result.evidence.experiments:
        return []
    names = row.result.evidence.experiments[experiment].arms
    wanted = ArmName(transport=PERFBUF, budget=budget)
    return [name for name in names if ArmName.parse(name) == wanted]


def _counted(arm: ArmSamples, key: str) -> tuple[int, int, str]:
    """Return what a share is made of: how many, of how many, of what."""
    if key == "own_dropped_share":
        books = [trial.ledger for trial in arm.trials if trial.ledger is not None]
        part, whole = sum(b.own_dropped for b in books), sum(b.own_attempted for b in books)
        return part, whole, "records"
    orders = [trial.ordering for trial in arm.trials if trial.ordering is not None]
    part = sum(each.causal_violations for each in orders)
    return part, sum(each.causal_pairs for each in orders), "pairs"


def _lossless(rows: Sequence[KernelRow]) -> Iterator[Curve]:
    """Return the least lossless budget of every ladder, median over blocks."""
    for name in _LADDERS:
        points = []
        for at, row in enumerate(rows):
            for transport in TRANSPORTS:
                values = _least(row, name, transport)
                if values:
                    estimate = paired_ratio(values, [1.0] * len(values))
                    note = f"{len(values)} storms a rung"
                    points.append(point_of(at, transport, estimate, note))
        yield Curve(
            key=f"lossless:{name}",
            what="least lossless budget",
            experiment=name,
            budget="",
            group=Group.MEMORY,
            unit=Unit.BYTES,
            points=tuple(points),
        )


def _least(row: KernelRow, experiment: str, transport: str) -> list[float]:
    if row.result is None:
        return []
    try:
        found = least_lossless(row.result.evidence, experiment, transport)
    except NotMeasured:
        return []
    return list(found.values.values())


def _calm(comparison: Comparison) -> float:
    """Return the most where least was lost: a transport that drops looks quick."""
    sides = (comparison.left, comparison.right)
    lost = [side.own_dropped / side.own_attempted for side in sides if side.own_attempted]
    return 1.0 - sum(lost) / len(lost) if lost else 0.0


def _alike(comparison: Comparison) -> float:
    """Compare at each experiment's calmest budget: refused writes cost something too."""
    return 1.0 + _calm(comparison)


def _ratios(
    places: dict[Place, dict[int, list[Comparison]]],
    key: str,
    group: Group,
    words: str,
) -> Iterator[Curve]:
    """Return ring over perf, paired within blocks, where least was lost."""
    places = _telling(places, key)
    if group is Group.LATENCY:
        places = _made_for(_PACED, places)
    worth = _calm if group is Group.LATENCY else _alike
    for (experiment, budget), by_row in _by_experiment(places, worth):
        points = []
        for at, found in by_row.items():
            for comparison in found:
                row = comparison.row(key)
                estimate = row.estimate if row is not None else None
                if estimate is None or estimate.scale is not Scale.RATIO:
                    continue
                if group is Group.LATENCY and _calm(comparison) < _CALM_SHARE:
                    continue
                points.append(point_of(at, _against(comparison), estimate))
        yield Curve(
            key=f"{key}:{experiment}@{budget}",
            what=words,
            experiment=experiment,
            budget=budget,
            group=group,
            unit=Unit.TIMES,
            points=tuple(points),
            time=True,
        )


def _against(comparison: Comparison) -> str:
    return f"{traits(comparison.left.transport).short} over perf"


def _slow_downs(
    rows: Sequence[KernelRow], places: dict[Place, dict[int, list[Comparison]]]
) -> Iterator[Curve]:
    """Return storm time under each tracer over that without one, where least was lost."""
    metric = _BY_KEY["storm_over_none"]
    places = _telling(places, metric.key)
    for (experiment, budget), by_row in _by_experiment(places, _calm):
        points: dict[tuple[int, str], Point] = {}
        for at, found in by_row.items():
            for comparison in found:
                for side in (comparison.left, comparison.right):
                    (arm,) = _arms(rows[at], experiment, [side.arm])
                    values = list(arm.values(metric).values())
                    if values and min(values) > 0:
                        estimate = paired_ratio(values, [1.0] * len(values))
                        points[at, side.transport] = point_of(at, side.transport, estimate)
        yield Curve(
            key=f"storm_over_none:{experiment}@{budget}",
            what="storm time over none",
            experiment=experiment,
            budget=budget,
            group=Group.COST,
            unit=Unit.TIMES,
            points=tuple(points.values()),
            time=True,
        )
