# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge A/A journals: one transport under every name, and noise as machines make it.

Trials are drawn from pools, so that a thousand journals of all experiments take seconds. The noise
is that of a busy virtual machine with 2 CPUs: most trials within 15 % of each other, one in ten
slower by half or by several times, and losses that come in some trials and not in others.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from made_up_claims import Set, cpu, dropped, ns, p50, quiet_dropped, quiet_p50, raised, rate
from made_up_trials import machine, trial

from bench.judge import statistics
from bench.judge.samples import ArmSamples, ExperimentSamples
from bench.plan.experiments import ArmName, Experiment
from bench.questions.claims import contrast
from bench.questions.claims import run as claims_plan
from bench.questions.claims.catalogue import judge
from bench.questions.claims.claim import Verdict
from bench.questions.claims.evidence import Evidence
from bench.trial.result import TrialResult

JOURNALS = 150
POOL = 500
PLAN = claims_plan.experiments(range(4))  # four CPUs, so that every comparison is made
COUNTED = {
    *("last-record", "mixed-lengths", "migration", "system-calls", "lost-counts", "sampling"),
    *("discarded", "order-sharded"),
}
HELD = {"wake", "reserve-output", "producers", "busy-poll"}
"""Experiments whose budgets hold everything."""


def heavy_tailed(rng: random.Random) -> float:
    factor = rng.lognormvariate(0.0, 0.1)
    return factor * rng.uniform(1.4, 4.0) if rng.random() < 0.1 else factor


def lost(rng: random.Random, likely: float) -> float:
    return rng.betavariate(0.5, 3.0) if rng.random() < likely else 0.0


def pool(rng: random.Random, *, loss: float, refused: bool = False) -> list[TrialResult]:
    """Return trials that differ by chance alone; ``loss``: how likely one loses something."""
    found = []
    for _ in range(POOL):
        made = trial("ringbuf@64KiB", 0, pairs=1_200)
        numbers: tuple[tuple[Set, float], ...] = (
            (dropped, rng.uniform(0.95, 0.99) if refused else lost(rng, loss)),
            (rate, 4.0 / heavy_tailed(rng)),
            (ns, 100 * heavy_tailed(rng)),
            (p50, 30 * heavy_tailed(rng)),
            (cpu, 10 * heavy_tailed(rng)),
            (raised, 0.5 * heavy_tailed(rng)),
        )
        for take, value in numbers:
            made = take(made, value)
        made = quiet_dropped(made, lost(rng, 0.3))
        quiet = quiet_p50(made, 30 * heavy_tailed(rng)).by_cpu[1]
        shares = tuple(
            replace(share, latency_p50_ns=quiet.latency_p50_ns, latency_p99_ns=quiet.latency_p99_ns)
            for share in made.by_cpu
        )
        found.append(replace(made, by_cpu=shares))
    return found


def likely_loss(experiment: Experiment, name: ArmName) -> float:
    """Return a probability of loss that falls with the budget, whatever the transport."""
    if experiment.name in HELD:
        return 0.0
    return {"8KiB": 0.9, "16KiB": 0.6, "32KiB": 0.3, "64KiB": 0.1}.get(name.budget, 0.0)


class Journals:
    """Draw evidence in which no two arms differ by more than chance.

    Each experiment's trials are drawn apart: another one in the plan does not change them.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._drawn = 0
        self._pools: dict[tuple[float, bool], list[TrialResult]] = {}

    def draw(self) -> Evidence:
        """Return one journal of all comparing experiments."""
        self._drawn += 1
        experiments = {
            experiment.name: self._samples(experiment)
            for experiment in PLAN
            if experiment.name not in COUNTED
        }
        return Evidence(experiments=experiments, machine=replace(machine(), cpus_online=4))

    def _samples(self, experiment: Experiment) -> ExperimentSamples:
        found = ExperimentSamples(name=experiment.name)
        rng = random.Random(f"{self._seed} {self._drawn} {experiment.name}")
        for arm in experiment.arms:
            loss = likely_loss(experiment, arm.name)
            drawn = self._pool(loss, experiment.name == "full")
            made = ArmSamples(name=arm.name)
            made.by_place = {(0, block): rng.choice(drawn) for block in range(experiment.blocks)}
            made.trials = tuple(made.by_place.values())
            found.arms[arm.name] = made
        return found

    def _pool(self, loss: float, refused: bool) -> list[TrialResult]:
        key = loss, refused
        if key not in self._pools:
            rng = random.Random(f"{self._seed} {key}")
            self._pools[key] = pool(rng, loss=loss, refused=refused)
        return self._pools[key]


@pytest.fixture
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take a fifth of the usual resamples: intervals are coarser, p values not the bootstrap's."""
    caches = (statistics._draws, contrast._estimate)
    monkeypatch.setattr(statistics, "RESAMPLES", 999)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.slow
@pytest.mark.usefixtures("fewer_resamples")
def test_equal_transports_seldom_get_a_verdict_of_difference() -> None:
    journals = Journals(seed=20_261_122)
    verdicts: Counter[str] = Counter()
    with_verdict = 0
    for _ in range(JOURNALS):
        settled = [
            each.claim.id
            for each in judge(journals.draw()).judgements
            if each.claim.comparative
            and each.finding.verdict in (Verdict.REPRODUCED, Verdict.REFUTED)
        ]
        verdicts.update(settled)
        with_verdict += bool(settled)
    assert with_verdict <= 0.05 * JOURNALS, verdicts.most_common()


def test_a_real_difference_beneath_the_same_noise_is_found() -> None:
    """See four times the rate in most journals of the same kind: the rule is not deaf."""
    journals = Journals(seed=1)
    found = 0
    for _ in range(20):
        drawn = journals.draw()
        for name in ("ringbuf@1MiB/every500", "ringbuf@1MiB/every500#2"):
            ring = drawn.experiments["rate-sampled"].arms[name]
            for place, made in ring.by_place.items():
                ring.by_place[place] = faster(made, 4)
        verdicts = {each.claim.id: each.finding.verdict for each in judge(drawn).judgements}
        found += verdicts["rb-faster-sampled"] is Verdict.REPRODUCED
    assert found >= 15


def faster(made: TrialResult, times: int) -> TrialResult:
    assert made.cost is not None
    return replace(made, cost=replace(made.cost, delivery_ns=made.cost.delivery_ns // times))
