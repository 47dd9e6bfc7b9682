# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run the matrix profile on one kernel, in a guest or on the host, and write how it went.

    python -m bench.questions.kernels.guest FOLDER SEED LEFT_S [COMMAND LINE OF THE RUN ...]

LEFT_S: what does not fit into this time, as fast as the guest is, is left out before it begins.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from bench.amounts import counted
from bench.campaign import campaign
from bench.errors import BufbenchError, MachineUnfit
from bench.host import inherited, limits
from bench.linux import machine
from bench.linux.kernel_log import complaints_since_boot
from bench.plan.experiments import Experiment
from bench.plan.outline import stage
from bench.questions.kernels import profile, schedule
from bench.questions.kernels.outcome import JOURNAL, RESULT, Ran, Status, result_of
from bench.questions.kernels.outcome import replace as put
from bench.questions.transports.profiles import PERFBUF, TRANSPORTS
from bench.tracer.btf import VMLINUX
from bench.trial.result import TrialResult

_LENIENCE: Final = 1.4
"""What takes longer than planned may end, so that no block of it goes missing; but not for ever.

With the share of its time limit that a guest measures for, that is 70 % of the limit.
"""

PROGRESS: Final = "progress"
"""A file whose one line names the current step."""


def measure(folder: Path, seed: int, left_s: float, command_line: Sequence[str]) -> Ran:
    """Run the profile; return how it went, also where it failed."""
    began = time.monotonic()
    trials: list[TrialResult] = []
    left_out: tuple[str, ...] = ()
    status, reason = Status.DONE, ""
    request = campaign.Request(
        journal=folder / JOURNAL,
        command_line=command_line,
        profile=profile.NAME,
        seed=seed,
        # Under emulation a tenth of the time, and times mean little there.
        wakeups=not machine.virtualisation().emulated,
    )
    try:
        require_types()
        with limits.explain(), campaign.opened(request) as running:
            left_out = _run(running, folder, began + left_s - time.monotonic(), trials)
        if not any(trial.ledger for trial in trials):
            status = Status.FAILED
            reason = f"there was no time for any experiment within {left_s:g} s"
    except BufbenchError as error:
        unfit = isinstance(error, MachineUnfit) and not trials
        status, reason = Status.UNAVAILABLE if unfit else Status.FAILED, str(error)
    return Ran(
        status=status,
        reason=reason,
        release=os.uname().release,
        trials=len(trials),
        left_out=left_out if status is Status.DONE else (),
    )


def require_types() -> None:
    """Raise MachineUnfit on a kernel without BTF."""
    if not VMLINUX.exists():
        raise MachineUnfit(
            "this kernel has no BTF, from which the tracer knows where fields are",
            remedy="take one built with CONFIG_DEBUG_INFO_BTF",
        )


def _run(
    running: campaign.Campaign, folder: Path, left_s: float, trials: list[TrialResult]
) -> tuple[str, ...]:
    """Run all that there is time for; return what there was none for.

    The guest's speed is measured before each experiment, and what is left is fitted anew into the
    time that is left: its host may have become busy, or idle.
    """

    def say(what: str) -> None:
        (folder / PROGRESS).write_text(f"{what}\n", encoding="utf-8")

    began, spent_s, expected_s = time.monotonic(), 0.0, 0.0
    cpus = len(running.rig.usable)
    has_ring = running.rig.kernel.facts["ring_buffer"] == "yes"
    say("memory")
    running.census(profile.CENSUS_BYTES)
    left_out: list[str] = []
    told, ran, pending = tuple[str, ...](), set[str](), dict[str, Experiment]()
    while pending or not ran:
        begun = time.monotonic()
        say(f"calibration {len(ran) + 1}")
        (bare,) = _block(running, profile.calibration(cpus), len(ran))
        trials.append(bare)
        on = profile.Setting(
            rate_per_s=bare.storm.rate_per_s,
            cpus=cpus,
            transports=TRANSPORTS if has_ring else (PERFBUF,),
        )
        pending = {each.name: each for each in profile.experiments(on) if each.name not in ran}
        slowness = spent_s / expected_s if expected_s else 1.0
        plan = schedule.fitted(pending.values(), on, left_s - (begun - began), slowness=slowness)
        if not plan.experiments:
            break
        experiment, *_ = plan.experiments
        words = f"{experiment.name} ({len(ran) + 1} of {len(ran) + len(plan.experiments)})"
        if not ran or told != plan.left_out:
            words += f"; at {on.rate_per_s:.0f} processes a second: {plan.words}"
        told = plan.left_out
        ran.add(experiment.name)
        del pending[experiment.name]
        running.intend(stage(experiment))
        say(words)
        for block in range(experiment.blocks):
            if time.monotonic() - began > left_s * _LENIENCE:
                left_out.append(
                    f"{counted(experiment.blocks - block, 'block')} of {experiment.name}"
                )
                break
            trials += _block(running, experiment, block)
        spent_s += time.monotonic() - begun
        expected_s += schedule.seconds(experiment, on)
    running.intend(*map(stage, pending.values()))
    left_out += pending
    running.leave_out(*left_out)
    return tuple(left_out)


def _block(
    running: campaign.Campaign, experiment: Experiment, block: int
) -> tuple[TrialResult, ...]:
    one = replace(experiment, blocks=block + 1)
    return running.run(one, lambda _: None, first_block=block)


def main() -> None:
    """Run the command line above."""
    inherited.settle()
    folder = Path(sys.argv[1])
    ran = measure(folder, int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
    ran = replace(ran, complaints=complaints_since_boot())
    put(folder / RESULT, json.dumps(asdict(result_of(folder / JOURNAL, ran))).encode())


if __name__ == "__main__":
    main()
