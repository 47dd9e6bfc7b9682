# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Name the numbers that comparisons are made of; docs/metrics.md explains them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Unit(StrEnum):
    """Name the unit of a number; reports choose the prefix."""

    SHARE = "share"  # 0 to 1
    NS = "ns"
    SECONDS = "s"
    BYTES = "bytes"
    COUNT = "count"
    PER_S = "per second"
    TIMES = "times"
    INSTRUCTIONS = "instructions"  # executed, on all CPUs


class Group(StrEnum):
    """List the headings of numbers."""

    DROPS = "drops"
    ORDER = "order"
    LATENCY = "latency"
    MEMORY = "memory"
    COST = "cost"


@dataclass(frozen=True, slots=True)
class Metric:
    """Define a number of a comparison: of a trial, or derived from an arm's samples."""

    key: str  # as in JSON
    label: str  # as in tables
    group: Group
    unit: Unit
    more_is_better: bool = False
    duet_margin: float = 0.0  # of a ratio in a duet: how much it varies between runs

    @property
    def in_duets(self) -> bool:
        """Return whether each arm of a duet has its own value."""
        return self.group is Group.LATENCY or self.key in (
            "own_dropped_share",
            "write_ns",
            "read_ns",
        )


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
    Metric("kernel_net_ns_per_run", "  net of wake-ups", Group.COST, Unit.NS),
    Metric("storm_ns_per_process", "storm time per process", Group.COST, Unit.NS),
    Metric("storm_net_ns_per_process", "  net of wake-ups", Group.COST, Unit.NS),
    Metric("storm_over_noop", "  over a no-op program", Group.COST, Unit.TIMES),
    Metric("storm_over_none", "  over no tracer", Group.COST, Unit.TIMES),
)
"""Every number of a comparison, in the order of reports."""

KEYS: Final = frozenset(metric.key for metric in METRICS)
