# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run a campaign inside a guest, and write how it went."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from bench.campaign import campaign
from bench.errors import BufbenchError, MachineUnfit
from bench.host import inherited
from bench.linux import refusal
from bench.linux.kernel_log import complaints_since_boot
from bench.questions.kernels import outcome
from bench.questions.kernels.outcome import Ran, Status
from bench.questions.transports.profiles import PERFBUF, TRANSPORTS
from bench.tracer.btf import VMLINUX
from bench.trial.result import TrialResult


def run(
    request: campaign.Request,
    trials: list[TrialResult],
    body: Callable[[campaign.Campaign], tuple[str, ...]],
) -> Ran:
    """Run ``body``, which adds to ``trials`` and returns what it left out; say how it went.

    That is so also where it failed; on a kernel without BTF it does not begin.
    """
    left_out: tuple[str, ...] = ()
    status, reason = Status.DONE, ""
    try:
        if not VMLINUX.exists():
            raise MachineUnfit(
                "this kernel has no BTF, from which the tracer knows where fields are",
                remedy="take one built with CONFIG_DEBUG_INFO_BTF",
            )
        with refusal.explain(), campaign.opened(request) as running:
            left_out = body(running)
    except BufbenchError as error:
        unfit = isinstance(error, MachineUnfit) and not trials
        status, reason = Status.UNAVAILABLE if unfit else Status.FAILED, str(error)
    return Ran(
        status=status,
        reason=reason,
        release=os.uname().release,
        trials=len(trials),
        left_out=left_out,
    )


def transports(running: campaign.Campaign) -> tuple[str, ...]:
    """Return the transports that this kernel has."""
    return TRANSPORTS if running.rig.kernel.facts["ring_buffer"] == "yes" else (PERFBUF,)


def main(measure: Callable[[Path], Ran], folder: Path) -> None:
    """Write the result of ``measure`` and what the kernel complained about into ``folder``."""
    inherited.settle()
    ran = replace(measure(folder), complaints=complaints_since_boot())
    result = outcome.result_of(folder / outcome.JOURNAL, ran)
    outcome.replace(folder / outcome.RESULT, json.dumps(asdict(result)).encode())
