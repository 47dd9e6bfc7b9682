# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about wake-ups: when they are raised, what they cost, whether one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Final

from bench.amounts import counted, digits, given, time
from bench.judge.statistics import FEWEST_BLOCKS
from bench.linux.pages import PAGE_BYTES
from bench.plan.budgets import MIB
from bench.plan.config import Call, Producer, Wake
from bench.plan.experiments import Experiment
from bench.questions.claims import quantities, rules
from bench.questions.claims.claim import Finding, Side
from bench.questions.claims.compare import Of, both, form, less, levels, over
from bench.questions.claims.contrast import ABOUT_EQUAL, sides
from bench.questions.claims.evidence import Evidence, NotMeasured
from bench.questions.claims.planner import (
    BLOCKS,
    DUET_STORMS,
    MORE_BLOCKS,
    MOST_BLOCKS,
    MOST_DUET_STORMS,
    Planner,
    sending,
    titled,
    trial,
)
from bench.questions.transports.profiles import DUET_WINDOW, EPOLL, PERFBUF, RINGBUF, TIMED
from bench.report.units import budget
from workloads.storm import Shape, Spawn, Storm

BURSTS: Final = 10_000  # small ones, over all blocks; none may end without a wake-up
_BURST_RECORDS: Final = 200  # of each exit, so that a burst certainly overruns the smaller buffers
_CONTROL: Final = 5  # times fewer if every record wakes: the control for the machine's delays
_BURSTS: Final = "burst-forced"
_POLICIES: Final = (Wake.NONE, Wake.ADAPTIVE, Wake.FORCED)
_STORMS: Final = {"wake-adaptive": MOST_DUET_STORMS, "wake-forced": DUET_STORMS}
"""Of the duets that are judged; the others are shown beside them."""

_titled = titled(
    {
        "backlog": "How many wake-ups does a record raise as records come closer together?",
        _BURSTS: "Do forced wake-ups lose less in a burst, or more?",
        "last-record": "Is the last record of a small burst ever left without a wake-up?",
    }
)


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return what wake-ups cost, when they are raised, and whether one is ever missing."""
    amplified = on.amplified(75 * on.workers, 200)
    roomy_bytes = on.holding(amplified, times=4)
    title = "What does a record cost the kernel, by how it wakes the consumer?"
    policies = {
        f"{way}-{more}": {
            str(wake): (RINGBUF, replace(sending(amplified, wake=wake), consumer=consumer))
            for wake in (more, less)
        }
        for way, consumer in (("wake", EPOLL), ("wake-timed", TIMED))
        for less, more in pairwise(_POLICIES)
    }
    # From one CPU: if several write, the ring's lock dominates the cost.
    unwoken = on.on_cpus(sending(amplified, wake=Wake.NONE), 1)
    unwoken = replace(unwoken, consumer=replace(EPOLL, cpu=on.cpus[-1]))
    calls = {"output": (RINGBUF, sending(unwoken, call=Call.OUTPUT)), "perf": (PERFBUF, unwoken)}
    several = Storm(
        shape=Shape.BURST, workers=1, spawn=Spawn.FORK, burst_size=75, count=600, pause_ms=2.0
    )
    small = replace(several, burst_size=2, pause_ms=1.0, count=2 * BURSTS // BLOCKS)
    # Whether the reader has a CPU to itself decides the losses, so that is not left to chance.
    apart = replace(several, cpus=(on.cpus[0],))
    elsewhere = replace(EPOLL, cpu=on.cpus[-1])
    diagnosed = replace(EPOLL, late_ms=small.pause_ms)
    fewer = replace(small, count=small.count // _CONTROL)
    last = {
        wake.value: trial(storm, diagnosed, Producer(wake=wake))
        for wake, storm in zip(_POLICIES[1:], (small, fewer), strict=True)
    }
    bursts = (
        on.arm(
            RINGBUF,
            pages * PAGE_BYTES,
            wake.value,
            trial(
                replace(apart, count=processes),
                elsewhere,
                Producer(wake=wake, records_per_exit=_BURST_RECORDS),
            ),
        )
        # The smaller ring overflows however the reader is woken, as a few bursts show.
        for pages, processes in ((4, 150), (16, 600))
        for wake in _POLICIES[1:]
    )
    loads = {records: on.amplified(4_000 // records, records) for records in (1, 10, 100)}
    return (
        *(
            on.duet(
                name,
                title,
                arms,
                roomy_bytes,
                assign=DUET_WINDOW,
                storms=_STORMS.get(name, BLOCKS),
            )
            for name, arms in policies.items()
        ),
        on.duet("wake-output", title, calls, roomy_bytes, storms=BLOCKS),
        _titled(
            "backlog",
            (arm for records in loads for arm in on.each(MIB, {f"{records}x": loads[records]})),
            blocks=MORE_BLOCKS,
        ),
        _titled(
            _BURSTS,
            bursts,
            twins=(),  # A/A pairs never changed the margin: their time goes to longer storms
            blocks=MOST_BLOCKS,
        ),
        _titled("last-record", on.each(16 * PAGE_BYTES, last, (RINGBUF,)), twins=()),
    )


_raised = partial(Of, quantities.raised_per_event, "backlog")
_BACKLOG: Final = [*both(quantities.raised_per_event, "backlog", "1x", "100x").values()]
_RAISED: Final = [
    levels(
        form("{}: {} raised per event", digits),
        {f"{words}, {counted(load, 'record')} at once": _raised(many.transport, f"{load}x")},
        many,
    )
    for words, many in (("rb", _BACKLOG[1]), ("pb", _BACKLOG[3]))
    for load in (1, 10, 100)
]


def _uncounted(evidence: Evidence) -> str:
    trials = [trial for part in _BACKLOG for trial in part.arm(evidence).trials]
    if any(trial.cost and trial.cost.wakeups_raised is not None for trial in trials):
        return ""
    return "/proc/interrupts has no line IWI, so wake-ups raised are not recorded"


def _none_missed(evidence: Evidence) -> Finding:
    """Judge that no record is left without a wake-up: a count of 0, with its bound.

    A record without a wake-up waits for the next burst, at least the pause between bursts. So does
    one whose wake-up came while the machine was busy, however the consumer is woken. If a trial
    does not record which it was, the claim holds only if no record waited at all: an equal number
    of waits with a wake-up at every record would not prove it.
    """
    parts = [
        Of(quantities.late_share, "last-record", "ringbuf", wake) for wake in ("adaptive", "forced")
    ]
    more = less("share that waited for the next burst, adaptive less forced", *parts)(evidence)
    arms = [part.arm(evidence) for part in parts]
    found, forced = (quantities.late_records(arm.trials) for arm in arms)
    bursts, left = f"{found.bursts:,} bursts", found.stranded
    stranded = f"{counted(left or 0, 'record was', 'records were')} left without a wake-up"
    unknown = f"of {found.unknown:,} records that waited it is not known whether one was raised"
    few = found.bursts < BURSTS or more.blocks < FEWEST_BLOCKS
    said = rules.first(
        (left, rules.REFUTED, f"{stranded} in {bursts}"),
        (found.unknown, rules.INCONCLUSIVE, unknown),
        (few, rules.INCONCLUSIVE, f"{bursts} of {BURSTS:,}"),
        (True, rules.REPRODUCED, f"a record was left in {rules.none_seen(found.bursts, 'bursts')}"),
    )
    per_block = max(1, found.bursts // max(1, len(arms[0].by_place)))
    return Finding(
        *said,
        measured=more.measured(),
        blocks=more.blocks,
        further_blocks=max(1, -(-(BURSTS - found.bursts) // per_block)),
        details=(
            *([] if left is None else [f"{left:,} without a wake-up"]),
            f"{found.late:,} of {found.records:,} records waited for the next burst",
            f"{forced.late:,} of {forced.records:,} where every record wakes",
        ),
        rests_on=more.rests_on,
    )


_BY_POLICY: Final = tuple(
    f"{way}-{wake}" for way in ("wake", "wake-timed") for wake in _POLICIES[1:]
)


def _costs(more: Wake, less: Wake, waiting: str = "epoll") -> Iterator[Of]:
    """Yield the cost of a record by two policies; in journals without duets, only in the kernel."""
    duet = f"wake-{more}" if waiting == "epoll" else f"wake-{waiting}-{more}"
    for wake in (more, less):
        blocks = Of(quantities.steady_ns, "wake", RINGBUF, f"{wake}-{waiting}")
        yield Of(quantities.write_ns, duet, RINGBUF, wake, before=blocks)


def _policies(evidence: Evidence) -> Iterator[str]:
    """Yield the cost of a record under each policy, as paired."""
    duets = bool(evidence.samples("wake-adaptive").arms)
    for waiting in ("epoll", "timed", *(() if duets else ("stopped",))):
        pairs = {}
        for fewer, more in pairwise(_POLICIES):
            dearer, cheaper = _costs(more, fewer, waiting)
            pairs[more, fewer] = sides(dearer(evidence), cheaper(evidence))
        if duets:
            for (more, fewer), (of_more, of_fewer) in pairs.items():
                values = f"{time(of_more)} and {time(of_fewer)} a record"
                yield f"{more} and {fewer} wake-ups, {waiting} consumer: {values}"
            continue
        (of_adaptive, of_none), (of_forced, less) = pairs.values()
        of_policies = (of_none, of_adaptive, of_adaptive * of_forced / less)
        for policy, level in zip(_POLICIES, of_policies, strict=True):
            yield f"{policy} wake-ups, {waiting} consumer: {time(level)} a record"


def _forced_in_bursts(evidence: Evidence) -> Finding:
    """Judge that forced wake-ups matter for losses: both directions were published.

    They may lose more at one budget and less at another, so a mean over budgets is meaningless.
    """
    adaptive, forced = (
        [arm.name.budget for arm in evidence.arms(_BURSTS, RINGBUF, variant=wake)]
        for wake in _POLICIES[1:]
    )
    lost = partial(Of, quantities.dropped_share, _BURSTS, RINGBUF)
    each = {
        budget(size): less(
            f"dropped at {budget(size)}, forced less adaptive",
            lost("forced", size),
            lost("adaptive", size),
        )(evidence)
        for size in adaptive
        if size in forced
    }
    if not each:
        raise NotMeasured(_BURSTS)
    return rules.either_way("forced wake-ups lose", each)


CLAIMS: Final = (
    Side.RING.claim(
        id="rb-adaptive-wakeup",
        statement="wakes the consumer only when it has caught up",
        sources="DOC",
        test="wake-ups *raised* (irq_work) per event against load",
        reproduced_when="falls with backlog on rb, and within 1.25 times the same on pb",
        experiments=("backlog",),
        lacks=_uncounted,
        rule=rules.held(
            rules.above(
                over("raised per event on rb, 1 over 100 records at once", *_BACKLOG[:2]),
                over("the same, rb over pb", *_BACKLOG),
                details=_RAISED,
            ),
            over("raised per event on pb, 1 over 100 records at once", *_BACKLOG[2:], margin=0),
            low=1 / ABOUT_EQUAL,
            high=ABOUT_EQUAL,
            words=f"pb's stay within {given(ABOUT_EQUAL, 'times')}",
        ),
    ),
    Side.RING.counted(
        id="rb-no-missed-wakeup",
        statement="no record is left stranded without a wake-up",
        sources="BLOG",
        test="last event of a burst, blocking poll",
        reproduced_when="no record without a wake-up in 10,000 bursts, with its bound; in "
        "journals that do not record it, no record that waited for the next burst",
        experiments=("last-record",),
        rule=_none_missed,
    ),
    Side.RING.timed(
        id="manual-wakeup-boost",
        statement="batching wake-ups by hand raises throughput",
        sources="BENCH; taodd/cephtrace#188",
        published="1.1 to 20.9 M/s; 25 ns without, 1,410 ns with a waiting consumer",
        test="duets in windows of 1 ms, each policy with wake-ups of its own: kernel ns per record "
        "for adaptive, none, forced x waiting, timed drain",
        reproduced_when="none < adaptive < forced",
        experiments=_BY_POLICY,
        rule=rules.above(
            *(
                over(f"kernel ns a record, {more} over {less}, epoll consumer", *_costs(more, less))
                for less, more in pairwise(_POLICIES)
            ),
            details=[_policies],
        ),
        cpus=2,
    ),
    Side.PERF.claim(
        id="force-wakeup",
        statement="forced wake-ups cut losses (a tracexec report) or make it worse",
        sources="a tracexec report; cilium/pwru#195",
        published="contradictory",
        test="burst, adaptive against forced, the reader on another CPU",
        reproduced_when="say which at which budget, with the interval; refuted if they are shown "
        "to differ by less than 1 % of records at every budget",
        experiments=(_BURSTS,),
        rule=_forced_in_bursts,
    ),
)
