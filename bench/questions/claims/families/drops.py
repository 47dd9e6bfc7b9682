# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about drops: how many, on which CPU, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.amounts import bound, counted, share
from bench.judge.metrics import Unit
from bench.judge.statistics import Scale
from bench.linux.pages import PAGE_BYTES
from bench.plan.budgets import MIB
from bench.plan.config import MIXED, Call, Consumer, Poll, Producer, Wake
from bench.plan.experiments import Experiment
from bench.questions.claims import quantities
from bench.questions.claims.claim import Side
from bench.questions.claims.compare import Of, alone, both, form, less, levels
from bench.questions.claims.contrast import NEARLY_NONE, Contrast, difference, share_margin
from bench.questions.claims.evidence import Evidence, NotApplicable, NotMeasured, Series, series
from bench.questions.claims.families.memory import LADDERS
from bench.questions.claims.planner import MORE_BLOCKS, Planner, experiment, sending, trial
from bench.questions.claims.rules import above, held, inside, mean_above
from bench.questions.transports.profiles import RINGBUF
from bench.report.units import budget as spaced
from workloads.storm import Gap, Shape, Storm

_STORMS: Final = ("storm", "burst", "hotcpu", *LADDERS)


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return the cost of a union's unused bytes, and the effect of one CPU on another's room.

    With their true lengths, 1,374 bytes on average with headers, its records fit into 1 MiB.
    """
    mixed = trial(
        Storm(shape=Shape.HOTCPU, count=500),
        Consumer(poll=Poll.STOPPED),
        Producer(payload_bytes=MIXED),
    )
    calls = {call.value: sending(mixed, call=call) for call in (Call.RESERVE, Call.LARGEST)}
    lengths = experiment(
        "union",
        "What does reserving the longest record for every one cost in room?",
        on.each(MIB, calls, (RINGBUF,)),
    )
    # At random, since equal intervals would keep step with the reader's. By time, however fast the
    # hot CPU is, so that the quiet one has some hundred exits.
    uneven = Storm(
        shape=Shape.UNEVEN,
        rate_per_s=800.0,
        gap=Gap.EXPONENTIAL,
        count=40_000,
        seconds=0.5,
        timed=True,
    )
    drained = Consumer(poll=Poll.TIMED, interval_ms=20.0)
    noisy = trial(uneven, drained, Producer(records_per_exit=10, wake=Wake.NONE))
    title = "Does one hot CPU take the room of a quiet one?"
    arms = on.each(16 * PAGE_BYTES, {"": noisy})
    # Losses differ by most of the records, unlike those of any A/A pair so far.
    return lengths, experiment("noisy-cpu", title, arms, twins=(), blocks=MORE_BLOCKS)


def _cells(evidence: Evidence) -> Iterator[Contrast]:
    """Yield every storm at every budget at which either side lost something.

    Either, not only the perf buffer: choosing by one side's losses would favour the other. Skewed
    and spread storms must be among them; over kernels only these are run.
    """
    take = quantities.dropped_share
    margin = share_margin(evidence, take, *_STORMS)
    for name in _STORMS:
        samples = evidence.samples(name)
        if name in LADDERS and not samples.arms:
            raise NotMeasured(name)
        for budget, *arms in evidence.pairs(name):
            ring, perf = (series(samples.name, arm, take) for arm in arms)
            if any(perf.values.values()) or any(ring.values.values()):
                yield difference(f"{samples.name} at {spaced(budget)}", perf, ring, margin=margin)


_LARGEST, _TRUE = (
    Of(quantities.dropped_share, "union", RINGBUF, call.value)
    for call in (Call.LARGEST, Call.RESERVE)
)
_QUIET: Final = both(quantities.quiet_dropped_share, "noisy-cpu")
_QUIET_LOSSES: Final = levels(
    form("the quiet CPU lost {1} on {0}", share), _QUIET, _QUIET["pb"], Scale.DIFFERENCE
)
_SHARED_ALIKE: Final = 0.05
_APART: Final = Of(quantities.lost_apart, "noisy-cpu", RINGBUF)


def _apart(evidence: Evidence) -> list[Series]:
    """Return the excess share of records that the quiet CPU lost; NotMeasured without the arm."""
    try:
        return [_APART(evidence)]
    except NotMeasured:
        arm = _APART.arm(evidence)
        raise NotApplicable(f"nothing was lost in {counted(len(arm.by_place), 'trial')}") from None


CLAIMS: Final = (
    Side.RING.claim(
        id="rb-fewer-drops",
        statement="at equal budget rb loses less",
        sources="bpf list 2023; DataDog/datadog-agent#22350",
        published="10 % fewer",
        test="storm and burst at equal budgets; skewed to one CPU, then spread",
        reproduced_when="the paired loss difference favours rb, in the mean over all storms and "
        "budgets in which either loses anything",
        experiments=_STORMS,
        rule=mean_above(
            "share dropped, pb less rb, mean over storms and budgets",
            _cells,
            without="neither lost anything at any budget: there is nothing to compare",
        ),
    ),
    Side.PERF.claim(
        id="union-wastes",
        statement="reserving the largest member of a union loses what true lengths do not",
        sources="sched-ext/scx#3442",
        published="21 % lost against 0",
        test="records of four lengths, reader stopped, in a ring that has room for all of them",
        reproduced_when="share dropped is larger where each is reserved as the longest, and at "
        "most 1 % by true lengths",
        experiments=("union",),
        rule=held(
            above(less("share dropped, longest less true lengths", _LARGEST, _TRUE)),
            alone("share dropped by true lengths", _TRUE),
            words=f"by true lengths at most {bound(NEARLY_NONE)} is lost",
        ),
    ),
    Side.PERF.claim(
        id="rb-noisy-cpu",
        statement="one busy CPU starves the others of ring space",
        sources="optiqor/kerno#35",
        test="one hot CPU, one quiet",
        reproduced_when="quiet CPU loses more on rb than on pb, where it loses at most 1 %",
        experiments=("noisy-cpu",),
        rule=held(
            above(
                less("share that the quiet CPU lost, rb less pb", *_QUIET.values()),
                details=[_QUIET_LOSSES],
            ),
            alone("share that the quiet CPU lost on pb", _QUIET["pb"]),
            words=f"the quiet CPU loses at most {bound(NEARLY_NONE)} on pb",
        ),
        cpus=2,
    ),
    Side.RING.counted(
        id="rb-backpressure",
        statement="a ring that refuses when it is full makes sampling unnecessary",
        sources="microsoft/retina#2208, microsoft/retina#1967",
        test="one hot CPU, one quiet, and a ring too small for them: whether each CPU loses the "
        "same share, as by one in N",
        reproduced_when="the quiet CPU's lost share is within 5 points of the hot one's",
        experiments=("noisy-cpu",),
        rule=inside(
            "share lost on rb, the quiet CPU's less the hot one's",
            _apart,
            low=-_SHARED_ALIKE,
            high=_SHARED_ALIKE,
            bound=0.0,
            unit=Unit.SHARE,
            each="points",
        ),
        cpus=2,
    ),
)
