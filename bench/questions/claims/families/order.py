# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Claims about order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from bench.judge.metrics import Unit
from bench.judge.samples import ArmSamples
from bench.judge.statistics import FEWEST_BLOCKS, loss_bound
from bench.measure.ordering import Ordering
from bench.plan.experiments import ArmName
from bench.questions.claims.claim import Claim, Side
from bench.questions.claims.evidence import Evidence, NotMeasured
from bench.questions.claims.finding import Basis, Finding, Measured, Verdict
from bench.questions.claims.rules import none_seen

LEAST_PAIRS: Final = 1_000
"""Causal pairs that a trial has to have before it speaks for order."""

_EXPERIMENTS: Final = ("chain", "drain-interval")


def _arms(
    evidence: Evidence, transport: str, experiments: Sequence[str]
) -> list[tuple[str, ArmSamples]]:
    found = [
        (name, arm) for name in experiments for arm in evidence.arms(name, transport, variant=None)
    ]
    if len({name for name, _ in found}) < len(experiments):
        raise NotMeasured(experiments[0])
    return found


def _orderings(arms: list[tuple[str, ArmSamples]]) -> Iterator[Ordering]:
    for _, arm in arms:
        yield from (trial.ordering for trial in arm.trials if trial.ordering is not None)


def _counted(
    evidence: Evidence,
    transport: str,
    *,
    wanted: bool,
    experiments: Sequence[str] = _EXPERIMENTS,
) -> Finding:
    """Causal violations of a transport; ``wanted``: the claim is that there are some."""
    arms = _arms(evidence, transport, experiments)
    orders = list(_orderings(arms))
    pairs = sum(order.causal_pairs for order in orders)
    violations = sum(order.causal_violations for order in orders)
    if not pairs:
        raise NotMeasured(experiments[0])
    fewest = min(order.causal_pairs for order in orders)
    blocks = min(len(arm.readings) for _, arm in arms)
    measured = Measured(
        what=f"{violations:,} causal violations in {pairs:,} pairs of {len(orders)} trials",
        unit=Unit.SHARE,
        point=violations / pairs,
        low=1 - loss_bound(pairs - violations, pairs),
        high=loss_bound(violations, pairs),
        bound=0.0,
    )
    if blocks < FEWEST_BLOCKS:
        verdict, reason = Verdict.INCONCLUSIVE, f"fewer than {FEWEST_BLOCKS} blocks"
    elif violations:
        verdict = Verdict.REPRODUCED if wanted else Verdict.REFUTED
        reason = f"{violations:,} parents came before a child that they had reaped"
    elif fewest < LEAST_PAIRS:
        verdict, reason = Verdict.INCONCLUSIVE, f"a trial had only {fewest:,} causal pairs"
    else:
        verdict = Verdict.REFUTED if wanted else Verdict.REPRODUCED
        reason = f"{none_seen(pairs, 'pairs')}, with at least {fewest:,} in every trial"
    return Finding(
        verdict=verdict,
        reason=reason,
        measured=measured,
        blocks=blocks,
        further_blocks=max(1, FEWEST_BLOCKS - blocks),
        details=_lateness(arms),
        rests_on=tuple(
            Basis(experiment=name, arm=arm.name, trials=tuple(sorted(arm.readings)))
            for name, arm in arms
        ),
    )


def _lateness(arms: list[tuple[str, ArmSamples]]) -> tuple[str, ...]:
    found = []
    for name, arm in sorted(arms, key=_interval_ms):
        late_ns = [trial.ordering.lateness_p99_ns for trial in arm.trials if trial.ordering]
        if late_ns:
            variant = ArmName.parse(arm.name).variant
            where = f"drained every {variant}" if variant else name
            found.append(f"{where}: inverted events are {median(late_ns) / 1e6:.3f} ms late (p99)")
    return tuple(found)


def _interval_ms(place: tuple[str, ArmSamples]) -> float:
    name, arm = place
    timed = name != "chain" and arm.trials
    return arm.trials[0].config.consumer.interval_ms if timed else 0.0


def _ring_keeps_order(evidence: Evidence) -> Finding:
    return _counted(evidence, "ringbuf", wanted=False)


def _perf_reorders(evidence: Evidence) -> Finding:
    return _counted(evidence, "perfbuf", wanted=True)


def by_chains_alone(claim_id: str, evidence: Evidence) -> Finding | None:
    """The same claims where nothing but chains was run, as in the guests of a kernel matrix.

    None for other claims, and without chains.
    """
    ways = {"rb-order": ("ringbuf", False), "pb-reorders": ("perfbuf", True)}
    if claim_id not in ways:
        return None
    transport, wanted = ways[claim_id]
    try:
        return _counted(evidence, transport, wanted=wanted, experiments=_EXPERIMENTS[:1])
    except NotMeasured:
        return None


CLAIMS: Final = (
    Claim(
        id="rb-order",
        side=Side.RING,
        statement="what was submitted earlier is consumed earlier, across CPUs",
        sources="TUT, BLOG, DOC",
        published="none",
        test="chains, pairs on alternating CPUs, each trial with at least 1,000 causal pairs",
        reproduced_when="0 causal violations on rb in every trial",
        experiments=_EXPERIMENTS,
        judge=_ring_keeps_order,
        comparative=False,
        cpus=2,
    ),
    Claim(
        id="pb-reorders",
        side=Side.RING,
        statement="related events on different CPUs arrive out of order on pb",
        sources="TUT, BLOG; h2o/h2o#2800, iovisor/bcc#5047, aquasecurity/tracee#1113",
        published="173 ms late",
        test="chains, pairs on alternating CPUs, drain interval swept",
        reproduced_when=(
            "causal violations on pb > 0; report lateness, which should follow the drain interval"
        ),
        experiments=_EXPERIMENTS,
        judge=_perf_reorders,
        comparative=False,
        cpus=2,
    ),
)
