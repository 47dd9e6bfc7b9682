# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test campaigns: every trial on disk before the next, and none twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.campaign import campaign
from bench.errors import JournalError, StormFailed
from bench.journal.reader import read_journal
from bench.plan.config import TrialConfig
from bench.plan.experiments import Arm, ArmName, Experiment
from bench.trial.result import TrialResult
from workloads.storm import Storm

pytestmark = [pytest.mark.live, pytest.mark.slow]

STORM = Storm(count=200)
EXPERIMENT = Experiment(
    name="storm",
    title="A small storm",
    arms=tuple(
        Arm(
            name=ArmName.parse(name),
            config=TrialConfig(transport=name, budget_bytes=size, storm=STORM),
        )
        for name, size in (("ringbuf", 1 << 16), ("perfbuf", 1 << 16), ("noop", 0), ("none", 0))
    ),
    blocks=3,
)
PLACES = {(arm.name, block) for arm in EXPERIMENT.arms for block in range(EXPERIMENT.blocks)}


def request(journal: Path, *, resume: bool = False, seed: int = 1) -> campaign.RunRequest:
    return campaign.RunRequest(
        journal=journal,
        command_line=["test"],
        seed=seed,
        resume=resume,
        wait=True,
        wakeups=False,
        warm_up=False,
    )


def places(trials: tuple[TrialResult, ...]) -> list[tuple[str, int]]:
    return [(trial.arm, trial.block) for trial in trials]


class Enough(Exception):
    """End a campaign in the middle."""


def run_some(journal: Path, wanted: int) -> None:
    """Run a campaign that ends after so many trials."""
    heard: list[TrialResult] = []

    def listener(trial: TrialResult) -> None:
        heard.append(trial)
        assert len(read_journal(journal, strict=True).trials) == len(heard)  # on disk by now
        if len(heard) == wanted:
            raise Enough

    with pytest.raises(Enough), campaign.opened(request(journal)) as running:
        running.run(EXPERIMENT, listener)


def test_blocks_hold_each_arm_once_in_an_order_of_their_own(tmp_path: Path) -> None:
    journal = tmp_path / "new" / "run.jsonl"
    with campaign.opened(request(journal)) as running:
        planned = [(arm.name, block) for block, _, arm in running.pending(EXPERIMENT)]
        trials = running.run(EXPERIMENT, lambda _: None)
    assert places(trials) == planned
    assert set(planned) == PLACES
    assert [block for _, block in planned] == sorted(block for _, block in planned)
    assert [trial.position for trial in trials] == [0, 1, 2, 3] * 3
    assert read_journal(journal, strict=True).trials == trials
    header = read_journal(journal).runs[0].header
    assert header.seed == 1
    assert header.machine.kernel_facts


@pytest.mark.slow
@pytest.mark.parametrize("done", [1, 5])
def test_a_campaign_goes_on_where_it_ended(tmp_path: Path, done: int) -> None:
    journal = tmp_path / "run.jsonl"
    run_some(journal, done)
    with journal.open("ab") as torn:
        torn.write(b'{"schema":1,"kind":"tri')  # as a kill leaves it
    before = read_journal(journal).trials
    assert len(before) == done
    with campaign.opened(request(journal, resume=True)) as running:
        after = running.run(EXPERIMENT, lambda _: None)
    content = read_journal(journal, strict=True)
    (run,) = content.runs  # one run, in two parts
    assert run.trials == (*before, *after)
    assert len(run.trials) == len(PLACES)
    assert set(places(run.trials)) == PLACES
    with campaign.opened(request(journal, resume=True)) as running:
        assert running.run(EXPERIMENT, lambda _: None) == ()


def test_a_failure_names_the_journal_of_what_was_measured(tmp_path: Path) -> None:
    def fail(_: TrialResult) -> None:
        raise StormFailed("the generator was killed", remedy="run it again")

    said = r"killed \(1 trial of this run safe, in .*/run\.jsonl\); run it again"
    with (
        pytest.raises(StormFailed, match=said),
        campaign.opened(request(tmp_path / "run.jsonl")) as running,
    ):
        running.run(EXPERIMENT, fail)


def test_another_storm_is_another_run(tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    run_some(journal, 1)
    before = read_journal(journal, strict=True).trials
    arms = tuple(
        replace(arm, config=replace(arm.config, storm=replace(STORM, count=400)), name=name)
        for arm in EXPERIMENT.arms
        for name in (f"{arm.name}@8KiB", arm.name)  # some of which the journal has nothing of
    )
    with (
        campaign.opened(request(journal, resume=True)) as running,
        pytest.raises(JournalError, match="had storm count 200, not 400; repeat the options"),
    ):
        running.run(replace(EXPERIMENT, arms=arms), lambda _: None)
    assert read_journal(journal, strict=True).trials == before


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    run_some(journal, 1)
    text = journal.read_bytes()
    with (
        pytest.raises(JournalError, match="seed"),
        campaign.opened(request(journal, resume=True, seed=2)),
    ):
        pass
    assert journal.read_bytes() == text
