# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bufbench tune as people run it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from tracing import bufbench

from bench.journal.reader import read_journals
from bench.linux.cpus import usable
from bench.plan.experiments import Experiment
from bench.questions.sizing.plan import Load
from bench.questions.tune import plan, run
from bench.questions.tune.axis import Axis
from bench.questions.tune.plan import Setting
from bench.tracer.transports import find
from bench.trial.result import TrialResult


@pytest.mark.slow
@pytest.mark.live
def test_a_paced_load_is_read_for_less(tmp_path: Path) -> None:
    """Tune for 2,000 exits a second, and judge what was measured once more.

    Which setting takes the least CPU time is up to the machine; that a reader which is woken by a
    timer alone raises no wake-ups is not.
    """
    journal = tmp_path / "tune.jsonl"
    words = ["--rate", "2000", "--seconds", "0.1", "--for", "cpu", "--transport", "perfbuf"]
    done = bufbench("tune", *words, "--json", "--wait", "--output", str(journal), timeout_s=240)
    found = json.loads(done.stdout)["transports"]["perfbuf"]
    content = read_journals([journal])
    assert content.faults == ()
    flushes = {trial.config.consumer.flush_ms for trial in content.trials}
    assert flushes == {0, 1, 5, 20}
    assert f"page: {tmp_path}/tune.html\n" in done.stderr
    assert "<h1" in (tmp_path / "tune.html").read_text()

    def measured(asked: Experiment, _: Callable[[TrialResult], None]) -> Sequence[TrialResult]:
        return [each for each in content.trials if each.experiment == asked.name]

    load = Load(rate_per_s=2_000.0, stall_ms=0.0, seconds=0.1)
    cpus = len(usable())
    tried = plan.choices([find("perfbuf")], plan.config(load, cpus), 1 << 20, cpus=cpus)
    tuned = run.measure(tried, Axis.CPU, 10.0, blocks=8, run=measured, begin=lambda _: None).tuned[
        "perfbuf"
    ]
    assert found["confirmed"] == tuned.confirmed
    assert found["setting"] == asdict(tuned.setting)
    assert found["reason"] == tuned.reason
    woken = {each.setting: each.wakeups_per_record for each in tuned.points}
    if woken[Setting()] is not None:  # else this machine counts none
        never = [number for setting, number in woken.items() if setting.label.startswith("never")]
        assert len(never) == 3
        assert max(never) < woken[Setting()]
