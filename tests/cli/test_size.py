# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench size, run as people run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tracing import reaches, within

from bench.host import process
from bench.journal.reader import read_journals

SIZE = [sys.executable, "-c", "from bench.cli import main; main()", "size"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rate", "5", "--burst", "5"], "leave --rate or --burst out"),
        (["--record-size", "8"], "--record-size 8 is out of range; take 72 to 4168"),
        (["--storms", "19"], "--storms 19 is out of range; take 20 to 1000"),
        (["--margin", "0.5"], "--margin 0.5 is out of range"),
        (["--burst", "9" * 400], "is out of range; take 0 to 1000000"),
        (["--tolerate", "1"], "--tolerate 1 is not a share"),
        (["--tolerate", "nan"], "--tolerate nan is not a share"),
        (["--transport", "pigeon"], "pigeon"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(arguments: list[str], complaint: str) -> None:
    done = within("size", *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.live
def test_a_burst_gets_a_size_that_holds_it(tmp_path: Path) -> None:
    journal = tmp_path / "size.jsonl"
    # All exits of the burst come within the stall, so that all 300 records have to be held.
    words = ["--burst", "300", "--stall", "100", "--seconds", "0.05", "--transport", "ringbuf"]
    done = process.run([*SIZE, *words, "--json", "--wait", "--output", str(journal)], timeout_s=240)
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
        [*SIZE, "--wait", "--output", journal], stderr=subprocess.PIPE
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
