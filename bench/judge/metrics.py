# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The numbers that comparisons are made of: how each is taken from a trial. docs/metrics.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bench.judge.load import Load
from bench.judge.numbers import number
from bench.trial.result import TrialResult


class Unit(StrEnum):
    """What a number counts; reports choose the prefix."""

    SHARE = "share"  # 0 to 1
    NS = "ns"
    SECONDS = "s"
    BYTES = "bytes"
    COUNT = "count"
    PER_S = "per second"
    TIMES = "times"


class Group(StrEnum):
    """Under which heading a number stands."""

    DROPS = "drops"
    ORDER = "order"
    LATENCY = "latency"
    MEMORY = "memory"
    COST = "cost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One trial and what its numbers need from outside it."""

    trial: TrialResult
    wakeup_cost_ns: float | None  # of the machine; None: not measured
    cpus: int  # that the run could use
    baseline_ns: dict[str, float]  # storm ns per process under "none" and "noop", same block
    load: Load


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number of a trial; less of it is better unless ``more_is_better``."""

    key: str  # as in JSON
    label: str  # as in tables
    group: Group
    unit: Unit
    take: Callable[[Reading], float | None]  # None: unknown, or without meaning in this trial
    more_is_better: bool = False


def _taken(key: str) -> Callable[[Reading], float | None]:
    """Return what takes a number of the trial itself."""
    of = number(key)

    def take(reading: Reading) -> float | None:
        value = of(reading.trial)
        return None if value is None else float(value)

    return take


storm_ns_per_process: Final = number("storm_ns_per_process")
_run_ns, _raised_per_event = _taken("kernel_ns_per_run"), _taken("wakeups_raised_per_event")


def _run_net_ns(reading: Reading) -> float | None:
    """Subtract the interrupts of raised wake-ups: they precede the program's return."""
    cost, gross_ns = reading.trial.cost, _run_ns(reading)
    raised = None if cost is None else cost.wakeups_raised_per_run
    if gross_ns is None or raised is None or reading.wakeup_cost_ns is None:
        return None
    net_ns = gross_ns - raised * reading.wakeup_cost_ns
    return net_ns if net_ns > 0 else None


def _storm_net_ns(reading: Reading) -> float | None:
    """Subtract the interrupts of raised wake-ups, shared by the CPUs that were busy."""
    gross_ns, raised = storm_ns_per_process(reading.trial), _raised_per_event(reading)
    if gross_ns is None or raised is None or reading.wakeup_cost_ns is None:
        return None
    busy_cpus = max(1, min(reading.trial.config.storm.workers, reading.cpus))
    net_ns = gross_ns - raised * reading.wakeup_cost_ns / busy_cpus
    return net_ns if net_ns > 0 else None


def _slow_down(baseline: str) -> Callable[[Reading], float | None]:
    def take(reading: Reading) -> float | None:
        ns, base_ns = storm_ns_per_process(reading.trial), reading.baseline_ns.get(baseline)
        return ns / base_ns if ns is not None and base_ns else None

    return take


METRICS: Final = (
    Metric(
        key="own_dropped_share",
        label="dropped",
        group=Group.DROPS,
        unit=Unit.SHARE,
        take=_taken("own_dropped_share"),
    ),
    Metric(
        key="own_delivered_per_s",
        label="delivered",
        group=Group.DROPS,
        unit=Unit.PER_S,
        take=_taken("own_delivered_per_s"),
        more_is_better=True,
    ),
    Metric(
        key="causal_violation_share",
        label="causal violations",
        group=Group.ORDER,
        unit=Unit.SHARE,
        take=_taken("causal_violation_share"),
    ),
    Metric(
        key="inversions",
        label="timestamp inversions",
        group=Group.ORDER,
        unit=Unit.COUNT,
        take=_taken("inversions"),
    ),
    Metric(
        key="window_ns",
        label="sort window",
        group=Group.ORDER,
        unit=Unit.NS,
        take=_taken("window_ns"),
    ),
    Metric(
        key="window_events",
        label="  in events",
        group=Group.ORDER,
        unit=Unit.COUNT,
        take=_taken("window_events"),
    ),
    Metric(
        key="window_cost_p50_ns",
        label="  median delay by it",
        group=Group.ORDER,
        unit=Unit.NS,
        take=_taken("window_cost_p50_ns"),
    ),
    *(
        Metric(
            key=f"latency_{name}_ns",
            label=f"latency {words}",
            group=Group.LATENCY,
            unit=Unit.NS,
            take=_taken(f"latency_{name}_ns"),
        )
        for name, words in (
            ("p50", "p50"),
            ("p90", "p90"),
            ("p99", "p99"),
            ("p999", "p99.9"),
            ("max", "max"),
        )
    ),
    Metric(
        key="physical_bytes",
        label="memory, true",
        group=Group.MEMORY,
        unit=Unit.BYTES,
        take=_taken("physical_bytes"),
    ),
    *(
        Metric(
            key=f"{name}_bytes",
            label=f"memory, {words}",
            group=Group.MEMORY,
            unit=Unit.BYTES,
            take=_taken(f"{name}_bytes"),
        )
        for name, words in (
            ("rss", "VmRSS"),
            ("pinned", "VmPin"),
            ("memlock", "memlock"),
        )
    ),
    Metric(
        key="occupancy_max_share",
        label="buffer filled, at most",
        group=Group.COST,
        unit=Unit.SHARE,
        take=_taken("occupancy_max_share"),
    ),
    Metric(
        key="consumer_busy_share",
        label="consumer busy",
        group=Group.COST,
        unit=Unit.SHARE,
        take=_taken("consumer_busy_share"),
    ),
    Metric(
        key="consumer_cpu_s_per_million",
        label="consumer CPU per million",
        group=Group.COST,
        unit=Unit.SECONDS,
        take=_taken("consumer_cpu_s_per_million"),
    ),
    Metric(
        key="switches_per_event",
        label="switches per event",
        group=Group.COST,
        unit=Unit.TIMES,
        take=_taken("switches_per_event"),
    ),
    Metric(
        key="wakeups_taken_per_event",
        label="wake-ups taken per event",
        group=Group.COST,
        unit=Unit.TIMES,
        take=_taken("wakeups_taken_per_event"),
    ),
    Metric(
        key="empty_polls_per_event",
        label="empty polls per event",
        group=Group.COST,
        unit=Unit.TIMES,
        take=_taken("empty_polls_per_event"),
    ),
    Metric(
        key="wakeups_raised_per_event",
        label="wake-ups raised per event",
        group=Group.COST,
        unit=Unit.TIMES,
        take=_raised_per_event,
    ),
    Metric(
        key="kernel_ns_per_run",
        label="kernel time per exit",
        group=Group.COST,
        unit=Unit.NS,
        take=_run_ns,
    ),
    Metric(
        key="kernel_net_ns_per_run",
        label="  net of wake-ups",
        group=Group.COST,
        unit=Unit.NS,
        take=_run_net_ns,
    ),
    Metric(
        key="storm_ns_per_process",
        label="storm time per process",
        group=Group.COST,
        unit=Unit.NS,
        take=_taken("storm_ns_per_process"),
    ),
    Metric(
        key="storm_net_ns_per_process",
        label="  net of wake-ups",
        group=Group.COST,
        unit=Unit.NS,
        take=_storm_net_ns,
    ),
    Metric(
        key="storm_over_noop",
        label="  over a no-op program",
        group=Group.COST,
        unit=Unit.TIMES,
        take=_slow_down("noop"),
    ),
    Metric(
        key="storm_over_none",
        label="  over no tracer",
        group=Group.COST,
        unit=Unit.TIMES,
        take=_slow_down("none"),
    ),
)
"""Every number of a comparison, in the order of reports."""

KEYS: Final = frozenset(metric.key for metric in METRICS)
