# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read a kernel's numbers by booting it: as `kernels exact` does, or as `kernels run`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.errors import MachineUnfit, Say
from bench.guests import reproducible
from bench.guests.machines import Machine, machine_of
from bench.guests.reproducible import BootRequest
from bench.host import ownership
from bench.questions.bisect import condition
from bench.questions.bisect.state import Boot
from bench.questions.exact import judge, plan
from bench.questions.exact import run as exact

if TYPE_CHECKING:
    from bench.guests.boot import Accelerator, Guest
    from bench.guests.sources import Image


INITRD: Final = "initrd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Count the instructions of all calls, in reproducible guests."""

    time_limit_s: float
    append: tuple[str, ...]
    machine: Machine
    seeds: tuple[int, ...] = (plan.SEED, plan.OTHER_SEED)

    @property
    def setup(self) -> tuple[str, ...]:
        """Name QEMU, the kernel's parameters and the initial RAM disk."""
        digest = hashlib.sha256(plan.ram_disk(self.machine.architecture)).hexdigest()
        parameters = " ".join((*self.machine.parameters, *self.append))
        version = reproducible.version(self.machine)
        return f"QEMU {version}", parameters, f"RAM disk {digest[:12]}"

    def boot(self, image: Image, seed: int, folder: Path) -> Boot:
        """Boot a kernel with a seed; MachineUnfit unless it is a kernel of the architecture."""
        machine = machine_of(image.label, image.vmlinuz)
        if machine != self.machine:
            raise MachineUnfit(f"{image.label} is a kernel for {machine.architecture}")
        place = folder / str(seed)
        ownership.make_folder(place)
        disk = folder / INITRD
        ownership.write(disk, plan.ram_disk(machine.architecture))
        request = BootRequest(
            image=image, machine=machine, initrd=disk, seed=seed, folder=place, append=self.append
        )
        following = partial(next, iter([request]), None)
        with closing(reproducible.boots(following, self.time_limit_s, 1)) as ended:
            ((_, left),) = ended
        disk.unlink()
        seen = exact.seen(left, self.time_limit_s)
        found = judge.judge(image.label, image.release, image.origin, [seen], again=False)
        return Boot(seed=seed, readings=tuple(condition.of_calls(found)), reason=found.reason)


@dataclass(slots=True)
class Trials:
    """Run the profile of `kernels run`, whose counts may differ from run to run."""

    guest: Guest
    emulate: bool
    command_line: Sequence[str]
    say: Say
    seeds: tuple[int, ...] = (1,)
    _accelerator: Accelerator | None = field(default=None, init=False)

    @property
    def setup(self) -> tuple[str, ...]:
        """Name the guest, except for its time limit."""
        guest = self.guest
        return f"{guest.cpus} CPUs", f"{guest.memory_mib} MiB", " ".join(guest.append)

    def boot(self, image: Image, seed: int, folder: Path) -> Boot:
        """Run the profile on a kernel."""
        from bench.guests import boot
        from bench.questions.kernels import run
        from bench.questions.kernels.folders import read_matrix
        from bench.questions.kernels.matrix import compare
        from bench.questions.kernels.outcome import Status

        if self._accelerator is None:
            emulated = boot.EMULATION if self.emulate else None
            self._accelerator = emulated or boot.probe(image, self.guest, folder)
        request = run.Request(
            folder=folder,
            guest=replace(self.guest, kvm=self._accelerator.kvm),
            accelerator=self._accelerator,
            jobs=1,
            seed=seed,
            command_line=tuple(self.command_line),
        )
        (ended,) = run.run(request, [image], self.say)
        if ended.status is not Status.DONE:
            return Boot(seed=seed, readings=(), reason=f"{ended.status}: {ended.reason}")
        matrix = compare(read_matrix([folder / run.folder_name(image.label)]))
        return Boot(seed=seed, readings=tuple(condition.of_trials(matrix)))


Reader = Calls | Trials
"""Boots kernels: ``seeds`` are those of a kernel's boots; the first gives the readings, the others
confirm them. ``setup`` names everything else that determines the readings."""
