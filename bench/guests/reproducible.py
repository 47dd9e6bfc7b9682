# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Boot an image so that its guest is reproducible to the byte, on any machine.

QEMU counts instructions, one for each nanosecond of the guest; seed and clock are fixed. So all
that a guest does is determined by the kernel, its parameters, the initial RAM disk and the build
of QEMU. It contains nothing of this machine: its first process is in the RAM disk, and reports
through a separate serial port.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.amounts import given
from bench.guests.boot import CONSOLE, Begun, side_by_side, watched
from bench.guests.machines import Machine
from bench.guests.sources import Image
from bench.guests.watch import End, Ended, held, last_line, panic
from bench.host import process

REPORT: Final = "report.txt"
SAID: Final = "qemu.log"

_VERSION_S: Final = 30.0
_STEADY: Final = str(Path(__file__).with_name("steady.so"))
"""Keeps this machine's time and its scheduling from the guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootRequest:
    """Request one boot."""

    image: Image
    machine: Machine
    initrd: Path
    seed: int  # of the guest's random numbers
    folder: Path  # for its files; exists
    options: tuple[str, ...] = ()  # of QEMU, after those of the machine
    append: tuple[str, ...] = ()  # parameters of the kernel, after those of the machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """Hold the outcome of a boot."""

    ended: Ended
    console: bytes = b""
    report: bytes = b""  # what its first process wrote to its port
    said: str = ""  # QEMU's last line, if any


def version(machine: Machine) -> str:
    """Return the version of the installed QEMU, in its own words; MachineUnfit if it is missing."""
    said = process.run([machine.qemu(), "--version"], timeout_s=_VERSION_S).stdout.splitlines()
    return said[0].removeprefix("QEMU emulator version ").strip() if said else "unknown"


def fitting(memory_mib: int) -> int:
    """Return how many guests to run at a time: each uses one CPU, however many it has."""
    available_mib = psutil.virtual_memory().available >> 20
    usable = len(os.sched_getaffinity(0))
    return max(1, min(usable, available_mib * 3 // 4 // memory_mib))


def boots(
    following: Callable[[], BootRequest | None], time_limit_s: float, jobs: int
) -> Generator[tuple[BootRequest, Boot]]:
    """Boot what ``following`` returns, ``jobs`` at a time, and yield each with its outcome.

    It is called while there is room for a guest, and again after each end. None means nothing for
    now or, if no guest is running, the end. ``time_limit_s`` is of this machine's time. Leaving the
    iterator ends all guests.
    """

    def begun() -> Begun[BootRequest] | None:
        if (request := following()) is None:
            return None
        command = _command(request)
        with ExitStack() as stack:
            watch = stack.enter_context(
                watched(request.folder, time_limit_s, command, said=SAID, preloaded=_STEADY)
            )
            return Begun(request, watch, stack.pop_all())

    with closing(side_by_side(begun, jobs)) as guests:
        for request, ended in filter(None, guests):
            yield request, _left(request.folder, ended)


def _command(request: BootRequest) -> list[str]:
    machine = request.machine
    report = str(request.folder / REPORT).replace(",", ",,")  # as part of an option
    return [
        *(machine.qemu(), *machine.options, *request.options, "-seed", str(request.seed)),
        *("-serial", f"file:{request.folder / CONSOLE}"),
        *("-chardev", f"file,id=report,path={report}", *machine.port),
        *("-kernel", str(request.image.vmlinuz), "-initrd", str(request.initrd)),
        *("-append", " ".join((*machine.parameters, *request.append))),
    ]


def _left(folder: Path, ended: Ended) -> Boot:
    return Boot(
        ended=ended,
        console=held(folder / CONSOLE),
        report=held(folder / REPORT),
        said=last_line(held(folder / SAID).decode(errors="replace"), ""),
    )


def problem(boot: Boot, time_limit_s: float) -> str:
    """Return in one line why a boot left no complete report; call it only if it did not."""
    said = boot.console.decode(errors="replace")
    last = panic(said) or last_line(said, "")
    console = f"its console: {last}" if last else "its console is empty"
    match boot.ended.end:
        case End.TIMED_OUT:
            return f"hung: not over after {given(time_limit_s, 's')}, {console}"
        case End.EXITED if boot.ended.code > 0:
            return f"QEMU did not run it: {boot.said or f'it returned {boot.ended.code}'}"
        case End.EXITED if boot.ended.code == 0:
            return panic(said) or f"it ended early, {console}"
    return "killed"
