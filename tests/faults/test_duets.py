# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Kill duets, or take their CPU: both ledgers balance, and nothing is left behind."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pytest
from hotplug import last_cpu
from moments import Faults
from tracing import bufbench
from victim import abandoned_folders, await_storm, begun, victim

from bench.journal.reader import read_journal
from bench.trial.result import State, TrialResult

pytestmark = [pytest.mark.live, pytest.mark.slow]

DUET = ("duet", "ringbuf", "perfbuf", "--wait", "--count", "1500", "--assign")
SOME = 2


def balanced_pairs(trials: Sequence[TrialResult]) -> int:
    """Return the number of storms; each has both arms, and every process in one of them."""
    storms = [list(each) for _, each in groupby(trials, key=lambda trial: trial.storm.start_ns)]
    for pair in storms:
        assert [trial.half.second for trial in pair if trial.half] == [False, True]
        books = [trial.ledger for trial in pair if trial.ledger]
        assert all(trial.state is not State.INVALID for trial in pair), pair[0].reasons
        assert all(book.own_attempted == book.own_delivered + book.own_dropped for book in books)
        missed = books[0].missed
        assert sum(book.own_exits for book in books) + missed == pair[0].storm.reaped
    return len(storms)


@pytest.mark.parametrize("assign", ["record", "1ms"])
def test_a_kill_leaves_whole_storms_and_nothing_else(
    assign: str, tmp_path: Path, faults: Faults
) -> None:
    moment = faults.moments("kill-duet", assign)
    kills, found = 0, 0
    while kills < faults.times(SOME, of=2) or not found:
        folder = tmp_path / f"{assign}-{kills}"
        folder.mkdir()
        journal = folder / "duet.jsonl"
        words = [*DUET, assign, "--storms", "40", "--output", str(journal)]
        with victim(folder, words) as struck:
            while struck.running() and not begun(journal):
                time.sleep(0.005)
            assert struck.wait_for(moment.uniform(0.0, 3.0)), struck.stderr()
            struck.process.kill()
            assert struck.ended_after_s() < faults.soon_s
            assert struck.process.returncode == -signal.SIGKILL
            assert struck.gone_after_s() < faults.soon_s
        kills += 1
        found += balanced_pairs(read_journal(journal).trials)
    last = bufbench(*DUET, assign, "--storms", "8", "--output", str(tmp_path / "last.jsonl"))
    assert last.returncode == 0, last.stderr  # it has swept what those before it left
    assert abandoned_folders() == []
    faults.note("kills", kills)


@pytest.mark.parametrize("assign", ["record", "1ms"])
def test_a_cpu_that_goes_and_comes_back_within_a_duet(assign: str, tmp_path: Path) -> None:
    _, switch = last_cpu()
    journal = tmp_path / "duet.jsonl"
    words = [*DUET, assign, "--storms", "8", "--output", str(journal)]
    with victim(tmp_path, words) as hit:
        await_storm(hit, journal)
        switched = 0
        try:
            while hit.running():
                switch.write_text("0")
                time.sleep(0.1)
                switch.write_text("1")
                time.sleep(0.2)
                switched += 1
        finally:
            switch.write_text("1")
        assert hit.process.returncode == 0, hit.stderr()
    assert switched > 1
    assert balanced_pairs(read_journal(journal, strict=True).trials) == 8
