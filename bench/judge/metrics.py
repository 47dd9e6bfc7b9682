# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The numbers that comparisons are made of: how each is taken from a trial. docs/metrics.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Unit(StrEnum):
    """What a number counts; reports choose the prefix."""

    SHARE = "share"  # 0 to 1
    NS = "ns"
    SECONDS = "s"
    BYTES = "bytes"
    COUNT = "count"
    PER_S = "per second"
    TIMES = "times"
    INSTRUCTIONS = "instructions"  # executed, on all CPUs


class Group(StrEnum):
    """Under which heading a number stands."""

    DROPS = "drops"
    ORDER = "order"
    LATENCY = "latency"
    MEMORY = "memory"
    COST = "cost"


class Readings(Protocol):
    """The trials of an arm, and what their numbers need from outside them; NaN is unknown."""

    @property
    def wakeup_cost_ns(self) -> Floats:
        """What a wake-up costs on the machine of each."""

    @property
    def cpus(self) -> Integers:
        """The CPUs that the run of each could use."""

    @property
    def workers(self) -> Integers:
        """The workers that the storm of each was asked for with."""

    def number(self, key: str) -> Floats:
        """Return a number of each trial."""

    def baseline_ns(self, name: str) -> Floats:
        """Return storm ns per process under "none" or "noop" in the same block."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a comparison: of the trial itself, or computed ``of`` an arm's readings."""

    key: str  # as in JSON
    label: str  # as in tables
    group: Group
    unit: Unit
    of: Callable[[Readings], Floats] | None = None
    more_is_better: bool = False
    duet_margin: float = 0.0  # what a ratio in a duet has to exceed: it moves so much between runs

    @property
    def in_duets(self) -> bool:
        """Whether one arm of a duet has it to itself."""
        return self.group is Group.LATENCY or self.key in (
            "own_dropped_share",
            "write_ns",
            "read_ns",
        )

    def take(self, readings: Readings) -> Floats:
        """Return the number of every trial; NaN where it is unknown or means nothing."""
        return readings.number(self.key) if self.of is None else self.of(readings)


def _net_ns(gross_ns: Floats, raised: Floats, readings: Readings, busy_cpus: Integers) -> Floats:
    """Subtract the interrupts of raised wake-ups, shared by the CPUs that were busy."""
    net_ns = gross_ns - raised * readings.wakeup_cost_ns / busy_cpus
    return np.where(net_ns > 0, net_ns, np.nan)


def _run_net_ns(readings: Readings) -> Floats:
    """Return kernel time without its interrupts, which precede the program's return."""
    raised = _over(readings.number("wakeups_raised"), readings.number("kernel_runs"))
    alone = np.ones_like(readings.cpus)
    return _net_ns(readings.number("kernel_ns_per_run"), raised, readings, alone)


def _storm_net_ns(readings: Readings) -> Floats:
    busy_cpus = np.maximum(1, np.minimum(readings.workers, readings.cpus))
    raised = readings.number("wakeups_raised_per_event")
    return _net_ns(readings.number("storm_ns_per_process"), raised, readings, busy_cpus)


def _slow_down(baseline: str) -> Callable[[Readings], Floats]:
    def take(readings: Readings) -> Floats:
        return _over(readings.number("storm_ns_per_process"), readings.baseline_ns(baseline))

    return take


def _over(part: Floats, whole: Floats) -> Floats:
    return part / np.where(whole > 0, whole, np.nan)


METRICS: Final = (
    Metric("own_dropped_share", "dropped", Group.DROPS, Unit.SHARE),
    Metric("own_delivered_per_s", "delivered", Group.DROPS, Unit.PER_S, more_is_better=True),
    Metric("causal_violation_share", "causal violations", Group.ORDER, Unit.SHARE),
    Metric("inversions", "timestamp inversions", Group.ORDER, Unit.COUNT),
    Metric("window_ns", "sort window", Group.ORDER, Unit.NS),
    Metric("window_events", "  in events", Group.ORDER, Unit.COUNT),
    Metric("window_cost_p50_ns", "  median delay by it", Group.ORDER, Unit.NS),
    Metric("latency_p50_ns", "latency p50", Group.LATENCY, Unit.NS),
    Metric("latency_p90_ns", "latency p90", Group.LATENCY, Unit.NS),
    Metric("latency_p99_ns", "latency p99", Group.LATENCY, Unit.NS),
    Metric("latency_p999_ns", "latency p99.9", Group.LATENCY, Unit.NS),
    Metric("latency_max_ns", "latency max", Group.LATENCY, Unit.NS),
    Metric("physical_bytes", "memory, true", Group.MEMORY, Unit.BYTES),
    Metric("rss_bytes", "memory, VmRSS", Group.MEMORY, Unit.BYTES),
    Metric("pinned_bytes", "memory, VmPin", Group.MEMORY, Unit.BYTES),
    Metric("memlock_bytes", "memory, memlock", Group.MEMORY, Unit.BYTES),
    Metric("occupancy_max_share", "buffer filled, at most", Group.COST, Unit.SHARE),
    Metric("consumer_busy_share", "consumer busy", Group.COST, Unit.SHARE),
    Metric("consumer_cpu_s_per_million", "consumer CPU per million", Group.COST, Unit.SECONDS),
    Metric("switches_per_event", "switches per event", Group.COST, Unit.TIMES),
    Metric("wakeups_taken_per_event", "wake-ups taken per event", Group.COST, Unit.TIMES),
    Metric("empty_polls_per_event", "empty polls per event", Group.COST, Unit.TIMES),
    Metric("wakeups_raised_per_event", "wake-ups raised per event", Group.COST, Unit.TIMES),
    Metric("write_ns", "write call", Group.COST, Unit.NS),
    Metric("read_ns", "reading a record", Group.COST, Unit.NS, duet_margin=0.1),
    Metric("kernel_ns_per_run", "kernel time per exit", Group.COST, Unit.NS),
    Metric("kernel_net_ns_per_run", "  net of wake-ups", Group.COST, Unit.NS, _run_net_ns),
    Metric("storm_ns_per_process", "storm time per process", Group.COST, Unit.NS),
    Metric("storm_net_ns_per_process", "  net of wake-ups", Group.COST, Unit.NS, _storm_net_ns),
    Metric("storm_over_noop", "  over a no-op program", Group.COST, Unit.TIMES, _slow_down("noop")),
    Metric("storm_over_none", "  over no tracer", Group.COST, Unit.TIMES, _slow_down("none")),
)
"""Every number of a comparison, in the order of reports."""

KEYS: Final = frozenset(metric.key for metric in METRICS)
