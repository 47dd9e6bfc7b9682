# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bufbench size as people run it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from tracing import BUFBENCH, bufbench, reaches

from bench.journal.reader import read_journals


@pytest.mark.slow
@pytest.mark.live
def test_a_burst_gets_a_size_that_holds_it(tmp_path: Path) -> None:
    journal = tmp_path / "size.jsonl"
    # The stall ends with the storm, not before, so that all 300 records have to be held.
    words = ["--burst", "300", "--stall", "60000", "--seconds", "0.05", "--transport", "ringbuf"]
    done = bufbench("size", *words, "--json", "--wait", "--output", str(journal), timeout_s=240)
    found = json.loads(done.stdout)["transports"]["ringbuf"]
    assert found["minimum_bytes"] == 32_768  # 300 x 80 bytes; 16 KiB hold 204
    assert found["recommended_bytes"] == 65_536
    tried = Counter(trial.config.budget_bytes for trial in read_journals([journal]).trials)
    assert tried.keys() == {rung["budget_bytes"] for rung in found["rungs"]}
    # Disturbed storms stand in the journal, and may count in nothing.
    assert all(tried[rung["budget_bytes"]] >= rung["trials"] >= 4 for rung in found["rungs"])


@pytest.mark.slow
@pytest.mark.live
def test_ctrl_c_leaves_what_was_finished(tmp_path: Path) -> None:
    journal = tmp_path / "size.jsonl"
    with subprocess.Popen(
        [*BUFBENCH, "size", "--wait", "--output", journal], stderr=subprocess.PIPE
    ) as running:
        assert reaches(
            running, lambda: journal.exists() and journal.read_bytes().count(b'"kind":"trial"') > 2
        )
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
        assert running.stderr is not None
        assert b"Traceback" not in running.stderr.read()
    content = read_journals([journal])
    assert content.faults == ()
    assert len(content.trials) >= 3
