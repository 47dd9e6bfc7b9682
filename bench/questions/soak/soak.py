# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A soak: arbitrary trials, one after another, for as long as asked, and what they leave behind."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from bench.campaign.campaign import Campaign, Listener
from bench.linux import health
from bench.measure.health import Sample
from bench.plan.experiments import Experiment
from bench.questions.soak import arbitrary
from bench.tracer import transport
from bench.trial.result import TrialResult
from bench.trial.rig import Rig

TRIALS_A_ROUND: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Some trials on a rig of their own, and what was held once it had gone."""

    trials: tuple[TrialResult, ...]
    after: Sample


def rounds(running: Campaign, *, minutes: float, listener: Listener) -> Iterator[Round]:
    """Rounds of trials until ``minutes`` are over; at least one.

    Every round compiles, loads, runs and lets go of all, so that what is held between two rounds
    is what leaks. Each trial and each sample is in the journal before the next begins.
    """
    setting = arbitrary.Setting(
        transports=transport.names(),
        cpus=running.rig.usable,
        page_bytes=os.sysconf("SC_PAGE_SIZE"),
    )
    started = time.monotonic()
    number = 0
    while number == 0 or time.monotonic() - started < minutes * 60:
        first = number * TRIALS_A_ROUND
        experiment = Experiment(
            name="soak",
            title="Does every trial balance, whatever it is, and does nothing stay behind?",
            arms=tuple(
                arbitrary.arm(setting, running.header.seed, first + each)
                for each in range(TRIALS_A_ROUND)
            ),
            blocks=number + 1,
        )
        with Rig(running.rig.storm_user) as rig:
            trials = replace(running, rig=rig).run(experiment, listener, first_block=number)
        gc.collect()  # what only waits for it does not leak
        number += 1
        sample = health.look(elapsed_s=time.monotonic() - started, trials=number * TRIALS_A_ROUND)
        running.keep(sample)
        yield Round(trials=trials, after=sample)
