# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test Holm's correction: a verdict by itself may be undecided among many that were asked."""

from __future__ import annotations

from made_up_claims import arm, evidence, rate, torn
from made_up_trials import blocks, header, machine

from bench.journal.schema import JournalContent, Run
from bench.judge.statistics import same_p
from bench.questions.change.journal_set import JournalSet, journal_sets
from bench.questions.change.numbers import changes
from bench.questions.claims.catalogue import judge
from bench.questions.claims.claim import Verdict
from bench.questions.transports.standing import Question, Standing
from bench.questions.transports.summary import compare
from bench.trial.result import TrialResult

LOST = (90, 80, 35, 85, 75, 40, 80, 45)  # against 50 each: mostly more


def drops(*budgets: str, lost: tuple[int, ...]) -> list[TrialResult]:
    return [
        each
        for budget in budgets
        for each in blocks(f"ringbuf@{budget}", [{"dropped": 50}] * 8)
        + blocks(f"perfbuf@{budget}", [{"dropped": count} for count in lost])
    ]


def of_drops(trials: list[TrialResult]) -> Standing:
    standings = compare(trials, machine()).standings
    return next(each for each in standings if each.question is Question.DROPS)


def test_a_verdict_on_drops_counts_how_many_budgets_were_asked() -> None:
    seen = drops("8KiB", lost=LOST)
    (comparison,) = compare(seen, machine()).comparisons
    row = comparison.row(Question.DROPS.key)
    assert row is not None
    assert row.estimate is not None
    assert 0.05 / 6 < row.estimate.p < 0.05
    assert len(of_drops(seen).for_left) == 1
    nothing = drops("16KiB", "32KiB", "64KiB", "128KiB", "256KiB", lost=(40, 60) * 4)
    among = of_drops(seen + nothing)
    assert (among.for_left, among.for_right, len(among.open)) == ((), (), 6)


def test_a_verdict_on_a_claim_counts_the_other_claims_that_have_a_number() -> None:
    ring = tuple(1.05 * factor for factor in (1.2, 1.05, 0.98, 1.1, 0.93, 1.15, 1.0, 1.08))
    perf = arm("rate-default", "perfbuf@8MiB", rate, (1.0,) * 8)
    weak = arm("rate-default", "ringbuf@8MiB", rate, ring)
    other = arm("rate-default", "sharded@8MiB", rate, torn(1.0))

    def found(*arms: list[TrialResult]) -> dict[str, tuple[Verdict, float | None]]:
        judgements = judge(evidence(*arms)).judgements
        return {each.claim.id: (each.finding.verdict, each.finding.p) for each in judgements}

    verdict, p = found(weak, perf)["rb-faster-default"]
    assert verdict is Verdict.REPRODUCED
    assert p is not None
    assert 0.025 < p < 0.05
    together = found(weak, perf, other)
    assert together["sharded-rb-beats-pb"][0] is Verdict.INCONCLUSIVE
    assert together["rb-faster-default"][0] is Verdict.INCONCLUSIVE


NEVER = (1.0, 1.04, 0.97, 1.02, 0.99, 1.05, 0.96, 1.01)
PERF_NS = 1_000_000


def latencies(factor: float, order: tuple[int, ...]) -> JournalSet:
    ring = [{"p50_ns": round(factor * NEVER[at] * PERF_NS)} for at in order]
    trials = (
        *blocks("ringbuf@64KiB", ring),
        *blocks("perfbuf@64KiB", [{"p50_ns": PERF_NS}] * 8),
    )
    (found,) = journal_sets(JournalContent(runs=(Run(header=header(), trials=trials),), faults=()))
    return found


def test_a_change_counts_how_many_numbers_were_compared() -> None:
    order = tuple(range(8))

    def changed(factor: float) -> tuple[int, float, set[str]]:
        found, compared, _ = changes(latencies(1.0, order), latencies(factor, order[::-1]))
        p = same_p(NEVER, [factor * value for value in NEVER])
        return compared, p, {change.key for change in found}

    compared, p, keys = changed(1.055)
    assert compared > 10
    assert 0.05 / compared < p < 0.05
    assert "latency_p50_ns" not in keys
    compared, p, keys = changed(1.5)
    assert p < 0.05 / compared
    assert "latency_p50_ns" in keys
