# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about events per second, and about the cost of a consumer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from bench.amounts import bound, digits, millions, time
from bench.plan.budgets import MIB
from bench.plan.config import Consumer, Wake
from bench.plan.experiments import Experiment
from bench.questions.claims import quantities, rules
from bench.questions.claims.claim import Side
from bench.questions.claims.compare import Detail, Of, alone, both, form, less, levels, over, said
from bench.questions.claims.contrast import NEARLY_NONE, SURE, Contrast, sides
from bench.questions.claims.evidence import Evidence
from bench.questions.claims.planner import MORE_BLOCKS, MOST_BLOCKS, Planner, sending, titled
from bench.questions.transports.profiles import EPOLL, PERFBUF, RINGBUF, TRANSPORTS

_LONGER: Final = 16  # times as many records, if only the ring is measured

_titled = titled(
    {
        "rate-default": "Which delivers more events a second at default wake-ups?",
        "rate-sampled": "Which delivers more events a second if perf wakes at every 500th?",
        "same-cpu": "What if producer and consumer share one CPU?",
        "consumer-cost": "Does a consumer that does more work get more, because it is woken less?",
    }
)


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return millions of records per second, over all CPUs and over one."""
    # Long enough to pass from one regime of wake-ups into the other and back.
    default = on.amplified(max(20 * on.workers, 120), 1_000)
    read_elsewhere = replace(default, consumer=replace(EPOLL, cpu=on.cpus[-1]))
    # One writes and another reads, each on its own CPU as in the kernel's own benchmark: a free
    # scheduler's choices differ more from trial to trial than the transports do.
    batched = on.on_cpus(on.amplified(200, 1_000, consumer=Consumer(cpu=on.cpus[-1])), 1)
    longer = replace(batched, storm=replace(batched.storm, count=300))
    sampled = sending(batched, wake=Wake.WATERMARK, watermark=500)
    # Few, since the perf buffer is far slower here; a time limit would make loads unequal.
    one_cpu = on.on_cpus(on.amplified(100, 1_000, consumer=Consumer(cpu=on.cpus[0])), 1)
    # A ring for as many records as in the published run, which took 16 bytes of 512 KiB each.
    one_cpu_bytes = 4 * MIB
    # Such a storm takes 10 ms on a ring, which few of them overflow.
    prolonged = replace(one_cpu, storm=replace(one_cpu.storm, count=_LONGER * one_cpu.storm.count))
    roomy_bytes = on.holding(default, times=2)
    costs = {
        f"{cost_ns}ns": replace(longer, consumer=Consumer(cost_ns=cost_ns, cpu=on.cpus[-1]))
        for cost_ns in (0, 100, 300, 1_000)
    }
    at_default = (
        *on.each(roomy_bytes, {"": default}, (*TRANSPORTS, "sharded")),
        on.arm(RINGBUF, roomy_bytes, "1cpu", on.on_cpus(read_elsewhere, 1)),
    )
    at_500th = (
        on.arm(RINGBUF, MIB, "", batched),
        on.arm(PERFBUF, MIB, "every500", sampled),
        on.arm(RINGBUF, MIB, "every500", sampled),
    )
    return (
        _titled("rate-default", at_default, blocks=MOST_BLOCKS),
        _titled("rate-sampled", at_500th, twins=(2,), blocks=MORE_BLOCKS),
        _titled(
            "same-cpu",
            (
                *on.each(one_cpu_bytes, {"": one_cpu}),
                on.arm(RINGBUF, one_cpu_bytes, "longer", prolonged),
            ),
            twins=(),  # rates differ fiftyfold
        ),
        _titled("consumer-cost", on.each(MIB, costs, (RINGBUF,))),
    )


_delivered = partial(both, quantities.drained_per_s)
_lost = partial(Of.taking, take=quantities.dropped_share)
_RING, _PB = _delivered("rate-default").values()
_SHARDED: Final = replace(_RING, transport="sharded")
_USUAL: Final = Of(quantities.steady_per_s, "rate-sampled", "ringbuf")
_RING_500, _PERF_500 = both(quantities.steady_per_s, "rate-sampled", "every500").values()
_ONE_RING, _ONE_PERF = _delivered("same-cpu").values()
_LONG_RING: Final = Of(
    quantities.dropped_share, "same-cpu", RINGBUF, "longer", before=_lost(_ONE_RING)
)
_COSTS: Final = {
    f"{time(cost_ns)} a record": Of(
        quantities.drained_per_s, "consumer-cost", "ringbuf", f"{cost_ns}ns"
    )
    for cost_ns in (100, 300, 1_000)
}
_NO_COST: Final = Of(quantities.drained_per_s, "consumer-cost", "ringbuf", "0ns")
# If each record wakes the consumer, waking it is most of its cost.
_cpu = partial(Of, quantities.cpu_s_per_million)
_LOADS: Final = {
    "under a storm": [_cpu("storm", way, budget="1MiB") for way in (PERFBUF, RINGBUF)],
    "under an amplified storm": [_cpu("rate-default", way) for way in (PERFBUF, RINGBUF)],
}


def _rates(reference: Of, **parts: Of) -> Detail:
    """Return rate and wake-ups of each part, the rate as paired with ``reference``."""

    def lines(evidence: Evidence) -> Iterator[str]:
        for words, part in parts.items():
            rate, _ = sides(part(evidence), reference(evidence))
            wakeups = {"": part.taking(quantities.raised_per_event)}
            raised = levels(form("{}, {} wake-ups raised per event", digits), wakeups)
            yield f"{words}: {millions(rate)}{''.join(rules.lines([raised], evidence))}"

    return lines


_rate = partial(over, "delivered a second, rb over pb")
_SHARDED_DROPS: Final = less("dropped, sharded rb less pb", _lost(_SHARDED), _lost(_PB))
_ONE_DROPS: Final = alone("dropped on rb in longer storms", _LONG_RING)
_ONE_FASTER: Final = _rate(_ONE_RING, _ONE_PERF)


def _drops_more(evidence: Evidence) -> tuple[str, Contrast, float] | None:
    drops = _SHARDED_DROPS(evidence)
    shown = drops.measured().low > drops.bound and drops.p[0] < SURE
    return ("it drops more", drops, drops.p[0]) if shown else None


def _lost_nothing(evidence: Evidence) -> tuple[str, Contrast, float] | None:
    """Show a ring that delivers more and drops nothing.

    A difference of exactly 0 has no interval that could lie below a bound.
    """
    faster = _ONE_FASTER(evidence)
    lost = any(_LONG_RING(evidence).values.values())
    if lost or rules.all_of([faster]).verdict is not rules.REPRODUCED:
        return None
    ledgers = (trial.ledger for trial in _LONG_RING.arm(evidence).trials)
    records = sum(ledger.own_attempted for ledger in ledgers if ledger is not None)
    none = rules.none_seen(records, "records")
    return f"rb delivers more, but dropped {none}", faster, faster.p[0]


CLAIMS: Final = (
    Side.RING.timed(
        id="rb-faster-default",
        statement="more events a second at default wake-ups",
        sources="BENCH",
        published="12.05 against 0.93 M/s",
        test="amplified, default wake-ups",
        reproduced_when="delivered-rate ratio > 1",
        experiments=("rate-default",),
        rule=rules.above(
            _rate(_RING, _PB),
            details=[_rates(_PB, rb=_RING, pb=_PB)],
        ),
    ),
    Side.RING.timed(
        id="rb-faster-sampled",
        statement="also when pb wakes every 500th",
        sources="BENCH",
        published="11.56 against 9.89 M/s",
        test="amplified, pb wakeup_events 500, rb woken as often; beside it rb at its default; "
        "rate in the middle 80 % of deliveries, since the last few wait for the end",
        reproduced_when="ratio > 1",
        experiments=("rate-sampled",),
        rule=rules.above(
            _rate(_RING_500, _PERF_500),
            details=(
                _rates(_PERF_500, **{"rb, every 500th": _RING_500, "pb, every 500th": _PERF_500}),
                # Not judged: its wake-ups depend on which is quicker.
                _rates(_PERF_500, **{"rb, default": _USUAL}),
                said(over("rb at its default over pb at every 500th", _USUAL, _PERF_500)),
            ),
        ),
    ),
    Side.RING.timed(
        id="rb-less-consumer-cpu",
        statement="consuming costs less CPU",
        sources="Retina docs",
        published="1.5 to 6 times",
        test="CPU seconds per million events, under a storm and amplified",
        reproduced_when="pb/rb > 1, in the mean of both loads",
        experiments=("storm", "rate-default"),
        rule=rules.mean_above(
            "consumer's CPU time a record, pb over rb, mean of both loads",
            [over(words, *parts) for words, parts in _LOADS.items()],
        ),
    ),
    Side.RING.timed(
        id="sharded-rb-beats-pb",
        statement="one ring per CPU still beats pb",
        sources="BLOG",
        test="sharded ring buffers against pb, amplified",
        reproduced_when="rate ratio > 1, and at most 1 % more of the records dropped",
        experiments=("rate-default",),
        rule=rules.refuted_by(
            rules.held(
                rules.above(
                    over("delivered a second, sharded rb over pb", _SHARDED, _PB),
                    details=[_rates(_PB, sharded=_SHARDED, pb=_PB)],
                ),
                _SHARDED_DROPS,
                words=f"it drops no more, to {bound(NEARLY_NONE)} of records",
            ),
            _drops_more,
        ),
    ),
    Side.PERF.timed(
        id="rb-same-cpu",
        statement="sharing one CPU with its consumer, rb delivers more but drops, pb does not",
        sources="BENCH",
        published="3.05 and 3.54 dropped, against 1.39 and 0",
        test="producer and consumer on one CPU; what rb drops in storms of 16 times as many "
        "records",
        reproduced_when="rate ratio > 1, some dropped on rb, and at most 1 % on pb",
        experiments=("same-cpu",),
        rule=rules.refuted_by(
            rules.held(
                rules.above(
                    _ONE_FASTER, _ONE_DROPS, details=[_rates(_ONE_PERF, rb=_ONE_RING, pb=_ONE_PERF)]
                ),
                alone("dropped on pb", _lost(_ONE_PERF)),
                words=f"pb drops at most {bound(NEARLY_NONE)}",
            ),
            _lost_nothing,
        ),
    ),
    Side.PERF.timed(
        id="fast-consumer-hurts-rb",
        statement="a lighter consumer is woken more and delivers less",
        sources="BENCH",
        published="8.16 against 12.05 M/s",
        test="consumer cost per record swept",
        reproduced_when="rate rises somewhere as the cost grows",
        experiments=("consumer-cost",),
        rule=rules.above(
            *(
                over(f"delivered a second, {cost} over none", part, _NO_COST)
                for cost, part in _COSTS.items()
            ),
            details=[_rates(_NO_COST, **{"no cost": _NO_COST}, **_COSTS)],
            side=-1,
        ),
    ),
)
