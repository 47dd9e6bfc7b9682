# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Stop a consumer for a while within a trial: losses and cause are reported."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
from moments import Faults
from tracing import eventually
from victim import await_storm, victim

from bench.journal.reader import read_journal
from bench.trial.result import State

pytestmark = [pytest.mark.live, pytest.mark.slow]

SOME = 1
RARELY = 20  # of the faults asked for: each takes seconds
STOPPED_S = 1.5
UNREAD = 1_500  # at least so many processes are made while the harness is stopped


def made() -> int:
    """Return how many processes and threads the machine has made since it was booted."""
    found = re.search(r"^processes (\d+)$", Path("/proc/stat").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf"])
def test_a_stopped_harness_counts_what_it_lost(
    transport: str, tmp_path: Path, faults: Faults
) -> None:
    moment, stops = faults.moments("stop", transport), 0
    while stops < faults.times(SOME, of=RARELY):
        folder = tmp_path / str(stops)
        folder.mkdir(exist_ok=True)
        journal = folder / "run.jsonl"
        journal.unlink(missing_ok=True)
        # Paced: the storm is still going on when the harness is stopped, and goes on meanwhile.
        arguments = [
            *("run", "--workload", "trickle", "--rate", "4000", "--count", "8000"),
            *("--transport", transport, "--budget", "8KiB", "--blocks", "1"),
            *("--output", str(journal), "--quiet", "--wait"),
        ]  # fmt: skip
        with victim(folder, arguments) as stopped:
            await_storm(stopped, journal)
            if not stopped.wait_for(moment.uniform(0.0, 0.3)):
                continue
            os.kill(stopped.pid, signal.SIGSTOP)
            began_s, before = time.monotonic(), made()
            time.sleep(STOPPED_S)
            assert eventually(lambda until=before + UNREAD: made() > until)
            stopped_s = time.monotonic() - began_s
            os.kill(stopped.pid, signal.SIGCONT)
            assert stopped.process.wait(timeout=60) == 0, stopped.stderr()
        stops += 1
        (trial,) = read_journal(journal, strict=True).trials
        assert trial.ledger is not None
        assert trial.ledger.balanced, trial.reasons
        assert trial.ledger.own_dropped > 1_000  # 8 KiB hold a hundred records
        assert trial.state is State.NOISY
        assert trial.conditions.away_ns is not None
        assert stopped_s - 0.2 < trial.conditions.away_ns / 1e9
        assert any("the harness did not run for" in reason for reason in trial.reasons)
    faults.note("stops", stops)
