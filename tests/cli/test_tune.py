# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench tune, run as people run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tracing import bufbench

from bench.journal.reader import read_journals


@pytest.mark.slow
@pytest.mark.live
def test_a_paced_load_is_read_for_less(tmp_path: Path) -> None:
    """Tune for 2,000 exits a second: a reader every 20 ms wakes 40 times less than at each."""
    journal = tmp_path / "tune.jsonl"
    words = ["--rate", "2000", "--seconds", "0.1", "--for", "cpu", "--transport", "perfbuf"]
    done = bufbench("tune", *words, "--json", "--wait", "--output", str(journal), timeout_s=240)
    found = json.loads(done.stdout)["transports"]["perfbuf"]
    assert found["confirmed"]
    assert found["setting"]["flush_ms"] == 20
    check = found["check"]
    assert check["cpu_s_per_million"]["ratio"] < 0.5
    assert check["cpu_s_per_million"]["better_in"] >= 9
    assert check["p50_ns"]["ratio"] > 2  # what it costs
    content = read_journals([journal])
    assert content.faults == ()
    assert {trial.experiment for trial in content.trials} == {"tune", "tune-duet-perfbuf"}
    flushes = {trial.config.consumer.flush_ms for trial in content.trials}
    assert flushes == {0, 1, 5, 20}
    assert f"page: {tmp_path}/tune.html\n" in done.stderr
    assert "<h1" in (tmp_path / "tune.html").read_text()
