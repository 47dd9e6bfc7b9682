# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Boot every kernel as often as the plan says; a lost guest costs its kernel's row, not the run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from bench.errors import MachineUnfit
from bench.guests import reproducible
from bench.guests.machines import Machine, usual
from bench.guests.reproducible import Boot, Request, Settings
from bench.guests.sources import Image
from bench.guests.watch import held
from bench.host import ownership
from bench.questions.exact import functions, plan, probe, report
from bench.questions.exact.judge import Seen, judge
from bench.questions.exact.probe import Plugin
from bench.questions.exact.study import FORMAT, KernelCount, Setup, Study
from bench.questions.kernels.run import Say, folder_name

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
                if why_not := kits[machine.architecture].plugin.why_not:
                    say(f"{machine.architecture}: functions are left out: {why_not}")
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


@dataclass(frozen=True, slots=True)
class _Kit:
    """What kernels of one architecture boot with."""

    machine: Machine
    initrd: Path
    setup: Setup
    plugin: Plugin


def _kit(machine: Machine, folder: Path, append: Sequence[str]) -> _Kit:
    """Make the RAM disk of one architecture; MachineUnfit where that or its QEMU is missing."""
    qemu = reproducible.version(machine)
    disk = plan.ram_disk(machine.architecture)
    initrd = folder / f"initrd-{machine.architecture}"
    initrd.write_bytes(disk)
    plugin = probe.plugin(machine)
    setup = Setup(
        qemu=qemu,
        options=(*machine.options, *plugin.device),
        parameters=(*machine.parameters, *append),
        program_sha256=hashlib.sha256(disk).hexdigest(),
    )
    return _Kit(machine, initrd, setup, plugin)


def missing(label: str, reason: str, origin: str = "") -> KernelCount:
    """Return the row of a kernel that cannot be booted."""
    return KernelCount(label=label, release="", origin=origin, reason=reason)


class _Boots:
    """All boots of a run, and what came of them.

    The plugin is in a kernel's last boot, which has to leave the same bytes as the first: that
    shows that it changes nothing. Where it does, that boot is made once more without it.
    """

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
                place = self._place(image, turn)
                ownership.make_folder(place)
                kit = self._kits[image.label]
                return Request(
                    image=image,
                    machine=kit.machine,
                    initrd=kit.initrd,
                    seed=plan.BOOTS[min(turn, _LAST)],
                    folder=place,
                    options=kit.plugin.options(place, asked=turn == _LAST),
                )
        return None

    def _place(self, image: Image, turn: int) -> Path:
        return self._folder / folder_name(image.label) / str(turn + 1)

    def note(self, request: Request, seen: Seen) -> str:
        """Keep what came of a boot; return its name, for people."""
        turn = int(request.folder.name)
        self._seen[request.image.label, turn - 1] = seen
        plugin = self._kits[request.image.label].plugin
        if turn - 1 == _LAST and plugin.path is not None:
            first = self._seen[request.image.label, 0]
            if (seen.report, seen.console) != (first.report, first.console):
                self._left.append((_LAST + 1, request.image))
        return f"{request.image.label}, boot {turn} with seed {request.seed}"

    def judged(self, image: Image) -> KernelCount:
        """Return what was counted on a kernel."""
        turns = [turn for turn in range(_LAST + 2) if (image.label, turn) in self._seen]
        again = _LAST + 1 in turns
        seen = [self._seen[image.label, turn] for turn in turns if not again or turn != _LAST]
        kernel = judge(image.label, image.release, image.origin, seen)
        if not kernel.calls or self._kits[image.label].plugin.why_not:
            return replace(kernel, unexplained=self._kits[image.label].plugin.why_not)
        if again:
            problem = self._seen[image.label, _LAST].problem
            return replace(kernel, unexplained=f"with the plugin {problem or _DISTURBED}")
        place = self._place(image, _LAST)
        executed, names = (held(place / each) for each in (probe.EXECUTED, probe.SYMBOLS))
        return functions.explained(kernel, executed, names)


def seen(boot: Boot, time_limit_s: float) -> Seen:
    """Read what a boot left."""
    try:
        read = report.parse(boot.report)
    except ValueError as error:
        ended = boot.report.endswith(b"end\n")  # then what it says is wrong, not its end
        why = str(error) if ended else reproducible.problem(boot, time_limit_s)
        return Seen(console=boot.console, report=boot.report, read=None, problem=why)
    return Seen(console=boot.console, report=boot.report, read=read)
