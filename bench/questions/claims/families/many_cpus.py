# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about many CPUs: the lock of their one ring, consumers of many perf buffers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from operator import attrgetter, neg, sub
from typing import Final, NamedTuple

from bench.amounts import brief, counted, seconds
from bench.judge.floor import LEAST_MARGIN
from bench.judge.numbers import number
from bench.judge.statistics import FEWEST_BLOCKS, loss_bound
from bench.linux import version
from bench.plan.budgets import KIB
from bench.plan.experiments import Experiment
from bench.questions.claims import rules
from bench.questions.claims.claim import Finding, Side
from bench.questions.claims.compare import WAYS, Of, form, levels, over
from bench.questions.claims.contrast import Contrast
from bench.questions.claims.evidence import Evidence, NotApplicable, NotMeasured
from bench.questions.claims.planner import Planner, experiment, power_of_two
from bench.questions.claims.quantities import cpu_s_per_million, write_ns
from bench.questions.transports.profiles import PERFBUF, RINGBUF, TRANSPORTS
from bench.trial.result import TrialResult

_NAME: Final = "many-buffers"
_PUBLISHED_CPUS: Final = 32


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return storms on half of the CPUs and on all of them."""
    writing = {"half": on.count // 2, "all": on.count}
    configs = {
        words: on.on_cpus(on.amplified(20 * count, 50), count) for words, count in writing.items()
    }
    title = "What does a record cost the consumer as more CPUs have a buffer in use?"
    return (experiment(_NAME, title, on.each(64 * KIB * power_of_two(on.count), configs)),)


_CPU: Final = {
    f"{words}, {half}": Of(cpu_s_per_million, _NAME, way, half)
    for words, way in reversed(WAYS.items())
    for half in ("all", "half")
}

_RESILIENT: Final = "rqspinlock"
_ALIKE: Final = 1.05  # a cost shown to change by less has not changed
_RELATIVE: Final = over(
    "time of a write, rb over pb",
    *(
        Of(write_ns, "storm-duet", way, before=Of(number("kernel_ns_per_record"), "cost", way))
        for way in TRANSPORTS
    ),
    margin=LEAST_MARGIN,
)


class _Writes(NamedTuple):
    """Hold a kernel's lock and the cost of its writes; only kernels of one line are compared."""

    version: tuple[int, int, int]
    line: tuple[str, bool]  # architecture, and whether it is a PREEMPT_RT kernel
    release: str
    lock: str
    cost: Contrast


def _by_lock(evidence: Evidence) -> Iterator[_Writes]:
    """Yield each kernel that has these."""
    for each in evidence.beside:
        if (on := each.machine) is not None:
            line = (on.architecture, on.preemption == "rt")
            lock = on.kernel_facts.get("ring_lock", "none")
            with suppress(NotMeasured, ValueError):
                numbers = version.numbers(on.kernel_release)
                yield _Writes(numbers, line, on.kernel_release, lock, _RELATIVE(each))


def _lock_costs(evidence: Evidence) -> Finding:
    """Compare the last kernel with the former lock and the first one with the resilient lock.

    Both must be PREEMPT_RT kernels or neither: what a wake-up costs, and so a write, differs more
    between these than between locks. Times of two kernels are not compared, but the ratios of a
    ring's write to a perf buffer's in the same storms. The storms of two kernels are independent,
    so they can be paired in any way.
    """
    kernels = sorted(_by_lock(evidence), key=attrgetter("version"))
    after = [each for each in kernels if each.lock.startswith(_RESILIENT)]
    before = [each for each in kernels if each not in after and each.lock != "none"]
    pairs = [(was, now) for now in after for was in before[::-1] if was.line == now.line]
    if not pairs:
        raise NotApplicable("needs the journals of kernels with the former lock and with the new")
    was, now = pairs[0]
    then, cost = was.cost, now.cost
    change = replace(
        cost,
        what=f"{cost.what}, {now.release} ({now.lock}) over {was.release} ({was.lock})",
        values=tuple(map(sub, cost.values, then.values)),
        rests_on=(*then.rests_on, *cost.rests_on),
    )
    cheaper = replace(change, values=tuple(map(neg, change.values)))
    alike, _ = change.between(1 / _ALIKE, _ALIKE)
    said = rules.first(
        (change.blocks < FEWEST_BLOCKS, *rules.TOO_FEW),
        (alike is rules.REPRODUCED, rules.REFUTED, f"the same within a factor of {brief(_ALIKE)}"),
        (change.lies == 1, rules.REPRODUCED, "a write costs more"),
        (cheaper.lies == 1, rules.REPRODUCED, "a write costs less"),
        (True, rules.INCONCLUSIVE, "the interval holds both no change and one that matters"),
    )
    return Finding(
        *said,
        measured=change.measured(),
        blocks=change.blocks,
        further_blocks=change.further_blocks(),
        details=tuple(f"{each.release} ({each.lock}): {each.cost}" for each in kernels),
        rests_on=change.rests_on,
    )


_CONTENDED: Final = ("storm", "producers", "full", "rate-default")
_SELDOM: Final = 0.05  # of trials: refuted if shown to be less frequent


def _trials(evidence: Evidence, transport: str) -> list[TrialResult]:
    found = []
    for name in _CONTENDED:
        samples = evidence.samples(name)
        every = (*samples.invalid, *(each for arm in samples.arms.values() for each in arm.trials))
        found += [each for each in every if each.config.transport == transport]
    return found


def _locks_up(evidence: Evidence) -> Finding:
    """Count trials on either buffer beside which the kernel complained: of a stall, or worse."""
    ring, perf = (_trials(evidence, way) for way in (RINGBUF, PERFBUF))
    if not ring:
        raise NotMeasured("storm")
    complaints, others = (
        [line for each in trials for line in each.conditions.kernel_complaints]
        for trials in (ring, perf)
    )
    bad = sum(bool(each.conditions.kernel_complaints) for each in ring)
    machine = evidence.machine
    none = rules.none_seen(len(ring), "trials")
    if machine is not None and machine.preemption != "rt" and not bad:
        raise NotApplicable(f"this is not a PREEMPT_RT kernel; it complained in {none}")
    cpus = counted(machine.cpus, "CPU") if machine is not None else "these CPUs"
    said = rules.first(
        (bad and others, rules.INCONCLUSIVE, f"the kernel complains beside pb too: {others[:1]}"),
        (bad, rules.REPRODUCED, "; ".join(complaints[:1])),
        (loss_bound(0, len(ring)) >= _SELDOM, rules.INCONCLUSIVE, none),
        (True, rules.REFUTED, f"the kernel complained in {none} on {cpus}"),
    )
    measured = rules.share("trials in which the kernel complained", bad, len(ring))
    return Finding(*said, measured=measured, blocks=len(ring), further_blocks=FEWEST_BLOCKS)


CLAIMS: Final = (
    Side.EITHER.timed(
        id="rqspinlock-cost",
        statement="the resilient lock of Linux 6.15 changes what a write into a ring costs",
        sources="LOG, April 2025",
        published="before only: 11.4, 2.7 and 2.1 M/s at 1, 2 and 24 producers",
        test="the last kernel with the former lock and the first with this one, both PREEMPT_RT or "
        "neither: time of a write, rb over pb, by duets or else by the kernel's count; where time "
        "is instructions, these",
        reproduced_when="the ratio changes, said in which direction; refuted if it is shown to "
        "stay within 1.05 times",
        experiments=(),
        rule=_lock_costs,
        comparative=False,
        over_kernels=True,
    ),
    Side.PERF.counted(
        id="rt-deadlock-risk",
        statement="many CPUs that write into one ring may lock up, on PREEMPT_RT kernels most",
        sources="stackrox/collector#1706",
        test="storms on all CPUs, and by producers, with the kernel's log watched",
        reproduced_when="the kernel complains beside rb and not beside pb; refuted if that is "
        "shown to happen in less than 5 % of trials; not applicable on other kernels that do not "
        "complain",
        experiments=_CONTENDED,
        rule=_locks_up,
        cpus=2,
    ),
    Side.RING.timed(
        id="pb-poll-degrades",
        statement="many perf buffers cost their consumer more than in proportion",
        sources="microsoft/retina#1966, "
        "https://blog.zmalik.dev/p/who-will-observe-the-observability",
        published="from 32 CPUs on",
        test="CPU seconds per million events, storms on half of the CPUs and on all",
        reproduced_when="an event costs more with all, and by more than on rb; not applicable "
        "below 32 CPUs",
        experiments=(_NAME,),
        rule=rules.above(
            over(
                "consumer's CPU time a record on pb, all CPUs over half", *list(_CPU.values())[:2]
            ),
            over("the same growth, pb over rb", *_CPU.values()),
            details=(levels(form("{}: {} per million", seconds), _CPU),),
        ),
        cpus=_PUBLISHED_CPUS,
    ),
)
