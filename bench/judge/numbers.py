# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The numbers of a trial: one name, one definition, wherever they are exported.

Tables, reports, claims, gates and the suite take them from here; docs/metrics.md lists them. Names
that begin with ``own_`` count the storm's own records, others those of all processes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from bench.trial.result import TrialResult

Value = float | None
"""None: unknown, or without meaning in this trial."""


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a trial."""

    key: str
    unit: str
    meaning: str
    of: Callable[[TrialResult], Value]


def _field(part: str, name: str) -> Callable[[TrialResult], Value]:
    """Return what takes a field of a part of a trial that may be missing."""
    whole, field = attrgetter(part), attrgetter(name)

    def of(trial: TrialResult) -> Value:
        found = whole(trial)
        value: Value = None if found is None else field(found)
        return value

    return of


def _fields(part: str, unit: str, **meanings: str) -> tuple[Number, ...]:
    return tuple(Number(key, unit, meaning, _field(part, key)) for key, meaning in meanings.items())


def storm_ns(trial: TrialResult) -> int:
    """Return the storm's length."""
    return trial.storm.end_ns - trial.storm.start_ns


def _over(
    part: Callable[[TrialResult], Value], whole: Callable[[TrialResult], Value]
) -> Callable[[TrialResult], Value]:
    def of(trial: TrialResult) -> Value:
        above, below = part(trial), whole(trial)
        return above / below if above is not None and below is not None and below > 0 else None

    return of


def _seconds(trial: TrialResult) -> float:
    return storm_ns(trial) / 1e9


def _delivery_s(trial: TrialResult) -> Value:
    return None if trial.cost is None else trial.cost.delivery_ns / 1e9


def _busy(trial: TrialResult) -> Value:
    return None if trial.occupancy is None else 1.0 - trial.occupancy.consumer_idle_share


def _fullest(trial: TrialResult) -> Value:
    found = trial.occupancy
    return found.max_share if found is not None and found.samples else None


def _latency(name: str) -> Callable[[TrialResult], Value]:
    def of(trial: TrialResult) -> Value:
        found = trial.latency
        value: Value = getattr(found, name) if found is not None and found.count else None
        return value

    return of


_RECORDS: Final = _fields(
    "ledger",
    "records",
    attempted="output calls that the tracer began, for any process",
    delivered="records that the consumer held, of any process",
    dropped="output calls that the kernel refused, for any process",
    own_attempted="output calls for the storm's own exits",
    own_delivered="delivered records of the storm's own exits",
    own_dropped="refused output calls for the storm's own exits; what the gate `drops` counts",
)
_ORDER: Final = (
    *_fields(
        "ordering",
        "pairs",
        causal_pairs="a child and its parent, both delivered, whose order is known",
        causal_violations="of those, delivered parent first; what the gate `causal` counts",
    ),
    *_fields("ordering", "events", inversions="own records delivered after a later one"),
    *_fields(
        "ordering",
        "ns",
        lateness_p50_ns="how far behind the latest timestamp, over the inverted: median",
        lateness_p99_ns="the same, 99th percentile",
        lateness_max_ns="the same, largest",
    ),
    *_fields(
        "ordering",
        "positions",
        displacement_p50="places behind a sort by timestamp, over the inverted: median",
        displacement_p99="the same, 99th percentile",
        displacement_max="the same, largest",
    ),
    *_fields("ordering", "ns", window_ns="sort window: the least hold-back that restores order"),
    *_fields("ordering", "events", window_events="the same, in events"),
    *_fields(
        "ordering",
        "ns",
        window_cost_p50_ns="latency that the window would add, median over own records",
        window_cost_p99_ns="the same, 99th percentile",
    ),
)
_LATENCY: Final = (
    Number("latency_count", "records", "records with a latency: all delivered", _latency("count")),
    *(
        Number(
            f"latency_{name}_ns",
            "ns",
            f"kernel timestamp to delivery, {words}",
            _latency(f"{name}_ns"),
        )
        for name, words in (
            ("p50", "all delivered records: median"),
            ("p90", "90th percentile"),
            ("p99", "99th percentile"),
            ("p999", "99.9th percentile"),
            ("max", "largest"),
        )
    ),
)
_MEMORY: Final = (
    Number(
        "physical_bytes",
        "bytes",
        "memory of all buffers by formula, bookkeeping included",
        _field("memory", "footprint.physical_bytes"),
    ),
    *(
        Number(key, "bytes", meaning, _field("memory", f"observed.{key}"))
        for key, meaning in (
            ("rss_bytes", "change of VmRSS over opening the buffers"),
            ("pinned_bytes", "change of VmPin"),
            ("memlock_bytes", "fdinfo's memlock"),
        )
    ),
)
_COST: Final = (
    *_fields("cost", "runs", kernel_runs="runs of the BPF program, one an exit"),
    *_fields("cost", "ns", kernel_run_ns="kernel time of all of them"),
    *_fields("cost", "ns", consumer_cpu_ns="CPU time of the consumer's thread"),
    *_fields(
        "cost",
        "switches",
        consumer_voluntary_switches="its context switches by waiting",
        consumer_involuntary_switches="its context switches by preemption",
    ),
    *_fields(
        "cost",
        "wake-ups",
        wakeups_taken="returns of poll after which something was read",
        wakeups_raised="irq_work interrupts on all CPUs",
    ),
    *_fields("cost", "polls", empty_polls="returns of poll with nothing to read"),
    *_fields("cost", "ns", delivery_ns="first kernel timestamp to the last delivery"),
    *_fields("cost", "calls", consumer_syscalls="system calls of the consumer's thread"),
    *_fields("cost", "ns", record_ns="from record to record of one exit: the median over exits"),
)
_OF: Final = {each.key: each.of for each in (*_RECORDS, *_ORDER, *_COST)}
_DERIVED: Final = (
    Number(
        "own_dropped_share",
        "share",
        "own_dropped / own_attempted",
        _over(_OF["own_dropped"], _OF["own_attempted"]),
    ),
    Number(
        "own_attempted_per_s",
        "records/s",
        "own_attempted over the storm's length",
        _over(_OF["own_attempted"], _seconds),
    ),
    Number(
        "own_delivered_per_s",
        "records/s",
        "own_delivered over the storm's length",
        _over(_OF["own_delivered"], _seconds),
    ),
    Number(
        "drained_per_s",
        "records/s",
        "delivered over delivery_ns: throughput where the storm ends before the reading does",
        _over(_OF["delivered"], _delivery_s),
    ),
    Number(
        "causal_violation_share",
        "share",
        "causal_violations / causal_pairs",
        _over(_OF["causal_violations"], _OF["causal_pairs"]),
    ),
    Number(
        "kernel_ns_per_run",
        "ns",
        "kernel_run_ns / kernel_runs: per exit",
        _over(_OF["kernel_run_ns"], _OF["kernel_runs"]),
    ),
    Number(
        "kernel_ns_per_record",
        "ns",
        "kernel_run_ns / attempted: per output call",
        _over(_OF["kernel_run_ns"], _OF["attempted"]),
    ),
    Number(
        "consumer_cpu_s_per_million",
        "s",
        "consumer_cpu_ns per million delivered",
        _field("cost", "cpu_s_per_million"),
    ),
    Number(
        "switches_per_event",
        "ratio",
        "the consumer's context switches of both kinds / delivered",
        _field("cost", "switches_per_event"),
    ),
    Number(
        "wakeups_taken_per_event",
        "ratio",
        "wakeups_taken / delivered",
        _field("cost", "wakeups_taken_per_event"),
    ),
    Number(
        "empty_polls_per_event",
        "ratio",
        "empty_polls / delivered",
        _field("cost", "empty_polls_per_event"),
    ),
    Number(
        "empty_poll_share",
        "share",
        "empty_polls / (empty_polls + wakeups_taken)",
        _field("cost", "empty_poll_share"),
    ),
    Number(
        "wakeups_raised_per_event",
        "ratio",
        "wakeups_raised / attempted",
        _field("cost", "wakeups_raised_per_event"),
    ),
    Number(
        "storm_ns_per_process",
        "ns",
        "storm_ns / reaped",
        _over(lambda trial: storm_ns(trial) or None, lambda trial: trial.storm.reaped),
    ),
    *_fields(
        "write",
        "ns",
        write_ns="from before the stamp of a record until its output call has returned, mean of "
        "those that succeeded; of duets",
        refused_write_ns="the same of those that were refused",
    ),
    Number("occupancy_max_share", "share", "most of the data bytes not yet read", _fullest),
    Number(
        "consumer_busy_share", "share", "the consumer's CPU time over storm_ns, at most 1", _busy
    ),
)
NUMBERS: Final = {
    each.key: each
    for each in (
        Number(
            "reaped", "processes", "processes of the storm waited for", attrgetter("storm.reaped")
        ),
        Number("storm_ns", "ns", "the storm's length, by the generator's clock", storm_ns),
        *_RECORDS,
        *_fields("ledger", "processes", own_exits="exits of the storm that the tracer saw"),
        *_fields("ledger", "processes", missed="reaped - own_exits: hidden from the tracer"),
        *_ORDER,
        *_LATENCY,
        *_MEMORY,
        *_COST,
        *_DERIVED,
    )
}
"""Every number of a trial by its name, in the order of docs/metrics.md."""


def number(key: str) -> Callable[[TrialResult], Value]:
    """Return what takes the number ``key`` from a trial."""
    return NUMBERS[key].of
