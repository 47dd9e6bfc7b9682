# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about the order of related events on two CPUs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from operator import itemgetter
from statistics import median
from typing import Final

from bench.amounts import counted, given, time
from bench.judge.metrics import Unit
from bench.judge.samples import ArmSamples
from bench.judge.statistics import FEWEST_BLOCKS, counted_share
from bench.plan.budgets import MIB
from bench.plan.config import Consumer, Poll
from bench.plan.experiments import Experiment
from bench.questions.claims import rules
from bench.questions.claims.claim import Finding, Measured, Side
from bench.questions.claims.evidence import Evidence, NotMeasured
from bench.questions.claims.planner import Planner, experiment, trial
from bench.questions.transports.profiles import PERFBUF, RINGBUF, storms
from bench.questions.transports.standing import LEAST_PAIRS
from workloads.storm import Shape

_EXPERIMENTS: Final = ("chain", "drain-interval")
_DRAINED_MS: Final = ((RINGBUF, 5), (PERFBUF, 1), (PERFBUF, 20))  # perf at 5 ms: "chain"
_SHARDED: Final = "order-sharded"
_PAIRED: Final = 2_060  # processes that make 1,030 causal pairs


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return pairs on alternating CPUs, drained more and less often."""
    storm = replace(storms(on.count)[Shape.PINGPONG], count=_PAIRED)
    arms = [
        on.arm(transport, MIB, f"{ms}ms", trial(storm, Consumer(poll=Poll.TIMED, interval_ms=ms)))
        for transport, ms in (*_DRAINED_MS, ("sharded", 5))
    ]
    title = "How late does the longer of two drain intervals make related events?"
    of_rings = "Do rings of each CPU keep related events in order?"
    return (
        experiment("drain-interval", title, arms[:-1], twins=()),
        experiment(_SHARDED, of_rings, arms[-1:], twins=()),
    )


def _counted(
    evidence: Evidence, *, transport: str, wanted: bool, experiments: Sequence[str] = _EXPERIMENTS
) -> Finding:
    """Count causal violations; ``wanted``: the claim is that there are some."""
    arms = [(name, arm) for name in experiments for arm in evidence.arms(name, transport)]
    orders = [trial.ordering for _, arm in arms for trial in arm.trials if trial.ordering]
    pairs = sum(order.causal_pairs for order in orders)
    if {name for name, _ in arms} != {*experiments} or not pairs:
        raise NotMeasured(experiments[0])
    violations = sum(order.causal_violations for order in orders)
    least = min(order.causal_pairs for order in orders)
    words = f"{counted(violations, 'causal violation')} in {counted(pairs, 'pair')} of "
    words += counted(len(orders), "trial")
    some, none = (rules.REPRODUCED, rules.REFUTED) if wanted else (rules.REFUTED, rules.REPRODUCED)
    early = counted(violations, "parent")
    # Over trials, as the pairs of one storm are not independent.
    shares = [e.causal_violations / e.causal_pairs for e in orders if e.causal_pairs]
    found = Measured.of(words, Unit.SHARE, counted_share(shares, violations, pairs), bound=0.0)
    return rules.counted(
        replace(found, point=violations / pairs),
        arms,
        (rules.fewest(arms) < FEWEST_BLOCKS, *rules.TOO_FEW),
        (violations, some, f"{early} came before a child that had been reaped"),
        (least < LEAST_PAIRS, rules.INCONCLUSIVE, f"a trial had only {least:,} causal pairs"),
        (True, none, f"{rules.none_seen(pairs, 'pairs')}, with at least {least:,} in every trial"),
        details=[line for _, line in sorted(_lateness(arms), key=itemgetter(0))],
    )


def _lateness(arms: Sequence[tuple[str, ArmSamples]]) -> Iterator[tuple[float, str]]:
    """Yield the drain interval, 0 for chains, and how late inverted events are."""
    for name, arm in arms:
        orders = [trial.ordering for trial in arm.trials if trial.ordering]
        if orders:
            late_ns = [order.lateness_p99_ns for order in orders if order.inversions]
            interval_ms = arm.trials[0].config.consumer.interval_ms if name != "chain" else 0.0
            where = f"drained every {given(interval_ms, 'ms')}" if arm.name.variant else name
            late = "no event is inverted"
            if late_ns:
                late = f"inverted events are {time(median(late_ns))} late (p99)"
            if late_ns and len(late_ns) < len(orders):
                late += f", in {len(late_ns)} of {counted(len(orders), 'trial')}"
            yield interval_ms, f"{where}: {late}"


_RULES: Final = {
    "rb-order": partial(_counted, transport=RINGBUF, wanted=False),
    "pb-reorders": partial(_counted, transport=PERFBUF, wanted=True),
}


def by_chains_alone(claim_id: str, evidence: Evidence) -> Finding | None:
    """Judge the same claims if only chains were run, as in the guests of a kernel matrix.

    None for other claims, and without chains.
    """
    with suppress(KeyError, NotMeasured):
        return _RULES[claim_id](evidence, experiments=_EXPERIMENTS[:1])
    return None


CLAIMS: Final = (
    Side.RING.counted(
        id="rb-order",
        statement="what was submitted earlier is consumed earlier, across CPUs",
        sources="TUT, BLOG, DOC",
        test="chains, pairs on alternating CPUs, each trial with at least 1,000 causal pairs",
        reproduced_when="0 causal violations on rb in every trial",
        experiments=_EXPERIMENTS,
        rule=_RULES["rb-order"],
        cpus=2,
    ),
    Side.RING.counted(
        id="pb-reorders",
        statement="related events on different CPUs arrive out of order on pb",
        sources="TUT, BLOG; h2o/h2o#2800, iovisor/bcc#5047, aquasecurity/tracee#1113",
        published="173 ms late",
        test="chains, pairs on alternating CPUs, drain interval swept",
        reproduced_when="causal violations on pb > 0; report lateness, which should follow the "
        "drain interval",
        experiments=_EXPERIMENTS,
        rule=_RULES["pb-reorders"],
        cpus=2,
    ),
    Side.PERF.counted(
        id="sharded-reorders",
        statement="rings of each CPU lose order as perf buffers do",
        sources="falcosecurity/libs#2854, falcosecurity/libs#2009",
        test="pairs on alternating CPUs, a ring for each CPU, drained every 5 ms",
        reproduced_when="causal violations > 0",
        experiments=(_SHARDED,),
        rule=partial(_counted, transport="sharded", wanted=True, experiments=(_SHARDED,)),
        cpus=2,
    ),
)
