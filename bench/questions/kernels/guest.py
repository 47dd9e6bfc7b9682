# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run the matrix profile on one kernel, in a guest or on the host, and write how it went.

    python -m bench.questions.kernels.guest FOLDER SEED LEFT_S [COMMAND LINE OF THE RUN ...]

LEFT_S is the time for the whole profile. Experiments that would not fit into it, at the guest's
speed, are left out before they begin.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from bench.amounts import counted, duration
from bench.campaign import campaign
from bench.errors import BufbenchError, MachineUnfit
from bench.host import inherited
from bench.journal.files import write_whole
from bench.linux import machine, refusal
from bench.linux.kernel_log import complaints_since_boot
from bench.plan.experiments import Experiment, stage
from bench.questions.duet.run import settle
from bench.questions.kernels import outcome, profile, schedule
from bench.questions.kernels.outcome import JOURNAL, Ran, Status
from bench.questions.transports.profiles import PERFBUF, TORN, TRANSPORTS
from bench.tracer import loader
from bench.tracer.btf import VMLINUX
from bench.tracer.build import adds_atomically
from bench.tracer.loader import Loader
from bench.trial.result import TrialResult

_LENIENCE: Final = 1.4
"""An experiment that takes longer than planned may finish within this, so that no block is lost.

Until then duets may be settled too.

Times the share of its time limit for which a guest measures, this is 70 % of the limit.
"""

PROGRESS: Final = "progress"
"""A file whose one line names the current step."""


def run(request: campaign.RunRequest, body: Callable[[campaign.Campaign], tuple[str, ...]]) -> Ran:
    """Run ``body``, which returns what it left out; return how it went.

    Failures are returned too. On a kernel without BTF it does not begin.
    """
    left_out: tuple[str, ...] = ()
    trials: Sequence[TrialResult] = ()
    status, reason = Status.DONE, ""
    try:
        if not VMLINUX.exists():
            raise MachineUnfit(
                "this kernel has no BTF, from which the tracer gets the offsets of fields",
                remedy="take one built with CONFIG_DEBUG_INFO_BTF",
            )
        with refusal.explain(), campaign.opened(request) as running:
            trials = running.trials  # which grow
            left_out = body(running)
    except BufbenchError as error:
        unfit = isinstance(error, MachineUnfit) and not trials
        status, reason = Status.UNAVAILABLE if unfit else Status.FAILED, str(error)
    release, ran = os.uname().release, len(trials)
    return Ran(status=status, reason=reason, release=release, trials=ran, left_out=left_out)


def setting(running: campaign.Campaign, rate_per_s: float) -> profile.Setting:
    """Return the setting of the profile: this kernel, and a guest of this speed."""
    rings = running.rig.kernel.facts["ring_buffer"] == "yes"
    return profile.Setting(
        rate_per_s=rate_per_s,
        cpus=len(running.rig.usable),
        transports=TRANSPORTS if rings else (PERFBUF,),
        raw=not unloadable(),
    )


def unloadable() -> tuple[str, ...]:
    """Return the experiments that cannot be loaded on this kernel, each with the reason."""
    if loader.chosen() is Loader.BCC or adds_atomically(os.uname().release):
        return ()
    return (f"{TORN}: left out, prebuilt tracers for raw tracepoints need Linux 5.12",)


def leave(ran: Callable[[Path], Ran], folder: Path) -> None:
    """Write into ``folder`` how a run in it went, and the kernel's complaints."""
    inherited.settle()
    found = replace(ran(folder), complaints=complaints_since_boot())
    result = outcome.result_of(folder / JOURNAL, found)
    write_whole(folder / outcome.RESULT, json.dumps(asdict(result)).encode())


def measure(folder: Path, seed: int, left_s: float, command_line: Sequence[str]) -> Ran:
    """Run the profile; return how it went, even if it failed."""
    end = time.monotonic() + left_s
    request = campaign.RunRequest(
        journal=folder / JOURNAL,
        command_line=command_line,
        profile=profile.NAME,
        seed=seed,
        left_out=unloadable(),
        # It would take a tenth of the time under emulation, where times mean little.
        wakeups=not machine.virtualisation().emulated,
    )

    def body(running: campaign.Campaign) -> tuple[str, ...]:
        left_out = _run(running, folder, end - time.monotonic())
        if not any(trial.ledger for trial in running.trials):
            raise BufbenchError(f"there was no time for any experiment within {duration(left_s)}")
        return left_out

    return run(request, body)


def _run(running: campaign.Campaign, folder: Path, left_s: float) -> tuple[str, ...]:
    """Run all experiments for which there is time; return those that were left out.

    The guest's speed is measured before each experiment, and the rest is fitted again into the time
    that is left: its host may have become busy, or idle. Duets that are then still undecided get
    more storms.
    """

    def say(what: str) -> None:
        (folder / PROGRESS).write_text(f"{what}\n", encoding="utf-8")

    def run_block(experiment: Experiment, block: int) -> tuple[TrialResult, ...]:
        one = replace(experiment, blocks=block + 1)
        return running.run(one, lambda _: None, first_block=block)

    began, spent_s, expected_s = time.monotonic(), 0.0, 0.0
    cpus = len(running.rig.usable)
    say("memory")
    running.census(profile.CENSUS_BYTES)
    left_out: list[str] = []
    named, pending = tuple[str, ...](), dict[str, Experiment]()
    ran: dict[str, Experiment] = {}
    while pending or not ran:
        begun = time.monotonic()
        say(f"calibration {len(ran) + 1}")
        (bare,) = run_block(profile.calibration(cpus), len(ran))
        on = setting(running, rate_per_s := bare.storm.rate_per_s)
        pending = {each.name: each for each in profile.experiments(on) if each.name not in ran}
        slowness = spent_s / expected_s if expected_s else 1.0
        plan = schedule.fitted(pending.values(), on, left_s - (begun - began), slowness=slowness)
        if not plan.experiments:
            break
        experiment, *_ = plan.experiments
        words = f"{experiment.name} ({len(ran) + 1} of {len(ran) + len(plan.experiments)})"
        if not ran or named != plan.left_out:
            words += f"; at {rate_per_s:.0f} processes a second: {plan.words}"
        named = plan.left_out
        ran[experiment.name] = experiment
        del pending[experiment.name]
        running.intend(stage(experiment))
        say(words)
        for block in range(experiment.blocks):
            if time.monotonic() - began > left_s * _LENIENCE:
                lacking = counted(experiment.blocks - block, "block")
                left_out.append(f"{lacking} of {experiment.name}")
                break
            run_block(experiment, block)
        spent_s += time.monotonic() - begun
        expected_s += schedule.seconds(experiment, on)
    say("more storms of duets, until they are settled")
    left_s = left_s * _LENIENCE - (time.monotonic() - began)
    settle(ran.values(), running, lambda _: None, left_s)
    running.intend(*map(stage, pending.values()))
    left_out += pending
    running.leave_out(*left_out)
    return tuple(left_out)


if __name__ == "__main__":
    leave(
        lambda folder: measure(folder, int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]),
        Path(sys.argv[1]),
    )
