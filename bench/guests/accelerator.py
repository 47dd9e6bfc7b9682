# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Whether KVM serves here: found out by booting with it, since /dev/kvm promises nothing."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.errors import UsageError
from bench.guests.boot import EXIT, Guest, booted
from bench.guests.image import Image

DEVICE: Final = Path("/dev/kvm")

_MOST_CPUS: Final = 4
_MOST_CPUS_ASKED: Final = 255
_USUAL_MIB: Final = 2048
_LEAST_MIB: Final = 1024  # bcc's compiler takes half of it
_PROBE_S: Final = 30.0
_PROBE_MIB: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """What runs the guests' instructions."""

    kvm: bool
    why: str  # for people, in a line


def probe(image: Image, guest: Guest, place: Path, *, device: Path = DEVICE) -> Accelerator:
    """Boot ``image`` with KVM, where there is one; what was seen. ``place`` is for its files."""
    if not device.exists():
        return Accelerator(kvm=False, why=f"emulated: there is no {device}")
    if not os.access(device, os.R_OK | os.W_OK):
        return Accelerator(kvm=False, why=f"emulated: {device} may not be used")
    tried = replace(guest, kvm=True, cpus=1, memory_mib=_PROBE_MIB, time_limit_s=_PROBE_S)
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=place) as name:
        folder = Path(name)
        with booted(image, tried, folder, ["/bin/true"]) as watch:
            assert watch.stdout is not None  # noqa: S101  asked for when it was started
            watch.stdout.read()
        if (folder / EXIT).exists():
            return Accelerator(kvm=True, why="with KVM")
    return Accelerator(
        kvm=False, why=f"emulated: {device} is there, but {image.label} did not boot with it"
    )


def emulation() -> Accelerator:
    """Return the accelerator that was asked for, untested."""
    return Accelerator(kvm=False, why="emulated, as asked for")


def fitting(*, cpus: int | None, memory_mib: int | None, jobs: int, available_mib: int) -> Guest:
    """Return the guest that fits this machine ``jobs`` times, but as asked for where that is given.

    UsageError for what it does not have.
    """
    usable = len(os.sched_getaffinity(0))
    chosen = max(1, min(_MOST_CPUS, usable // jobs)) if cpus is None else cpus
    if not 1 <= chosen <= _MOST_CPUS_ASKED:
        raise UsageError(f"--cpus {chosen} is out of range", remedy=f"take 1 to {_MOST_CPUS_ASKED}")
    share_mib = available_mib // jobs * 3 // 4
    memory = min(_USUAL_MIB, share_mib) if memory_mib is None else memory_mib
    if memory < _LEAST_MIB or memory * jobs > available_mib:
        raise UsageError(
            f"{jobs} guests of {memory} MiB do not fit into {available_mib} MiB",
            remedy=f"each takes {_LEAST_MIB} MiB or more: choose --memory and --jobs",
        )
    return Guest(cpus=chosen, memory_mib=memory, time_limit_s=0.0, kvm=False)
