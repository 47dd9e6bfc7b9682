# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench tune, run as people run it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tracing import within

from bench.host import process
from bench.journal.reader import read_journals

TUNE = [sys.executable, "-c", "from bench.cli import main; main()", "tune"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rate", "5", "--burst", "5"], "leave --rate or --burst out"),
        (["--record-size", "8"], "--record-size 8 is out of range; take 72 to 4168"),
        (["--blocks", "7"], "--blocks 7 is out of range; take 8 to 1000"),
        (["--within", "0"], "--within 0 is out of range"),
        (["--within", "nan"], "--within nan is out of range"),
        (["--within", "5ms", "--for", "cpu"], "--within has no effect with --for cpu"),
        (["--budget", "5000"], "no power of two of pages"),
        (["--budget", "4KiB", "--record-size", "4000"], "take a larger --budget"),
        (["--for", "fun"], "fun"),
        (["--buffer", "x"], "--buffer has no effect without --from"),
        (["--from", "/nowhere", "--rate", "5"], "--rate has no effect with --from"),
        (["--from", "/nowhere"], "/nowhere cannot be read: No such file or directory"),
        (["--transport", "pigeon"], "pigeon"),
        (["--transport", "ringbuf", "--transport", "ringbuf"], "--transport names one twice"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(arguments: list[str], complaint: str) -> None:
    done = within("tune", *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.live
def test_a_paced_load_is_read_for_less(tmp_path: Path) -> None:
    """Tune for 2,000 exits a second: a reader every 20 ms wakes 40 times less than at each."""
    journal = tmp_path / "tune.jsonl"
    words = ["--rate", "2000", "--seconds", "0.1", "--for", "cpu", "--transport", "perfbuf"]
    done = process.run([*TUNE, *words, "--json", "--wait", "--output", str(journal)], timeout_s=240)
    found = json.loads(done.stdout)["transports"]["perfbuf"]
    assert found["confirmed"]
    assert found["setting"]["flush_ms"] == 20
    check = found["check"]
    assert check["cpu_s_per_million"]["ratio"] < 0.5
    assert check["cpu_s_per_million"]["better_in"] >= 9
    assert check["p50_ns"]["ratio"] > 2  # what it costs
    content = read_journals([journal])
    assert content.faults == ()
    assert {trial.experiment for trial in content.trials} == {"tune", "tune-check"}
    flushes = {trial.config.consumer.flush_ms for trial in content.trials}
    assert flushes == {0, 1, 5, 20}
