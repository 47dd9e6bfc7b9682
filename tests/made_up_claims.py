# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make up trials for claims: one number of one arm, in as many blocks as there are values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from made_up_trials import histogram, machine, trial

from bench.measure.by_cpu import CpuShare
from bench.measure.late import Late
from bench.plan.config import Duet, Producer
from bench.questions.claims.catalogue import judge
from bench.questions.claims.claim import Finding
from bench.questions.claims.evidence import Evidence, of_trials
from bench.record.counters import WriteTimes
from bench.trial.result import Half, State, TrialResult
from workloads.storm import Storm, StormReport

Set = Callable[[TrialResult, float], TrialResult]

RECORDS = 1_000  # attempted in every made-up trial
NOISE = (1.0, 1.02, 0.99, 1.01, 0.98, 1.0, 1.03, 0.97)


def _cost(made: TrialResult, **changes: object) -> TrialResult:
    assert made.cost is not None
    return replace(made, cost=replace(made.cost, **changes))  # type: ignore[arg-type]


def _losing(made: TrialResult, dropped: int) -> TrialResult:
    assert made.ledger is not None
    delivered = RECORDS - dropped
    ledger = replace(
        made.ledger,
        dropped=dropped,
        delivered=delivered,
        own_dropped=dropped,
        own_delivered=delivered,
    )
    return _cost(replace(made, ledger=ledger), delivered=delivered)


def rate(made: TrialResult, millions_per_s: float) -> TrialResult:
    """Set the rate at which records were delivered."""
    assert made.cost is not None
    return _cost(made, delivery_ns=round(made.cost.delivered * 1e3 / millions_per_s))


def steady_rate(made: TrialResult, millions_per_s: float) -> TrialResult:
    """Set the rate at which records were delivered, but for some at the end."""
    return _cost(rate(made, 1.0), steady_delivery_ns=1e3 / millions_per_s)


def ns(made: TrialResult, each_ns: float) -> TrialResult:
    """Set kernel ns of a record, every write a success."""
    return _cost(made, kernel_runs=1, kernel_run_ns=round(each_ns * RECORDS))


def refused_ns(made: TrialResult, each_ns: float) -> TrialResult:
    """Set kernel ns of a record, all but ten writes refused."""
    return ns(_losing(made, RECORDS - 10), each_ns)


def dropped(made: TrialResult, share: float) -> TrialResult:
    """Set the share of all records that were dropped."""
    return _losing(made, round(share * RECORDS))


def p50(made: TrialResult, micros: float) -> TrialResult:
    """Set the median latency."""
    assert made.latency is not None
    return replace(made, latency=replace(made.latency, p50_ns=round(micros * 1e3)))


def cpu(made: TrialResult, s_per_million: float) -> TrialResult:
    """Set the consumer's CPU time."""
    return _cost(made, consumer_cpu_ns=round(s_per_million * 1e3 * RECORDS))


def raised(made: TrialResult, per_event: float) -> TrialResult:
    """Set wake-ups raised, to one less, since one is always added."""
    return _cost(made, wakeups_raised=round(per_event * RECORDS) - 1)


def quiet_p50(made: TrialResult, micros: float) -> TrialResult:
    """Set the median latency of the last CPU's records."""
    return replace(made, by_cpu=(_share(0), _share(1, p50_ns=round(micros * 1e3))))


def quiet_dropped(made: TrialResult, share: float) -> TrialResult:
    """Set the last CPU's loss; the first one's is total and must not matter."""
    return replace(made, by_cpu=(_share(1, dropped=round(share * 1_000)), _share(0, dropped=1_000)))


def _share(cpu: int, *, dropped: int = 0, p50_ns: int = 10_000) -> CpuShare:
    return CpuShare(
        cpu=cpu,
        attempted=1_000,
        delivered=1_000 - dropped,
        dropped=dropped,
        latency_p50_ns=p50_ns,
        latency_p99_ns=2 * p50_ns,
    )


def spinning(made: TrialResult, share: float) -> TrialResult:
    """Set a thousand returns of poll, that share of them with nothing to read."""
    empty = round(share * 1_000)
    return _cost(made, empty_polls=empty, wakeups_taken=1_000 - empty)


def syscalls(made: TrialResult, per_event: float) -> TrialResult:
    """Set system calls of the consumer."""
    return _cost(made, consumer_syscalls=round(per_event * RECORDS))


def violations(made: TrialResult, count: float) -> TrialResult:
    """Set causal violations among 1,200 pairs."""
    assert made.ordering is not None
    return replace(
        made, ordering=replace(made.ordering, causal_pairs=1_200, causal_violations=round(count))
    )


def few_pairs(made: TrialResult, pairs: float) -> TrialResult:
    """Set causal pairs, none of them violated."""
    assert made.ordering is not None
    return replace(made, ordering=replace(made.ordering, causal_pairs=round(pairs)))


def rss(made: TrialResult, times: float) -> TrialResult:
    """Set VmRSS over physical bytes."""
    assert made.memory is not None
    observed = replace(
        made.memory.observed, rss_bytes=round(times * made.memory.footprint.physical_bytes)
    )
    return replace(made, memory=replace(made.memory, observed=observed))


def reporting(kind: str, share: float) -> Set:
    """Return a trial that lost as many records as given, and reported ``share`` of them."""

    def lose(made: TrialResult, count: float) -> TrialResult:
        lost = _losing(made, round(count))
        return replace(lost, lost_told={kind: round(share * count)} if count else {})

    return lose


def waited(every: int) -> Set:
    """Set p99 latency, in ms, of events once a millisecond, woken for at each ``every``-th."""

    def wait(made: TrialResult, p99_ms: float) -> TrialResult:
        assert made.latency is not None
        return replace(
            made,
            config=replace(made.config, producer=Producer(watermark=every)),
            storm=StormReport(made=1_000, reaped=1_000, start_ns=0, end_ns=10**9),
            latency=replace(made.latency, p99_ns=round(p99_ms * 1e6)),
        )

    return wait


def bursts(made: TrialResult, late: float) -> TrialResult:
    """Set 1,250 bursts of two, 1 ms apart; so many records waited 5 ms, the others 0.1."""
    assert made.latency is not None
    storm = Storm(count=2_500, burst_size=2, pause_ms=1.0)
    waits_ns = (5_000_000,) * round(late) + (100_000,) * (2_500 - round(late))
    return replace(
        made,
        config=replace(made.config, storm=storm),
        latency=replace(
            made.latency, count=2_500, max_ns=max(waits_ns), histogram=histogram(*waits_ns)
        ),
    )


def waking(made: TrialResult, wakeups: float) -> TrialResult:
    """Set how often bursts woke the reader."""
    return _cost(bursts(made, 0), wakeups_taken=round(wakeups))


def stranded(count: int, unknown: int = 0) -> Set:
    """Set how many bursts waited, and so many of these without a wake-up."""

    def take(made: TrialResult, late: float) -> TrialResult:
        left, unclear = min(count, round(late)), min(unknown, round(late))
        found = Late(
            threshold_ns=1_000_000,
            count=round(late),
            stranded=left,
            unscheduled=max(0, round(late) - left - unclear),
            slow_interrupt=0,
            not_waiting=0,
            unknown=unclear,
            involuntary_switches=0,
        )
        return replace(bursts(made, late), late=found)

    return take


def whole(made: TrialResult, right: float) -> TrialResult:
    """Balance for 1; leave a residue for 0."""
    if right:
        return made
    return replace(made, state=State.INVALID, reasons=("3 records were malformed",))


def arm(experiment: str, name: str, take: Set, values: Iterable[float]) -> list[TrialResult]:
    """Return a trial of an arm for each value, in blocks from 0."""
    return [
        take(trial(name, block, experiment=experiment), value) for block, value in enumerate(values)
    ]


def arms(experiment: str, take: Set, values: Mapping[str, Iterable[float]]) -> list[TrialResult]:
    """Return the trials of several arms, by name."""
    return [each for name, of_arm in values.items() for each in arm(experiment, name, take, of_arm)]


def ladder(experiment: str, ring_kib: int, perf_kib: int, blocks: int = 20) -> list[TrialResult]:
    """Return rungs of 8 to 128 KiB; a transport loses 5 % below its minimum, nothing from there."""
    return [
        each
        for transport, least in (("ringbuf", ring_kib), ("perfbuf", perf_kib))
        for rung in (8, 16, 32, 64, 128)
        for each in arm(
            experiment, f"{transport}@{rung}KiB", dropped, (0.05 * (rung < least),) * blocks
        )
    ]


def finding(claim: str, found: Evidence) -> Finding:
    """Return what is found of one claim."""
    return next(each.finding for each in judge(found).judgements if each.claim.id == claim)


def evidence(
    *arms: list[TrialResult], cpus: int = 2, facts: dict[str, str] | None = None
) -> Evidence:
    """Return the evidence of a machine with ``cpus`` CPUs."""
    here = replace(machine(), cpus_online=cpus, kernel_facts=facts or {})
    return of_trials([each for trials in arms for each in trials], here)


def noisy(value: float) -> tuple[float, ...]:
    """Return eight values around this one, within 3 %."""
    return tuple(value * noise for noise in NOISE)


def torn(value: float) -> tuple[float, ...]:
    """Return eight values of which half are twice and half are half of this one."""
    return tuple(value * factor for factor in (2.0, 0.5) * 4)


def read_time(made: TrialResult, each_ns: float) -> TrialResult:
    """Return the half of a duet whose consumer takes that long to read a record."""
    half = Half(second=False, key=1, swapped=False, ranks=None, washed_out=0)
    half = replace(half, reading_ns=round(each_ns * RECORDS))
    return replace(made, config=replace(made.config, duet=Duet()), half=half)


def write_time(made: TrialResult, each_ns: float) -> TrialResult:
    """Return the half of a duet whose writes take that long, without a clock that takes time."""
    return replace(
        made,
        config=replace(made.config, duet=Duet()),
        write=WriteTimes(
            written=RECORDS,
            written_ns=round(each_ns * RECORDS),
            refused=0,
            refused_ns=0,
            clock_ns=0.0,
            histogram=((round(each_ns), RECORDS),),
        ),
        half=Half(second=False, key=1, swapped=False, ranks=None, washed_out=0),
    )
