# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Boot every kernel as often as the plan says; a lost guest costs its kernel's row, not the run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from bench.errors import MachineUnfit
from bench.guests import reproducible
from bench.guests.machines import MEMORY_MIB, Machine, usual
from bench.guests.reproducible import Boot, Request, Settings
from bench.guests.sources import Image
from bench.host import ownership
from bench.questions.exact import plan, report
from bench.questions.exact.judge import Seen, judge
from bench.questions.exact.study import FORMAT, KernelCount, Setup, Study
from bench.questions.kernels.run import Say, folder_name


def count(
    images: Sequence[Image | KernelCount],
    folder: Path,
    *,
    jobs: int,
    time_limit_s: float,
    append: Sequence[str],
    say: Say,
) -> Study:
    """Return what was counted on each image; in place of one that could not be had is its row.

    ``folder`` keeps what the guests wrote, in a folder for each boot. MachineUnfit without QEMU.
    """
    settings = Settings(time_limit_s=time_limit_s, append=tuple(append))
    kits, chosen, lost = dict[str, _Kit](), dict[str, _Kit](), dict[str, KernelCount]()
    for image in (each for each in images if isinstance(each, Image)):
        try:
            machine = reproducible.machine_of(image)
            if machine.architecture not in kits:
                kits[machine.architecture] = _kit(machine, folder, append)
            chosen[image.label] = kits[machine.architecture]
        except MachineUnfit as error:
            lost[image.label] = missing(image.label, str(error), image.origin)
    usable = [each for each in images if isinstance(each, Image) and each.label in chosen]
    boots = _Boots(usable, chosen, folder)
    first, *others = [each.setup for each in kits.values()] or [_kit(usual(), folder, append).setup]
    with closing(reproducible.boots(boots.following, settings, jobs)) as ended:
        for request, boot in ended:
            found = seen(boot, time_limit_s)
            name = boots.note(request, found)
            say(f"{name}: {found.problem or f'{boot.ended.seconds:.0f} s'}")
    return Study(
        format=FORMAT,
        **asdict(first),
        kernels=tuple(
            each if isinstance(each, KernelCount) else lost.get(each.label) or boots.judged(each)
            for each in images
        ),
        others=tuple(others),
    )


def fitting() -> int:
    """Return how many guests to run at a time: one a CPU, as far as memory goes."""
    available_mib = psutil.virtual_memory().available >> 20
    usable = len(os.sched_getaffinity(0))
    return max(1, min(usable, available_mib // (2 * MEMORY_MIB)))


@dataclass(frozen=True, slots=True)
class _Kit:
    """What kernels of one architecture boot with."""

    machine: Machine
    initrd: Path
    setup: Setup


def _kit(machine: Machine, folder: Path, append: Sequence[str]) -> _Kit:
    """Make the RAM disk of one architecture; MachineUnfit where that or its QEMU is missing."""
    qemu = reproducible.version(machine)
    disk = plan.ram_disk(machine.architecture)
    initrd = folder / f"initrd-{machine.architecture}"
    initrd.write_bytes(disk)
    setup = Setup(
        qemu=qemu,
        options=machine.options,
        parameters=(*machine.parameters, *append),
        program_sha256=hashlib.sha256(disk).hexdigest(),
    )
    return _Kit(machine, initrd, setup)


def missing(label: str, reason: str, origin: str = "") -> KernelCount:
    """Return the row of a kernel that cannot be booted."""
    return KernelCount(label=label, release="", origin=origin, reason=reason)


class _Boots:
    """All boots of a run, and what came of them."""

    def __init__(self, images: Sequence[Image], kits: Mapping[str, _Kit], folder: Path) -> None:
        self._kits = kits
        self._folder = folder
        self._left = [(turn, each) for turn in range(len(plan.BOOTS)) for each in images]
        self._seen: dict[tuple[str, int], Seen] = {}

    def following(self) -> Request | None:
        """Return a boot that may begin.

        A kernel's first boot decides on the others: what hangs once hangs each time.
        """
        for turn, image in self._left:
            first = self._seen.get((image.label, 0))
            if turn == 0 or (first is not None and not first.problem):
                self._left.remove((turn, image))
                place = self._folder / folder_name(image.label) / str(turn + 1)
                ownership.make_folder(place)
                kit = self._kits[image.label]
                return Request(
                    image=image,
                    machine=kit.machine,
                    initrd=kit.initrd,
                    seed=plan.BOOTS[turn],
                    folder=place,
                )
        return None

    def note(self, request: Request, seen: Seen) -> str:
        """Keep what came of a boot; return its name, for people."""
        turn = int(request.folder.name)
        self._seen[request.image.label, turn - 1] = seen
        return f"{request.image.label}, boot {turn} with seed {request.seed}"

    def judged(self, image: Image) -> KernelCount:
        """Return what was counted on a kernel."""
        turns = ((image.label, turn) for turn in range(len(plan.BOOTS)))
        seen = [self._seen[turn] for turn in turns if turn in self._seen]
        return judge(image.label, image.release, image.origin, seen)


def seen(boot: Boot, time_limit_s: float) -> Seen:
    """Read what a boot left."""
    try:
        read = report.parse(boot.report)
    except ValueError as error:
        ended = boot.report.endswith(b"end\n")  # then what it says is wrong, not its end
        why = str(error) if ended else reproducible.problem(boot, time_limit_s)
        return Seen(console=boot.console, report=boot.report, read=None, problem=why)
    return Seen(console=boot.console, report=boot.report, read=read)
