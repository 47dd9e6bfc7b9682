# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run random trials for --minutes: every ledger balances, and nothing stays behind.

`./run soak -- --minutes 60 --seed 7` runs this for as long as asked.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Final

import psutil
import pytest
from soak import arbitrary, health, summary

from bench.campaign import campaign, gates
from bench.errors import GateFailed
from bench.host import ownership
from bench.journal.reader import read_journal
from bench.plan.experiments import Experiment
from bench.tracer import transports
from bench.trial.result import TrialResult
from bench.trial.rig import Rig

TRIALS_PER_ROUND: Final = 4


@contextmanager
def summarised(
    journal: Path, seed: int, trials: list[TrialResult], samples: list[health.Sample]
) -> Iterator[None]:
    """Print the summary and write it beside the journal, also when the soak is stopped."""
    try:
        yield
    finally:
        text = "\n".join(summary.lines(seed, trials, samples)) + "\n"
        ownership.write(journal.with_suffix(".md"), text.encode())
        print(f"{text}journal: {journal}", flush=True)


def round_of(seed: int, number: int, cpus: tuple[int, ...]) -> Experiment:
    # An overwriting ring takes one reader, and a kernel of 6.19 or later; counts have no records.
    ways = [name for name in transports.names() if name not in ("overwrite", "aggregate")]
    setting = arbitrary.Setting(transports=ways, cpus=cpus)
    first = number * TRIALS_PER_ROUND
    return Experiment(
        name="soak",
        title="Does every trial balance, whatever it is, and does nothing stay behind?",
        arms=tuple(arbitrary.arm(setting, seed, first + i) for i in range(TRIALS_PER_ROUND)),
        blocks=number + 1,
    )


@pytest.mark.slow
@pytest.mark.live
def test_random_trials_balance_and_leave_nothing(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    """Each round compiles, loads, runs and releases everything: what is held after it, leaks."""
    seed, minutes = pytestconfig.option.seed, pytestconfig.option.minutes
    journal = pytestconfig.option.journal or tmp_path / "soak.jsonl"
    request = campaign.RunRequest(journal=journal, command_line=sys.argv, seed=seed, wait=True)
    trials: list[TrialResult] = []
    samples: list[health.Sample] = []
    before = len(psutil.Process().children())
    started = time.monotonic()
    with campaign.opened(request) as running, summarised(journal, seed, trials, samples):
        while len(samples) < health.FEWEST_SAMPLES or time.monotonic() - started < minutes * 60:
            number = len(samples)
            experiment = round_of(seed, number, running.rig.usable)
            of_round = copy(running)
            with Rig(running.rig.storm_user) as of_round.rig:
                trials += of_round.run(experiment, lambda _: None, first_block=number)
            gc.collect()  # garbage is no leak
            elapsed_s = time.monotonic() - started
            samples.append(health.look(elapsed_s=elapsed_s, trials=len(trials)))
            print(summary.progress(samples[-1]), flush=True)
    assert samples[0].children == before  # other tests leave multiprocessing's resource tracker
    assert len(trials) == TRIALS_PER_ROUND * len(samples)
    assert len(read_journal(journal, strict=True).trials) == len(trials)
    gates.check((), trials)
    if grown := summary.grown(samples):
        raise GateFailed(f"not flat over {minutes:g} minutes: {', '.join(grown)}")
