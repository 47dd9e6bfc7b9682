# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The numbers that comparisons are made of: how each is taken from a trial. docs/metrics.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bench.judge.load import Load
from bench.judge.numbers import number, ratio
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
    INSTRUCTIONS = "instructions"  # executed, on all CPUs


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


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a comparison: of the trial itself, or computed ``of`` a reading."""

    key: str  # as in JSON
    label: str  # as in tables
    group: Group
    unit: Unit
    of: Callable[[Reading], float | None] | None = None
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

    def take(self, reading: Reading) -> float | None:
        """Return the number; None if it is unknown or has no meaning in this trial."""
        if self.of is not None:
            return self.of(reading)
        value = number(self.key)(reading.trial)
        return None if value is None else float(value)


storm_ns_per_process: Final = number("storm_ns_per_process")
_raised_per_run: Final = ratio("cost.wakeups_raised", "cost.kernel_runs")


def _net_ns(
    gross_ns: float | None, raised: float | None, reading: Reading, busy_cpus: int
) -> float | None:
    """Subtract the interrupts of raised wake-ups, shared by the CPUs that were busy."""
    if gross_ns is None or raised is None or reading.wakeup_cost_ns is None:
        return None
    net_ns = gross_ns - raised * reading.wakeup_cost_ns / busy_cpus
    return net_ns if net_ns > 0 else None


def _run_net_ns(reading: Reading) -> float | None:
    """Return kernel time without its interrupts, which precede the program's return."""
    trial = reading.trial
    return _net_ns(number("kernel_ns_per_run")(trial), _raised_per_run(trial), reading, 1)


def _storm_net_ns(reading: Reading) -> float | None:
    trial = reading.trial
    busy_cpus = max(1, min(trial.config.storm.workers, reading.cpus))
    raised = number("wakeups_raised_per_event")(trial)
    return _net_ns(storm_ns_per_process(trial), raised, reading, busy_cpus)


def _slow_down(baseline: str) -> Callable[[Reading], float | None]:
    def take(reading: Reading) -> float | None:
        ns, base_ns = storm_ns_per_process(reading.trial), reading.baseline_ns.get(baseline)
        return ns / base_ns if ns is not None and base_ns else None

    return take


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
