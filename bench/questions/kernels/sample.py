# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Take one sample of the matrix profile, in a guest whose time is executed instructions.

    python -m bench.questions.kernels.sample FOLDER SEED NUMBER [once]

All that happens in such a guest is determined by its seed. So the guest is the sample: each
experiment runs one block, and the next block belongs to another guest. Only duets, whose unit is
the storm, have four, as their intervals need many. Storms are the same on every kernel. The guest
with "once" also measures memory and torn records, which have no intervals.
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

COMMAND_LINE: Final = ("bufbench", "kernels", "run", "--reproducible")
"""Of the journal's header: the typed line may differ when nothing else does."""

ONCE: Final = "once"

RATE_PER_S: Final = 4_000.0
"""Processes per second by which storms are sized: about those of the slowest kernel."""

_PROCESSES: Final = {
    "storm": 500,
    "storm-duet": 1_000,
    "trickle-duet": 950,
    profile.NOISE: 160,
    "cost": 1_000,
    TORN: 800,
}
"""Processes of storms whose length differs from that in other guests. An exit takes some 2 ms of
this machine, most of a guest's time. The numbers of duets vary more between storms than within
one, so theirs are short, and several."""

_DUET_STORMS: Final = 4
"""Storms in each guest: one for each order of visits and each position of the programs."""

_ON_ONE_CPU: Final = ("cost", "refused")
"""Experiments that sum instructions, with storm and consumer on the first CPU: otherwise a sum
would include the other CPU's turns."""


def experiments(on: profile.Setting, number: int) -> Iterator[Experiment]:
    """Yield the experiments of the samples up to ``number``, with all their blocks."""
    for each in profile.experiments(on):
        blocks = 1 if each.name == TORN else first_block(each, number + 1)
        arms = (replace(arm, config=_settled(each.name, arm.config)) for arm in each.arms)
        yield replace(each, arms=tuple(arms), blocks=blocks)


def first_block(experiment: Experiment, number: int) -> int:
    """Return the first block of sample ``number``."""
    if experiment.name == TORN:  # in a single sample, whatever its number
        return 0
    return (number - 1) * (_DUET_STORMS if experiment.duet else 1)


def _settled(experiment: str, config: TrialConfig) -> TrialConfig:
    """Return a trial of the profile adapted to such guests."""
    storm, consumer = config.storm, config.consumer
    storm = replace(storm, count=_PROCESSES.get(experiment, storm.count))
    if experiment in _ON_ONE_CPU:
        storm, consumer = replace(storm, cpus=(0,)), replace(consumer, cpu=0)
    return replace(config, storm=storm, consumer=consumer)


def take(folder: Path, seed: int, number: int, *, once: bool) -> Ran:
    """Run sample ``number``; return how it went, even if it failed.

    With ``once`` it includes what is examined in only one sample.
    """
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
        plan = [each for each in upto if once or each.name != TORN]
        running.intend(*(stage(each, first_block(each, number)) for each in plan))
        if once:
            running.census(profile.CENSUS_BYTES)
        for each in plan:
            print(each.name, flush=True)
            running.run(each, lambda _: None, first_block=first_block(each, number))
        return ()

    return guest.run(request, run)


if __name__ == "__main__":
    words = sys.argv[2:]
    guest.leave(
        lambda folder: take(folder, *map(int, words[:2]), once=ONCE in words[2:]),
        Path(sys.argv[1]),
    )
