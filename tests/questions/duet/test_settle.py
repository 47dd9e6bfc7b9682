# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Add storms to an undecided duet: in the journal, in its plan, and continued."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.campaign import campaign
from bench.journal.reader import read_journal
from bench.plan.arms import compose_duet, side
from bench.plan.config import Duet, TrialConfig
from bench.plan.experiments import outline
from bench.questions.duet.judge import judge
from bench.questions.duet.run import settle
from bench.questions.transports.coverage import coverage
from bench.tracer.transports import find
from workloads.storm import Storm

pytestmark = [pytest.mark.live, pytest.mark.slow]

PLANNED = 8
SAME = compose_duet(
    "same",
    "the same arm twice, which few storms do not settle",
    (side("ringbuf", find),) * 2,
    TrialConfig(transport="none", budget_bytes=0, storm=Storm(count=400), duet=Duet()),
    1 << 20,
    blocks=PLANNED,
    cpus=2,
)


def storms_of(journal: Path, *, resume: bool) -> int:
    """Return how many storms the duet has in the journal after two seconds more."""
    request = campaign.RunRequest(
        journal=journal,
        command_line=["test"],
        resume=resume,
        wait=True,
        wakeups=False,
        warm_up=False,
        plan=outline([SAME]),
    )
    with campaign.opened(request) as running:
        running.run(SAME, lambda _: None)
        before, undecided = len(running.trials), judge(SAME, running.trials).times_to_settle > 0
        settle([SAME], running, lambda _: None, 2.0)
        assert (len(running.trials) > before) is undecided
    content = read_journal(journal, strict=True)
    assert len(content.trials) == len(running.trials)
    assert all(not each.ledger.residues for each in content.trials if each.ledger)
    found = coverage(content.runs)
    assert (found.complete, found.planned_trials) == (True, found.planned_trials_ran)
    blocks = sorted(each.block for each in content.trials)
    assert blocks == [each // 2 for each in range(len(blocks))]
    return len(blocks) // 2


def test_an_undecided_duet_gets_storms_and_more_of_them_if_continued(tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    first = storms_of(journal, resume=False)
    assert first >= PLANNED
    assert storms_of(journal, resume=True) >= first
