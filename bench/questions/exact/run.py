# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Boot every kernel as often as the plan says; a lost guest costs its kernel's row, not the run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from bench.amounts import duration
from bench.errors import MachineUnfit, Say
from bench.guests import reproducible
from bench.guests.machines import Machine, machine_of, usual
from bench.guests.reproducible import Boot, BootRequest
from bench.guests.sources import Image
from bench.guests.watch import held
from bench.host import ownership
from bench.questions.exact import functions, plan, report
from bench.questions.exact.judge import Seen, judge
from bench.questions.exact.study import FORMAT, KernelCount, Setup, Study
from bench.questions.kernels.run import folder_name

_LAST: Final = len(plan.BOOTS) - 1
_DISTURBED: Final = "its guest did something else"


def count(
    images: Sequence[Image | KernelCount],
    folder: Path,
    *,
    jobs: int,
    time_limit_s: float,
    append: Sequence[str],
    say: Say,
) -> Study:
    """Return the counts on each image; an unavailable one is given as its row.

    ``folder`` keeps what the guests wrote, in a folder for each boot. MachineUnfit without QEMU.
    """
    kits: dict[str, _Kit] = {}
    rows: list[KernelCount | _Kernel] = []
    for image in images:
        if isinstance(image, KernelCount):
            rows.append(image)
            continue
        try:
            machine = machine_of(image.label, image.vmlinuz)
            if machine.architecture not in kits:
                kits[machine.architecture] = _Kit(machine, folder, append)
                if why_not := kits[machine.architecture].plugin.why_not:
                    say(f"{machine.architecture}: functions are left out: {why_not}")
            rows.append(_Kernel(image, kits[machine.architecture], folder))
        except MachineUnfit as error:
            rows.append(KernelCount(label=image.label, origin=image.origin, reason=str(error)))
    first, *others = [each.setup for each in kits.values()] or [_Kit(usual(), folder, append).setup]
    booted = {each.folder: each for each in rows if isinstance(each, _Kernel)}

    def following() -> BootRequest | None:
        turns = range(_LAST + 2)
        requests = (each.request(turn) for turn in turns for each in booted.values())
        return next(filter(None, requests), None)

    with closing(reproducible.boots(following, time_limit_s, jobs)) as ended:
        for request, boot in ended:
            found = seen(boot, time_limit_s)
            booted[request.folder.parent].note(int(request.folder.name) - 1, found)
            name = f"{request.image.label}, boot {request.folder.name} with seed {request.seed}"
            say(f"{name}: {found.problem or duration(boot.ended.seconds)}")
    return Study(
        format=FORMAT,
        **asdict(first),
        kernels=tuple(each if isinstance(each, KernelCount) else each.judged() for each in rows),
        others=tuple(others),
    )


class _Kit:
    """Hold what kernels of one architecture boot with.

    MachineUnfit if its RAM disk or its QEMU is missing.
    """

    def __init__(self, machine: Machine, folder: Path, append: Sequence[str]) -> None:
        qemu = reproducible.version(machine)
        disk = plan.ram_disk(machine.architecture)
        self.machine, self.append = machine, tuple(append)
        self.initrd = folder / f"initrd-{machine.architecture}"
        self.initrd.write_bytes(disk)
        self.plugin = functions.plugin(machine)
        self.setup = Setup(
            qemu=qemu,
            options=(*machine.options, *self.plugin.device),
            parameters=(*machine.parameters, *append),
            program_sha256=hashlib.sha256(disk).hexdigest(),
        )


class _Kernel:
    """Keep the boots of one kernel and their results.

    The plugin is in its last boot, which must leave the same bytes as the first, to show that the
    plugin changes nothing. If it does, that boot is repeated without it.
    """

    def __init__(self, image: Image, kit: _Kit, folder: Path) -> None:
        self.folder = folder / folder_name(image.label)
        self._image, self._kit = image, kit
        self._left = set(range(_LAST + 1))
        self._seen: dict[int, Seen] = {}

    def request(self, turn: int) -> BootRequest | None:
        """Return the request for a boot, once; None if it may not begin now.

        The first boot decides on the others: a kernel that hangs once hangs each time.
        """
        first = self._seen.get(0)
        if turn not in self._left or (turn and (first is None or first.problem)):
            return None
        self._left.remove(turn)
        place = self.folder / str(turn + 1)
        ownership.make_folder(place)
        return BootRequest(
            image=self._image,
            machine=self._kit.machine,
            initrd=self._kit.initrd,
            seed=plan.BOOTS[min(turn, _LAST)],
            folder=place,
            options=self._kit.plugin.options(place, asked=turn == _LAST),
            append=self._kit.append,
        )

    def note(self, turn: int, found: Seen) -> None:
        """Keep the result of a boot."""
        self._seen[turn] = found
        first = self._seen[0]
        alike = (found.report, found.console) == (first.report, first.console)
        if turn == _LAST and self._kit.plugin.path is not None and not alike:
            self._left.add(_LAST + 1)

    def judged(self) -> KernelCount:
        """Return the counts."""
        again = _LAST + 1 in self._seen
        found = [self._seen[turn] for turn in sorted(self._seen) if turn != _LAST or not again]
        kernel = judge(self._image.label, self._image.release, self._image.origin, found)
        if not kernel.calls or self._kit.plugin.why_not:
            return replace(kernel, unexplained=self._kit.plugin.why_not)
        if again:
            problem = self._seen[_LAST].problem
            return replace(kernel, unexplained=f"with the plugin {problem or _DISTURBED}")
        place = self.folder / str(_LAST + 1)
        executed, names = held(place / functions.EXECUTED), held(place / functions.SYMBOLS)
        return functions.explained(kernel, executed, names)


def seen(boot: Boot, time_limit_s: float) -> Seen:
    """Read a boot's files."""
    read, problem = None, ""
    try:
        read = report.parse(boot.report)
    except ValueError as error:
        ended = boot.report.endswith(b"end\n")  # then what it says is wrong, not its end
        problem = str(error) if ended else reproducible.problem(boot, time_limit_s)
    return Seen(console=boot.console, report=boot.report, read=read, problem=problem)
