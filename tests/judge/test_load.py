# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that unequal loads are never paired: in a run, in claims and floors, nor across two sets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up_trials import blocks, header, machine
from rendered import run_json

from bench.journal.schema import JournalContent, Run
from bench.judge.filing import file
from bench.judge.load import load_of, reasons_of, state_of
from bench.judge.samples import ExperimentSamples, Stretch
from bench.questions.change.difference import difference
from bench.questions.change.journal_set import JournalSet, journal_sets
from bench.questions.change.numbers import budget_changes, changes, count_changes
from bench.questions.claims.catalogue import judge
from bench.questions.claims.claim import Verdict
from bench.questions.claims.contrast import ratio, share_margin
from bench.questions.claims.evidence import Evidence, NotMeasured, series
from bench.questions.claims.quantities import dropped_share
from bench.questions.claims.words import tally
from bench.questions.sizing.judge import sizing
from bench.questions.transports.decision import headline, verdict
from bench.questions.transports.quality import trouble
from bench.questions.transports.summary import compare
from bench.trial.result import State, TrialResult
from workloads.storm import Shape, StormReport

RING, PERF = "ringbuf@8KiB", "perfbuf@8KiB"


def trials(arm: str, number: int = 8, **fixed: object) -> list[TrialResult]:
    return blocks(arm, [{}] * number, **fixed)


def with_report(found: list[TrialResult], **changes: Any) -> list[TrialResult]:
    return [replace(each, storm=replace(each.storm, **changes)) for each in found]


def with_storm(found: list[TrialResult], **changes: Any) -> list[TrialResult]:
    return [
        replace(each, config=replace(each.config, storm=replace(each.config.storm, **changes)))
        for each in found
    ]


def stopped(found: list[TrialResult], reaped: int) -> list[TrialResult]:
    return with_report(found, stopped_by="seconds", made=reaped, reaped=reaped)


def filed(found: list[TrialResult]) -> ExperimentSamples:
    return file([Stretch(trials=found)])["storm"]


def one_set(found: list[TrialResult], *, cpus: int = 2) -> JournalSet:
    head = replace(header(), machine=replace(machine(), cpus_online=cpus))
    run = Run(header=head, trials=tuple(found))
    (judged,) = journal_sets(JournalContent(runs=(run,), faults=()))
    return judged


REDUCED = {
    "lowered": {"lowered_from": 1_002, "at_once": 54},
    "failed": {"failed": {"EAGAIN": 3}},
    "stopped": {"stopped_by": "seconds", "reaped": 421},
    "killed": {"exit_statuses": {9: 1}},
}


@pytest.mark.parametrize("how", REDUCED)
def test_reduced_storms_are_compared_with_nothing_whatever_the_journal_calls_them(how: str) -> None:
    found = [*with_report(trials(RING), **REDUCED[how]), *trials(PERF)]
    assert all(each.state is State.VALID for each in found)  # as in journals of before
    assert [state_of(each) for each in found] == [State.REDUCED] * 8 + [State.VALID] * 8
    summary = compare(found)
    assert summary.comparisons == ()
    assert (summary.tallies[0].reduced, summary.tallies[0].valid) == (8, 8)
    assert summary.reduced == tuple(found[:8])
    first, *_, last = verdict(summary)
    assert first.startswith("storm: 8 of 16 storms reduced, and compared with nothing")
    assert reasons_of(found[0])[0] in first
    assert last.startswith("There is nothing to compare")
    assert first in headline(summary)
    assert first in run_json(summary)


def test_storms_without_a_transport_that_were_reduced_are_no_lack_of_the_comparison() -> None:
    bare = [replace(each, experiment="calibration") for each in stopped(trials("none"), 421)]
    summary = compare([*bare, *trials(RING), *trials(PERF)])
    assert summary.reduced == tuple(bare)
    said = [*verdict(summary), headline(summary), *(note.text for note in trouble(summary))]
    assert not any("calibration" in line for line in said)
    assert any("8 reduced and left out" in line for line in said)


def test_a_block_with_a_reduced_storm_is_left_out_and_the_others_stand() -> None:
    ring, perf = trials(RING, 10), trials(PERF, 10)
    ring[3:4] = stopped(ring[3:4], 421)
    summary = compare([*ring, *perf])
    (comparison,) = summary.comparisons
    row = comparison.row("storm_ns_per_process")
    assert row is not None
    assert row.estimate is not None
    assert row.estimate.blocks == 9
    assert comparison.left.trials == 9
    assert "1 of 20 storms reduced" in verdict(summary)[0]
    assert "1 reduced and left out" in verdict(summary)[-1]


def test_storms_that_time_ends_are_paired_only_where_as_many_came_of_them() -> None:
    ring, perf = (with_storm(trials(arm, 10), timed=True) for arm in (RING, PERF))
    ring, perf = stopped(ring, 421), stopped(perf, 421)
    perf[9:] = stopped(perf[9:], 3_476)
    summary = compare([*ring, *perf])
    assert [state_of(each) for each in (*ring, *perf)] == [State.VALID] * 20
    (comparison,) = summary.comparisons
    assert (comparison.left.trials, comparison.right.trials) == (9, 9)
    (unequal,) = summary.unequal
    assert (unequal.left, unequal.right, unequal.blocks) == (RING, PERF, 1)
    assert "(419 processes against 3,474 processes)" in verdict(summary)[0]
    assert verdict(summary)[0] in headline(summary)


def test_a_headline_counts_several_reasons_that_the_verdict_names() -> None:
    ring = stopped(trials(RING), 421)
    other = [replace(each, experiment="burst") for each in ring]
    summary = compare([*ring, *other, *trials(PERF)])
    assert "for 2 reasons given below" in headline(summary)
    assert [line.split(":")[0] for line in verdict(summary)[:2]] == ["storm", "burst"]


@pytest.mark.parametrize(
    "other", [{"count": 2_000}, {"workers": 8}, {"rate_per_s": 10.0}, {"shape": Shape.CHAIN}]
)
def test_arms_that_were_asked_for_other_storms_are_not_compared(other: dict[str, object]) -> None:
    summary = compare([*trials(RING), *with_storm(trials(PERF), **other)])
    assert summary.comparisons == ()
    assert [each.blocks for each in summary.unequal] == [8]


def test_a_burst_of_fewer_at_once_is_another_load() -> None:
    burst = {"shape": Shape.BURST, "burst_size": 100}
    ring = with_report(with_storm(trials(RING), **burst), at_once=102)
    perf = with_report(with_storm(trials(PERF), **burst), at_once=103)
    assert compare([*ring, *perf]).comparisons == ()
    assert len(compare([*ring, *with_report(perf, at_once=102)]).comparisons) == 1


def test_an_uneven_storm_is_as_long_as_its_hot_half() -> None:
    ring, perf = (
        with_storm(trials(arm), shape=Shape.UNEVEN, rate_per_s=9.0) for arm in (RING, PERF)
    )
    perf = with_report(perf, made=1_100, reaped=1_100)
    assert len(compare([*ring, *perf]).comparisons) == 1


def test_floors_and_baselines_are_of_equal_loads() -> None:
    twin = stopped(trials(f"{RING}#2"), 421)
    assert compare([*trials(RING), *trials(f"{RING}#2")]).floors
    assert compare([*trials(RING), *twin]).floors == ()
    timed = with_storm([*trials(RING), *trials(f"{RING}#2")], timed=True)
    assert compare(timed).floors
    assert compare([*timed[:8], *stopped(timed[8:], 421)]).floors == ()
    samples = filed([*trials(RING), *trials("none")])
    assert samples.arms[RING].baselines["none"].tolist() == [100_000.0] * 8
    samples = filed([*trials(RING), *stopped(trials("none"), 421)])
    assert samples.arms[RING].baselines == {}
    other = filed([*trials(RING), *with_storm(trials("none"), count=9)])
    assert np.isnan(other.arms[RING].baselines["none"]).all()


def test_ladders_and_sizes_rest_on_storms_as_asked_for() -> None:
    found = [*trials(RING, 20), *trials("ringbuf@16KiB", 20)]
    assert compare(found).ladders
    assert compare(stopped(found, 421)).ladders == ()
    seen = sizing("ringbuf", stopped(found, 421), (8192, 16384), tolerated=0, margin=2)
    assert seen.rungs == ()


def test_claims_rest_on_storms_as_asked_for() -> None:
    def evidence(found: list[TrialResult]) -> Evidence:
        return Evidence(experiments=file([Stretch(trials=found)]))

    lowered = evidence(with_report(trials(RING), lowered_from=99))
    with pytest.raises(NotMeasured):
        lowered.arm("storm", "ringbuf")
    assert len(lowered.samples("storm").reduced) == 8
    timed = evidence(
        stopped(with_storm(trials(RING), timed=True), 421)
        + stopped(with_storm(trials(PERF), timed=True), 3_476)
        + stopped(with_storm(trials(f"{RING}#2", dropped=9), timed=True), 3_476)
    )
    parts = [
        series("storm", timed.arm("storm", way), lambda trial: float(trial.storm.reaped))
        for way in ("ringbuf", "perfbuf")
    ]
    with pytest.raises(NotMeasured):
        ratio("", parts[0], parts[1], margin=0.02)
    assert ratio("", parts[0], parts[0], margin=0.02).blocks == 8
    assert share_margin(timed, dropped_share, "storm") == 0


def test_arms_that_a_plan_gives_other_storms_may_be_contrasted() -> None:
    samples = filed([*trials(RING), *with_storm(trials(PERF), workers=8)])
    parts = [
        series("storm", samples.arms[arm], lambda trial: float(trial.storm.reaped))
        for arm in (RING, PERF)
    ]
    assert ratio("", parts[0], parts[1], margin=0.02).blocks == 8


def _two(found: list[TrialResult]) -> list[TrialResult]:
    return [*found, *trials(PERF)]


@pytest.mark.parametrize(
    "other",
    [
        with_storm([*trials(RING, dropped=500), *trials(PERF)], count=2_000),
        with_report(
            with_storm([*trials(RING, dropped=500), *trials(PERF)], workers=8),
            made=1_006,
            reaped=1_006,
        ),
        stopped(with_storm([*trials(RING, dropped=500), *trials(PERF)], timed=True), 421),
    ],
)
def test_sets_of_other_loads_are_named_and_not_compared(other: list[TrialResult]) -> None:
    before, after = one_set(_two(trials(RING))), one_set(other)
    assert count_changes(before, before)[1] > 0
    assert count_changes(before, after) == ((), 0)
    *found, left_out = changes(before, after)
    assert found == [(), 0]
    assert left_out.unlike == ("storm at 8KiB, ringbuf against perfbuf",)


def test_a_set_whose_storms_were_lowered_has_nothing_to_compare() -> None:
    before = one_set(_two(trials(RING)))
    after = one_set(with_report(_two(trials(RING, dropped=500)), lowered_from=1_002, at_once=54))
    assert count_changes(before, after) == ((), 0)
    assert changes(before, after)[2].only_before == ("storm at 8KiB, ringbuf against perfbuf",)
    assert len(after.summary.reduced) == 16


def test_workers_may_differ_where_the_cpus_do() -> None:
    before = one_set(_two(trials(RING)))
    more = with_report(with_storm(_two(trials(RING)), workers=8), made=1_006, reaped=1_006)
    assert changes(before, one_set(more, cpus=8))[2].unlike == ()
    assert changes(before, one_set(more, cpus=8))[1] > 0


def test_ladders_of_other_storms_are_not_compared() -> None:
    found = [*trials(RING, 20), *trials("ringbuf@16KiB", 20)]
    lossy = [*trials(RING, 20, dropped=9), *trials("ringbuf@16KiB", 20)]
    before = one_set(found)
    assert len([*budget_changes(before, one_set(lossy))]) == 1
    assert not [*budget_changes(before, one_set(with_storm(lossy, count=9_000)))]


def test_a_load_says_what_it_was() -> None:
    (made,) = with_report(trials(RING, 1), at_once=54)
    assert str(load_of(made)) == "998 processes, 54 at once"
    assert isinstance(made.storm, StormReport)


def test_a_claim_whose_storms_were_reduced_says_so() -> None:
    found = [
        replace(each, experiment="same-cpu") for each in (*trials(RING), *stopped(trials(PERF), 29))
    ]
    judged = judge(Evidence(experiments=file([Stretch(trials=found)])))
    (finding,) = (each.finding for each in judged.judgements if each.claim.id == "rb-same-cpu")
    assert finding.verdict is Verdict.NOT_MEASURED
    assert finding.reason == "the storms were not the requested ones in 8 trials of same-cpu"
    assert "8 reduced trials were left out" in tally(judged)


def test_a_verdict_that_turned_under_another_load_is_open() -> None:
    """Both verdicts of rb-same-cpu stand; the storms that they rest on are two."""

    def dropped(ring: int, perf: int, **storm: object) -> JournalSet:
        arms = [*trials("ringbuf@4MiB", dropped=ring), *trials("perfbuf@4MiB", dropped=perf)]
        costs = {"ringbuf": 1_000_000, "perfbuf": 9_000_000}
        return one_set(
            [
                replace(
                    each,
                    experiment="same-cpu",
                    cost=replace(each.cost, delivery_ns=costs[each.config.transport] + each.block),
                )
                for each in with_storm(arms, **storm)
                if each.cost is not None
            ]
        )

    (change,) = difference(dropped(500, 0), dropped(0, 0)).claims
    assert (change.id, change.sure) == ("rb-same-cpu", True)
    (change,) = difference(dropped(500, 0), dropped(0, 0, count=7)).claims
    assert (change.sure, change.unlike) == (False, ("same-cpu",))
