# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the numbers of a trial: one name, one definition, wherever they are exported.

Tables, reports, claims, gates and the suite take them from here; docs/metrics.md lists them. Names
that begin with ``own_`` count the storm's own records, others those of all processes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from bench.measure.restoring import Sorting
from bench.trial.result import TrialResult

Value = float | None
"""None: unknown, or without meaning in this trial."""
Take = Callable[[TrialResult], Value]
"""Takes a number from a trial."""


@dataclass(frozen=True, slots=True)
class Number:
    """Define one number of a trial."""

    key: str
    unit: str
    meaning: str
    of: Take


class At:
    """Take the value at ``path``; None where it breaks off."""

    def __init__(self, path: str) -> None:
        self.part, _, self.field = path.rpartition(".")  # "memory.observed", "rss_bytes"
        self._names = self.part.split(".") if self.part else []
        self._get = attrgetter(self.field)

    def __call__(self, trial: TrialResult) -> Value:
        """Take it from one trial."""
        found: Any = trial
        for name in self._names:
            if (found := getattr(found, name)) is None:
                return None
        value: Value = self._get(found)
        return value


@dataclass(frozen=True, slots=True)
class Ratio:
    """Take one number over another; None unless the latter is above 0."""

    above: Take
    below: Take

    def __call__(self, trial: TrialResult) -> Value:
        """Take it from one trial."""
        upper, lower = self.above(trial), self.below(trial)
        return upper / lower if upper is not None and lower is not None and lower > 0 else None


@dataclass(frozen=True, slots=True)
class Known:
    """Take a number; None where ``counted`` is 0 or None."""

    of: Take
    counted: Take

    def __call__(self, trial: TrialResult) -> Value:
        """Take it from one trial."""
        return self.of(trial) if self.counted(trial) else None


def take(formula: str) -> Take:
    """Take a path or one over another; "... if PATH" is None where that leads to 0 or None.

    bench/judge/columns.py takes them from many trials at once.
    """
    of, _, counted = formula.partition(" if ")
    above, _, below = of.partition(" / ")
    taken = Ratio(At(above), At(below)) if below else At(above)
    return Known(taken, At(counted)) if counted else taken


def _rows(part: str, rows: str, prefix: str = "", having: str = "") -> Iterator[Number]:
    """Yield the numbers of a trial's part, each a line of field, unit and meaning."""
    for line in rows.strip().splitlines():
        field, unit, words = line.split(maxsplit=2)
        of = take(f"{part}.{field}{having}")
        yield Number(prefix + field.rpartition(".")[2], unit, words, of)


def _derived(rows: str) -> Iterator[Number]:
    """Yield numbers by formula, each a line of name, unit and formula, then its meaning.

    Without a meaning the formula explains it.
    """
    for row in re.split(r"\n(?! )", rows.strip()):
        line, _, meaning = row.partition("\n")
        key, unit, formula = line.split(maxsplit=2)
        words = " ".join(meaning.split()) or re.sub(r"\w+\.", "", formula)
        yield Number(key, unit, words, take(formula))


_STORM: Final = """
reaped    processes  storm.reaped
  processes of the storm waited for
storm_ns  ns         storm_ns
  the storm's length, by the generator's clock
"""
_RECORDS: Final = """
attempted      records    output calls that the tracer began, for any process
delivered      records    records that the consumer held, of any process
dropped        records    output calls that the kernel refused, for any process
own_attempted  records    output calls for the storm's own exits
own_delivered  records    delivered records of the storm's own exits
own_dropped    records refused output calls for the storm's own exits; what the gate `drops` counts
own_exits      processes  exits of the storm that the tracer saw
missed         processes  reaped - own_exits: hidden from the tracer
torn           records    of those delivered, not what was sent; of arms that check it
"""
_ORDER: Final = """
causal_pairs        pairs      a child and its parent, both delivered, whose order is known
causal_violations   pairs      of those, delivered parent first; what the gate `causal` counts
inversions          events     own records delivered after a later one
lateness_p50_ns     ns         how far behind the latest timestamp, over the inverted: median
lateness_p99_ns     ns         the same, 99th percentile
lateness_max_ns     ns         the same, largest
displacement_p50    positions  places behind a sort by timestamp, over the inverted: median
displacement_p99    positions  the same, 99th percentile
displacement_max    positions  the same, largest
window_ns           ns         sort window: the least hold-back that restores order
window_events       events     the same, in events
window_cost_p50_ns  ns         latency that the window would add, median over own records
window_cost_p99_ns  ns         the same, 99th percentile
"""
_SORTED: Final = """
added_p50_ns       ns      latency added, median
added_p99_ns       ns      latency added, 99th percentile
held_bytes         bytes   most held at once
cpu_s_per_million  s       CPU time of sorting a million records
inversions         events  inversions that stay
causal_pairs       pairs   causal pairs among them
causal_violations  pairs   causal violations that stay
"""
_WAYS: Final = {
    Sorting.MERGE: "each round of reading merged by CPU",
    Sorting.HEAP_1MS: "held for 1 ms in a heap",
    Sorting.HEAP_10MS: "held for 10 ms in a heap",
    Sorting.HEAP_100MS: "held for 100 ms in a heap",
    Sorting.HEAP: "held for heap_hold_ns in a heap",
    Sorting.WATERMARK: "held until every CPU has sent a later one",
}
_LATENCY: Final = """
count    records  records with a latency: all delivered
p50_ns   ns       kernel timestamp to delivery, all delivered records: median
p90_ns   ns       kernel timestamp to delivery, 90th percentile
p99_ns   ns       kernel timestamp to delivery, 99th percentile
p999_ns  ns       kernel timestamp to delivery, 99.9th percentile
max_ns   ns       kernel timestamp to delivery, largest
"""
_LATENCY_ERROR: Final = """
error.count    records  records that shared a stamp with later ones
error.p50_ns   ns       by how much the median is too long, at most, for that reason
error.p90_ns   ns       the same of the 90th percentile
error.p99_ns   ns       the same of the 99th percentile
error.p999_ns  ns       the same of the 99.9th percentile
error.max_ns   ns       the same of the largest
"""
_MEMORY: Final = """
footprint.physical_bytes  bytes  memory of all buffers by formula, bookkeeping included
observed.rss_bytes        bytes  change of VmRSS over opening the buffers
observed.pinned_bytes     bytes  change of VmPin
observed.memlock_bytes    bytes  fdinfo's memlock
"""
_COST: Final = """
kernel_runs                    runs      runs of the BPF program, one an exit
kernel_run_ns                  ns        kernel time of all of them
consumer_cpu_ns                ns        CPU time of the consumer's thread
consumer_voluntary_switches    switches  its context switches by waiting
consumer_involuntary_switches  switches  its context switches by preemption
wakeups_taken                  wake-ups  returns of poll after which something was read
wakeups_raised                 wake-ups  irq_work interrupts on all CPUs
empty_polls                    polls     returns of poll with nothing to read
delivery_ns                    ns        first kernel timestamp to the last delivery
consumer_syscalls              calls     system calls of the consumer's thread
record_ns                      ns        from record to record of one exit: the median over exits
steady_delivery_ns             ns        from delivery to delivery in the middle 80 % of deliveries
"""
_DERIVED: Final = """
own_dropped_share           share      ledger.own_dropped / ledger.own_attempted
own_attempted_per_s         records/s  ledger.own_attempted / storm.seconds
  own_attempted over the storm's length
own_delivered_per_s         records/s  ledger.own_delivered / storm.seconds
  own_delivered over the storm's length
drained_per_s               records/s  ledger.delivered / cost.delivery_s
  delivered over delivery_ns: throughput where the storm ends before the reading does
causal_violation_share      share      ordering.causal_violations / ordering.causal_pairs
kernel_ns_per_run           ns         cost.kernel_run_ns / cost.kernel_runs
  kernel_run_ns / kernel_runs: per exit
kernel_ns_per_record        ns         cost.kernel_run_ns / ledger.attempted
  kernel_run_ns / attempted: per output call
consumer_cpu_s_per_million  s          cost.consumer_cpu_s_per_million
  consumer_cpu_ns per million delivered
switches_per_event          ratio      cost.consumer_switches / cost.delivered
  the consumer's context switches of both kinds / delivered
wakeups_taken_per_event     ratio      cost.wakeups_taken / cost.delivered
empty_polls_per_event       ratio      cost.empty_polls / cost.delivered
empty_poll_share            share      cost.empty_polls / cost.polls
  empty_polls / (empty_polls + wakeups_taken)
wakeups_raised_per_event    ratio      cost.wakeups_raised / cost.attempted
storm_ns_per_process        ns         storm_ns / storm.reaped if storm_ns
  storm_ns / reaped
steady_exit_ns              ns         cost.steady_exit_ns if ledger.lossless
  from exit to exit in the middle 80 % of the storm's own; where none was dropped
write_ns                    ns         write.write_ns
  from before the stamp of a record until its output call has returned, mean of those that
  succeeded, one that was held up as no longer than a bound; of duets
steady_write_ns             ns         write.steady_write_ns
  the same of the quickest 90 %: without interrupts
refused_write_ns            ns         write.refused_write_ns
  the same of those that were refused
read_ns                     ns         half.reading_ns / ledger.delivered
  reading_ns / delivered: the consumer's visits, held up ones bounded; of duets
occupancy_max_share         share      occupancy.max_share if occupancy.samples
  most of the data bytes not yet read
consumer_busy_share         share      occupancy.consumer_busy_share
  the consumer's CPU time over storm_ns, at most 1
"""


def _sorted(by: Sorting, name: str) -> Take:
    """Take a number of one way to restore order."""
    of = attrgetter(name)
    return lambda trial: next((of(each) for each in trial.restored if each.by is by), None)


def _restored() -> Iterator[Number]:
    hold = "hold-back by the clock: the least with which a heap restores the order of perf buffers"
    yield Number("heap_hold_ns", "ns", hold, _sorted(Sorting.HEAP, "hold_ns"))
    for by, way in _WAYS.items():
        for each in _rows("restored", _SORTED):
            meaning = f"{way}: {each.meaning}"
            yield Number(f"{by}_{each.key}", each.unit, meaning, _sorted(by, each.key))


NUMBERS: Final = {
    each.key: each
    for each in (
        *_derived(_STORM),
        *_rows("ledger", _RECORDS),
        *_rows("ordering", _ORDER),
        *_restored(),
        *_rows("latency", _LATENCY, "latency_", " if latency.count"),
        *_rows("latency", _LATENCY_ERROR, "latency_error_", " if latency.count"),
        *_rows("memory", _MEMORY),
        *_rows("cost", _COST),
        *_derived(_DERIVED),
    )
}
"""Every number of a trial by its name, in the order of docs/metrics.md."""


def number(key: str) -> Take:
    """Return the function that takes the number ``key`` from a trial."""
    return NUMBERS[key].of
