# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure what analysis and journal add to a trial: their time beside its own. Never asserted.

``extra_info`` holds both medians and the share; pytest-benchmark prints the first.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from trials import run

from bench.journal.writer import JournalWriter
from bench.plan.config import TrialConfig
from bench.trial.assess import assess
from bench.trial.observation import Observation
from bench.trial.observe import observe
from bench.trial.rig import Rig
from workloads.storm import Storm

pytestmark = [pytest.mark.live, pytest.mark.slow]

CONFIG = TrialConfig(transport="ringbuf", budget_bytes=64 << 10, storm=Storm(count=3_000))
ROUNDS = 8


def test_analysis_and_journal(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    observing_s: list[float] = []
    with Rig() as rig, JournalWriter(tmp_path / "journal.jsonl") as writer:
        result = run(rig, CONFIG)

        def observed() -> tuple[tuple[Observation], dict[str, object]]:
            start = time.perf_counter()
            seen = observe(rig, CONFIG)
            observing_s.append(time.perf_counter() - start)
            return (seen,), {}

        def analyse(seen: Observation) -> None:
            assert assess(result, seen).ledger is not None
            writer.write(result)

        benchmark.pedantic(analyse, setup=observed, rounds=ROUNDS)
    added_s, trial_s = benchmark.stats.stats.median, median(observing_s)
    benchmark.extra_info.update(
        trial_ms=round(trial_s * 1e3, 1),
        added_ms=round(added_s * 1e3, 1),
        added_share=round(added_s / trial_s, 3),
    )
    print(
        f"\nanalysis and journal add {added_s / trial_s:.1%} to a trial of {trial_s * 1e3:.0f} ms"
    )
