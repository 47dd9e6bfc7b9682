# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure an observation, and decide whether it counts; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from bench.amounts import bound, counted, seconds, share, time
from bench.measure import by_cpu, cost, late, latency, ledger, ordering, restoring, timeline
from bench.measure.ledger import Ledger, intact
from bench.tracer.settings import lengths
from bench.tracer.transports import traits
from bench.trial.observation import Observation
from bench.trial.result import Conditions, State, TrialResult

STEAL_BOUND: Final = 0.20
"""Share of CPU time stolen beyond which a trial is noisy.

In a nested guest each wake-up of an idle CPU counts as some steal: quiet trials show up to 15 %.
"""


FOREIGN_CPUS_BOUND: Final = 0.25
"""CPU seconds per second that others used, beyond which a trial is noisy, unless the sampling
error is larger: in short trials, or over many CPUs."""

OTHER_EXITS_BOUND: Final = 0.05
"""Exits outside the storm, as a share of its records, beyond which a trial is noisy."""

STALLED_BOUNDS: Final = {"memory": 0.10, "io": 0.10}
"""Shares of time in which some task waited (PSI), beyond which a trial is noisy.

A trial itself never reads, writes or reclaims. But the storm's own processes wait for CPUs, so CPU
pressure has no bound.
"""

AWAY_BOUND_NS: Final = 500_000_000
"""Longest time that the harness did not run, beyond which a trial is noisy."""


def assess(bare: TrialResult, seen: Observation, *, with_timeline: bool = False) -> TrialResult:
    """Measure all numbers of a trial, and add them to those known without a transport.

    If the trial's times are from different clocks, nothing that compares them is measured.
    """
    storm = seen.passage.storm
    producer, torn, capture = bare.config.producer, None, seen.records
    if producer.checked:
        records = intact(seen.records)
        torn, seen = len(seen.records) - len(records), replace(seen, records=records)
    counters, lost = ledger.overwritten(
        seen.records, seen.counters, seen.overwritten_bytes, lengths(producer)
    )
    undated = latency.clock_faults(seen.records, storm)
    book = ledger.balance(
        seen.records,
        counters,
        storm.reaped,
        torn=torn,
        in_kernel=seen.counted,
        preemptible=producer.attach.preemptible,
        faults=(*lost, *_misread(seen), *undated),
    )
    bare = replace(bare, ledger=book, memory=seen.memory, lost_told=seen.lost_told)
    if undated:
        return bare
    return replace(
        bare,
        ordering=ordering.examine(seen.records) if seen.counted is None else None,
        latency=latency.measure(seen.records, capture) if seen.counted is None else None,
        cost=cost.measured(
            seen.cost, seen.records, delivered=book.delivered, attempted=book.attempted
        ),
        by_cpu=by_cpu.shares(seen.records, counters, seen.counted),
        occupancy=cost.occupancy(
            seen.occupancy[:, 1],
            seen.memory.footprint.data_bytes,
            consumer_cpu_ns=seen.cost.consumer_cpu_ns,
            storm_ns=seen.cost.storm_ns,
        ),
        skipped_told=seen.skipped_told,
        late=late.diagnose(
            seen.records,
            seen.late,
            involuntary_switches=seen.cost.consumer_involuntary_switches,
        )
        if seen.late and not torn  # the rows would not match
        else None,
        timeline=timeline.trace(seen.records, seen.occupancy, origin_ns=storm.start_ns)
        if with_timeline
        else None,
        restored=restoring.restore(seen.records, seen.cpus)
        if traits(bare.config.transport).one_for_each_cpu and bare.config.consumer.threads == 1
        else (),
    )


def _misread(seen: Observation) -> Iterator[str]:
    if seen.malformed:
        yield f"{counted(seen.malformed, 'record was', 'records were')} malformed"
    if seen.misdated:
        yield f"{seen.misdated} visits ended before the delivery that they recorded last"


def state_of(
    account: Ledger | None, conditions: Conditions, lacking: tuple[str, ...] = ()
) -> tuple[State, tuple[str, ...]]:
    """Return a trial's state, and why: the gravest reason decides, all are given.

    ``lacking``: how the storm fell short.
    """
    grave: dict[State, list[str]] = {
        State.INVALID: [*conditions.kernel_complaints],
        State.REDUCED: [*lacking],
        State.DISTURBED: [],
        State.NOISY: [],
    }
    if account:
        grave[State.INVALID] += account.residues
    if account and account.missed > 0:
        grave[State.DISTURBED].append(
            f"the kernel skipped the tracer at {counted(account.missed, 'exit')}"
        )
    if conditions.steal_share > STEAL_BOUND:
        grave[State.NOISY].append(f"{share(conditions.steal_share)} of CPU time was stolen")
    if conditions.away_ns is not None and conditions.away_ns > AWAY_BOUND_NS:
        away = f"the harness did not run for {time(conditions.away_ns)}"
        grave[State.NOISY].append(f"{away}: stopped, frozen or starved")
    grave[State.NOISY] += _competition(conditions, account)
    if conditions.neighbours:
        others = ", ".join(conditions.neighbours)
        grave[State.NOISY].append(f"others' programs ran at the same event: {others}")
    grave[State.NOISY] += conditions.unbuffered
    state = next((state for state, reasons in grave.items() if reasons), State.VALID)
    return state, tuple(reason for reasons in grave.values() for reason in reasons)


def _competition(conditions: Conditions, account: Ledger | None) -> Iterator[str]:
    """Yield, with its bound, each activity of others that exceeds one."""
    foreign = conditions.foreign_cpus
    most = max(FOREIGN_CPUS_BOUND, conditions.foreign_cpus_error)
    if foreign is not None and foreign > most:
        yield f"others' processes used {foreign:.2f} CPU seconds a second (bound: {most:.2f})"
    own = account.own_attempted if account is not None else 0
    if account is not None and conditions.other_exits > OTHER_EXITS_BOUND * own:
        yield (
            f"{counted(conditions.other_exits, 'process', 'processes')} outside the storm "
            f"exited beside its {own:,} "
            f"records (bound: {bound(OTHER_EXITS_BOUND)})"
        )
    for name, most in STALLED_BOUNDS.items():
        waited = conditions.stalled.get(name, 0.0)
        if waited > most:
            yield f"tasks waited for {name} in {share(waited)} of the time (bound: {bound(most)})"
    if conditions.throttled_s:
        yield (
            f"the CPU quota of the cgroup (cpu.max) stopped tasks for "
            f"{seconds(conditions.throttled_s)} (bound: 0)"
        )
