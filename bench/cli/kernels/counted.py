# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench kernels run --reproducible."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from bench.errors import UsageError, check_range

if TYPE_CHECKING:
    from bench.guests.boot import Guest
    from bench.guests.sources import Image
    from bench.questions.kernels.run import Say

CPUS: Final = 2
"""With one, no order of two CPUs can be violated."""

_MEMORY_MIB: Final = 2048
_MOST_SEEDS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What is to be run on each kernel."""

    guest: Guest
    jobs: int
    seeds: int  # how many
    seed: int  # the first


def check(context: typer.Context, kernels: Sequence[str], accelerator: str | None) -> None:
    """Raise UsageError for what reproducible guests cannot do; MachineUnfit without QEMU."""
    from bench.guests import machines
    from bench.guests.sources.host import HOST
    from bench.questions.kernels.run import check_names

    if accelerator == "kvm":
        raise UsageError(
            "--reproducible counts instructions, which KVM cannot",
            remedy="leave out --accelerator kvm",
        )
    if HOST in kernels:
        raise UsageError("host is not booted", remedy="name an image, like /boot/vmlinuz")
    check_names(kernels)
    check_range("--seeds", context.params["seeds"], 1, _MOST_SEEDS)
    check_range("--seed", context.params["seed"], 0, 1 << 62)
    if not context.params["dry_run"]:
        machines.usual().qemu()  # before anything is fetched


def fitting(memory_bytes: int | None) -> int:
    """Return how many guests to run at a time: each takes one CPU, however many it has."""
    import os

    import psutil

    memory_mib = _MEMORY_MIB if memory_bytes is None else max(1, memory_bytes >> 20)
    available_mib = psutil.virtual_memory().available >> 20
    usable = len(os.sched_getaffinity(0))
    return max(1, min(usable, available_mib * 3 // 4 // memory_mib))


def show_plan(kernels: Sequence[str], samples: Samples, *, as_json: bool) -> None:
    """Print what each kernel's guests run."""
    from bench.cli import dry_run
    from bench.questions.kernels.sample import experiments
    from bench.questions.transports.profiles import TRANSPORTS

    turns = -(-(samples.seeds + 1) // samples.jobs)
    of_guests = (
        f"On each of {', '.join(kernels)}: a guest, and a block, for each of {samples.seeds} "
        "seeds; the first once more."
    )
    of_this_machine = (
        "The time is the guests' own, in instructions. A guest takes about a minute of this "
        f"machine's, and {samples.jobs} run at a time: {turns} minutes a kernel."
    )
    dry_run.show(
        experiments(samples.guest.cpus, TRANSPORTS, samples.seeds),
        as_json=as_json,
        times=len(kernels),
        at_most_s=len(kernels) * turns * samples.guest.time_limit_s,
        notes=[of_guests, of_this_machine],
    )


def run(
    samples: Samples, folder: Path, kernels: Sequence[str], images: Sequence[Image], say: Say
) -> None:
    """Run all images, once it is written what was asked for."""
    from bench.questions.kernels import seeds

    request = seeds.Request(
        folder=folder,
        cpus=samples.guest.cpus,
        memory_mib=samples.guest.memory_mib,
        jobs=samples.jobs,
        seeds=tuple(range(samples.seed, samples.seed + samples.seeds)),
        time_limit_s=samples.guest.time_limit_s,
        append=samples.guest.append,
    )
    seeds.write_request(request, kernels, sys.argv)
    seeds.run(request, images, say)
