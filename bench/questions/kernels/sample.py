# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Take one sample of the matrix profile, in a guest whose time is executed instructions.

    python -m bench.questions.kernels.sample FOLDER SEED NUMBER

All that happens in such a guest follows from its seed. So the guest is the sample: each experiment
runs one block, and the next block is another guest's. Only duets, whose unit is the storm, have
two, as their intervals take many. Storms are the same on every kernel.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.campaign import campaign
from bench.plan.config import TrialConfig
from bench.plan.experiments import Experiment, stage
from bench.questions.kernels import guest, profile
from bench.questions.kernels.outcome import JOURNAL, Ran
from bench.questions.transports.profiles import TORN
from bench.trial.result import TrialResult

COMMAND_LINE: Final = ("bufbench", "kernels", "run", "--reproducible")
"""Of the journal's header: what was typed may differ where nothing else does."""

RATE_PER_S: Final = 4_000.0
"""Processes a second that storms are sized by: about what the slowest kernel makes."""

_PROCESSES: Final = {"storm": 700, "trickle-duet": 1_900, profile.NOISE: 160, TORN: 800}
"""Processes of storms whose length differs from that in other guests. Duets are longer, as they
decide close differences; six arms, constant bpf() calls or delayed programs make storms slow."""

_DUET_STORMS: Final = 2  # in each guest

_ON_ONE_CPU: Final = ("cost", "refused")
"""Experiments that sum up instructions, storm and consumer on the first CPU: a sum would otherwise
have the other CPU's turns in it."""


def experiments(on: profile.Setting, number: int) -> Iterator[Experiment]:
    """Yield the experiments of the samples up to ``number``, with all their blocks.

    Those without a verdict have the few blocks that they have elsewhere.
    """
    for each in profile.experiments(on):
        most = first_block(each, number + 1)
        if each.blocks < profile.BLOCKS:
            most = min(most, each.blocks)
        arms = (replace(arm, config=_settled(each.name, arm.config)) for arm in each.arms)
        yield replace(each, arms=tuple(arms), blocks=most)


def first_block(experiment: Experiment, number: int) -> int:
    """Return the first block that is of sample ``number``."""
    return (number - 1) * (_DUET_STORMS if experiment.duet else 1)


def _settled(experiment: str, config: TrialConfig) -> TrialConfig:
    """Return a trial of the profile as it is in such guests."""
    storm = config.storm
    if experiment in _ON_ONE_CPU:
        on_it, consumer = replace(storm, cpus=(0,)), replace(config.consumer, cpu=0)
        return replace(config, storm=on_it, consumer=consumer)
    return replace(config, storm=replace(storm, count=_PROCESSES.get(experiment, storm.count)))


def take(folder: Path, seed: int, number: int) -> Ran:
    """Run sample ``number``; return how it went, also where it failed."""
    trials: list[TrialResult] = []
    request = campaign.RunRequest(
        journal=folder / JOURNAL,
        command_line=COMMAND_LINE,
        profile=profile.NAME,
        seed=seed,
        left_out=guest.unloadable(),
        wakeups=False,
        warm_up=False,
    )

    def run(running: campaign.Campaign) -> tuple[str, ...]:
        upto = experiments(guest.setting(running, RATE_PER_S), number)
        plan = [each for each in upto if each.blocks > first_block(each, number)]
        running.intend(*(stage(each, first_block(each, number)) for each in plan))
        if number == 1:  # the memory of a buffer is no question of chance
            running.census(profile.CENSUS_BYTES)
        for each in plan:
            print(each.name, flush=True)
            first = first_block(each, number)
            trials.extend(running.run(each, lambda _: None, first_block=first))
        return ()

    return guest.run(request, trials, run)


if __name__ == "__main__":
    guest.leave(lambda folder: take(folder, *map(int, sys.argv[2:4])), Path(sys.argv[1]))
