# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Take one sample of the matrix profile, in a guest whose time is executed instructions.

    python -m bench.questions.kernels.sample FOLDER SEED NUMBER

All that happens in such a guest follows from its seed. So the guest is the sample: each experiment
runs one block, and the next block is another guest's. Storms are the same on every kernel.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from bench.campaign import campaign
from bench.errors import BufbenchError, MachineUnfit
from bench.host import inherited, limits
from bench.linux.kernel_log import complaints_since_boot
from bench.plan.config import TrialConfig
from bench.plan.experiments import Experiment
from bench.plan.outline import stage
from bench.questions.kernels import profile
from bench.questions.kernels.guest import require_types
from bench.questions.kernels.outcome import JOURNAL, RESULT, Ran, Status, result_of
from bench.questions.kernels.outcome import replace as put
from bench.questions.transports.attachments import TORN
from bench.questions.transports.profiles import PERFBUF, TRANSPORTS
from bench.tracer import loader
from bench.tracer.loader import Loader

COMMAND_LINE: Final = ("bufbench", "kernels", "run", "--reproducible")
"""Of the journal's header: what was typed may differ where nothing else does."""

RATE_PER_S: Final = 4_000.0
"""Processes a second that storms are sized by: about what the slowest kernel makes."""

_NOISY_PROCESSES: Final = 160


def experiments(cpus: int, transports: tuple[str, ...], number: int) -> Iterator[Experiment]:
    """Yield the experiments of the samples up to ``number``; each has one block in each of them.

    But those that make no verdict have the few blocks that they have elsewhere, too.
    """
    setting = profile.Setting(rate_per_s=RATE_PER_S, cpus=cpus, transports=transports)
    for each in profile.experiments(setting):
        arms = each.arms
        if each.name == profile.NOISE:
            arms = tuple(replace(arm, config=_shorter(arm.config)) for arm in arms)
        most = number if each.blocks >= profile.BLOCKS else min(number, each.blocks)
        yield replace(each, arms=arms, blocks=most)


def _shorter(config: TrialConfig) -> TrialConfig:
    """Return a storm of few processes: beside callers that never pause, forks take 30 times."""
    return replace(config, storm=replace(config.storm, count=_NOISY_PROCESSES))


def take(folder: Path, seed: int, number: int) -> Ran:
    """Run sample ``number``; return how it went, also where it failed."""
    trials = 0
    status, reason = Status.DONE, ""
    request = campaign.Request(
        journal=folder / JOURNAL,
        command_line=COMMAND_LINE,
        profile=profile.NAME,
        seed=seed,
        wakeups=False,
    )
    try:
        require_types()
        with limits.explain(), campaign.opened(request) as running:
            has_ring = running.rig.kernel.facts["ring_buffer"] == "yes"
            transports = TRANSPORTS if has_ring else (PERFBUF,)
            upto = experiments(len(running.rig.usable), transports, number)
            plan = [each for each in upto if each.blocks == number]
            if not running.rig.kernel.adds_atomically and loader.chosen() is Loader.PREBUILT:
                plan = [each for each in plan if each.name != TORN]  # none can be, nor be loaded
            running.intend(*(stage(each, number - 1) for each in plan))
            if number == 1:  # the memory of a buffer is no question of chance
                running.census(profile.CENSUS_BYTES)
            for each in plan:
                print(each.name, flush=True)
                trials += len(running.run(each, lambda _: None, first_block=number - 1))
    except BufbenchError as error:
        unfit = isinstance(error, MachineUnfit) and not trials
        status, reason = Status.UNAVAILABLE if unfit else Status.FAILED, str(error)
    return Ran(status=status, reason=reason, release=os.uname().release, trials=trials)


def main() -> None:
    """Run the command line above."""
    inherited.settle()
    folder = Path(sys.argv[1])
    ran = take(folder, *map(int, sys.argv[2:4]))
    ran = replace(ran, complaints=complaints_since_boot())
    put(folder / RESULT, json.dumps(asdict(result_of(folder / JOURNAL, ran))).encode())


if __name__ == "__main__":
    main()
