# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge settings against the default within blocks or duets; find the frontier, choose one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from statistics import median
from typing import Final

from bench.amounts import bound, counted, given
from bench.judge.comparison import too_long
from bench.judge.filing import file
from bench.judge.metrics import METRICS
from bench.judge.numbers import number
from bench.judge.samples import ArmSamples, ExperimentSamples, Stretch, estimate, paired
from bench.plan.experiments import ArmName
from bench.questions.tune.axis import Axis
from bench.questions.tune.plan import GRID, Choice, Setting
from bench.report.document import pick
from bench.trial.result import TrialResult

_P50, _P99, _CPU = "latency_p50_ns", "latency_p99_ns", "consumer_cpu_s_per_million"
_WRITE = "write_ns"
_METRICS: Final = {each.key: each for each in METRICS if each.key in (_P50, _P99, _CPU, _WRITE)}
_ALIKE: Final = 1.05
"""Settings this close to the best tie on the axis; the other axis decides."""
_NEARLY: Final = f"within {bound(_ALIKE - 1)} of the lowest"

_FEWEST: Final = 6
"""A setting with fewer blocks is tried again before it is recommended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """Hold a number of a setting, and its ratio to the default's with the 95 % interval."""

    value: float  # median over blocks, or duets
    ratio: float
    low: float
    high: float
    better_in: int  # in how many of them it is less than the default's
    blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Hold the numbers of one setting of one transport."""

    setting: Setting
    p50_ns: Number
    p99_ns: Number
    cpu_s_per_million: Number  # the consumer's, per million records
    write_ns: Number | None  # of a write in the kernel; None outside duets
    inexact: float  # share by which its latencies may be too long: records shared stamps
    wakeups_per_record: float | None  # raised
    lossy: int  # trials that dropped something
    dominated: bool = False  # another is at least as good in all three numbers, and lost no more

    def on(self, axis: Axis) -> Number:
        """Return the number that ``axis`` minimises."""
        return self.p99_ns if axis is Axis.LATENCY else self.cpu_s_per_million

    def late(self, axis: Axis, within_ms: float) -> bool:
        """Return whether the 99th percentile exceeds the limit of BALANCE."""
        return axis is Axis.BALANCE and self.p99_ns.value > within_ms * 1e6


def points(
    tried: Sequence[Choice], trials: Sequence[TrialResult]
) -> Mapping[str, tuple[Point, ...]]:
    """Return the points of each transport in the grid, the default's first.

    A setting without a valid trial in a block of the default's is left out, and so is a transport
    whose default has no valid trial.
    """
    arms = _arms(GRID, trials)
    found: dict[str, tuple[Point, ...]] = {}
    for transport in dict.fromkeys(each.transport for each in tried):
        of = {each.setting: arms(each.arm.name) for each in tried if each.transport == transport}
        made = [_point(setting, arm, of[Setting()]) for setting, arm in of.items()]
        known = [each for each in made if each is not None]
        if known:
            found[transport] = tuple(
                replace(each, dominated=any(_dominates(other, each) for other in known))
                for each in known
            )
    return found


def tried_again(
    name: str, trials: Sequence[TrialResult], tried: Choice, default: Choice
) -> Point | None:
    """Return the point of a setting in the duets ``name``; None if none is valid."""
    arms = _arms(name, trials)
    return _point(tried.setting, arms(tried.arm.name), arms(default.arm.name))


def against(
    name: str, axis: Axis, trials: Sequence[TrialResult], first: Choice, second: Choice
) -> Number | None:
    """Compare two choices on ``axis`` in the duets ``name``; None if none is valid."""
    arms = _arms(name, trials)
    key = _P99 if axis is Axis.LATENCY else _CPU
    return _number(key, arms(first.arm.name), arms(second.arm.name))


def _arms(name: str, trials: Sequence[TrialResult]) -> Callable[[ArmName], ArmSamples]:
    """Return the samples of each arm of an experiment; empty ones for an arm without trials."""
    samples = file([Stretch(trials=trials)]).get(name, ExperimentSamples(name=name))
    return lambda arm: samples.arms.get(arm, ArmSamples(name=arm))


def _point(setting: Setting, arm: ArmSamples, plain: ArmSamples) -> Point | None:
    p50, p99, cpu = (_number(key, arm, plain) for key in (_P50, _P99, _CPU))
    if p50 is None or p99 is None or cpu is None:
        return None
    raised = map(number("wakeups_raised_per_event"), arm.trials)
    known = [each for each in raised if each is not None]
    return Point(
        setting=setting,
        p50_ns=p50,
        p99_ns=p99,
        cpu_s_per_million=cpu,
        write_ns=_number(_WRITE, arm, plain),
        inexact=max(too_long(_P50, arm), too_long(_P99, arm)),
        wakeups_per_record=median(known) if known else None,
        lossy=sum(each.ledger.own_dropped > 0 for each in arm.trials if each.ledger),
    )


def _number(key: str, arm: ArmSamples, plain: ArmSamples) -> Number | None:
    mine, its = paired(_METRICS[key], arm, plain)
    if not mine or min(*mine, *its) <= 0:
        return None
    if (ratio := estimate(_METRICS[key], arm, plain)) is None:
        return None
    better = sum(one < other for one, other in zip(mine, its, strict=True))
    return pick(Number, ratio, value=median(mine), ratio=ratio.point, better_in=better)


def _dominates(one: Point, other: Point) -> bool:
    numbers = attrgetter("p50_ns.value", "p99_ns.value", "cpu_s_per_million.value", "lossy")
    mine, its = numbers(one), numbers(other)
    return bool(mine != its and all(a <= b for a, b in zip(mine, its, strict=True)))


def recommend(found: Sequence[Point], axis: Axis, within_ms: float) -> tuple[Point, str, Axis]:
    """Return the setting that is best on ``axis``, or the default, why, and what decided.

    Settings that lost more than the default, or have too few blocks, are left out. ``within_ms`` is
    the limit of BALANCE; if none keeps it, latency decides.
    """
    default = found[0]
    kept = [
        each for each in found if each.lossy <= default.lossy and each.on(axis).blocks >= _FEWEST
    ]
    if not kept:
        return default, f"fewer than {counted(_FEWEST, 'block')} can be judged", axis
    within = f"99 % of records within {given(within_ms, 'ms')}"
    goal = {
        Axis.LATENCY: "99th percentile of latency",
        Axis.CPU: "consumer CPU, whatever the latency",
        Axis.BALANCE: f"consumer CPU with {within}",
    }[axis]
    in_time = [each for each in kept if not each.late(axis, within_ms)]
    if not in_time:
        least = min(kept, key=lambda each: each.p99_ns.value)
        return least, f"none has {within}; this comes closest", Axis.LATENCY
    best = min(each.on(axis).ratio for each in in_time)
    alike = [each for each in in_time if each.on(axis).ratio <= _ALIKE * best]
    second = Axis.CPU if axis is Axis.LATENCY else Axis.LATENCY
    chosen = min(alike, key=lambda each: each.on(second).ratio)
    if default in in_time and chosen.on(axis).high >= 1:
        return default, f"no setting has a reliably lower {goal}", axis
    how_low = "the lowest" if chosen.on(axis).ratio == best else _NEARLY
    return chosen, f"{how_low} {goal}", axis
