# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Boot an image so that its guest does the same, to the byte, each time and on any machine.

QEMU counts instructions, and a nanosecond of the guest is one; seed and clock are fixed. Then all
that a guest does follows from the kernel, its parameters, the initial RAM disk and the build of
QEMU. It has nothing of this machine: its first process is in the RAM disk, and reports through a
serial port of its own.
"""

from __future__ import annotations

import re
import selectors
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from bench.errors import MachineUnfit
from bench.guests.architecture import named
from bench.guests.boot import watched
from bench.guests.header import HEADER_BYTES, architecture_of, is_zboot
from bench.guests.machines import MACHINES, Machine, usual
from bench.guests.sources import Image
from bench.guests.watch import End, Ended
from bench.host import process

CONSOLE: Final = "console.log"
REPORT: Final = "report.txt"
SAID: Final = "qemu.log"

_MOST_BYTES: Final = 16 << 20
_VERSION_S: Final = 30.0
_FILE: Final = 0o100_000
_STAMP: Final = re.compile(r"^\[ *\d+\.\d+\] ?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Ask for one boot."""

    image: Image
    machine: Machine
    initrd: Path
    seed: int  # of the guest's random numbers
    folder: Path  # for its files; exists
    options: tuple[str, ...] = ()  # of QEMU, behind those of the machine
    append: tuple[str, ...] = ()  # parameters of the kernel, behind those of all boots


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Hold what is the same for all boots of a run."""

    time_limit_s: float  # of this machine's time
    append: tuple[str, ...] = ()  # parameters of the kernel
    steady: bool = False  # several CPUs, which take turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """Hold what a guest left behind."""

    ended: Ended
    console: bytes = b""
    report: bytes = b""  # what its first process wrote to the port of its own
    said: str = ""  # QEMU's last line, where it has any


def version(machine: Machine) -> str:
    """Return the version of the QEMU at hand, in its own words; MachineUnfit if there is none."""
    said = process.run([machine.qemu(), "--version"], timeout_s=_VERSION_S).stdout.splitlines()
    return said[0].removeprefix("QEMU emulator version ").strip() if said else "unknown"


def initrd(files: Mapping[str, tuple[int, bytes]]) -> bytes:
    """Return an initial RAM disk: by name, permissions and content. The format is cpio's "newc"."""
    whole = bytearray()

    def pad() -> None:
        whole.extend(bytes(-len(whole) % 4))

    for name, (mode, content) in (*files.items(), ("TRAILER!!!", (0, b""))):
        path = name.encode() + b"\0"
        kind = mode | _FILE if mode else 0
        # inode, mode, user, group, links, time, size, four numbers of devices, length of the name
        fields = (0, kind, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        whole.extend(b"070701" + b"".join(b"%08X" % field for field in fields) + path)
        pad()
        whole.extend(content)
        pad()
    return bytes(whole)


def machine_of(image: Image) -> Machine:
    """Return the machine that an image is for.

    MachineUnfit for a file that is not a kernel, which would run until its time is over, and for
    one of another architecture than its name speaks of.
    """
    try:
        with image.vmlinuz.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except OSError as error:
        raise MachineUnfit(f"kernel image {image.vmlinuz}: {error.strerror}") from error
    if is_zboot(header):
        raise MachineUnfit(
            f"{image.vmlinuz} is packed as an EFI program, which takes firmware to boot",
            remedy="name the Image of its build",
        )
    architecture = architecture_of(header)
    if not architecture:
        raise MachineUnfit(
            f"{image.vmlinuz} is not a kernel image of x86-64 or arm64",
            remedy="name a bzImage, or an Image of arm64",
        )
    wanted = named(image.label.rpartition("/")[2]) or architecture
    if wanted != architecture:
        raise MachineUnfit(
            f"{image.vmlinuz} is an image of {architecture}, though named {wanted}",
            remedy="name it as what it is",
        )
    return MACHINES[architecture]


def machine_named(label: str) -> Machine:
    """Return the machine for a kernel by its label: by the file's header, else by its words."""
    architecture = named(label.rpartition("/")[2])
    with suppress(OSError), Path(label).open("rb") as file:
        architecture = architecture_of(file.read(HEADER_BYTES)) or architecture
    return MACHINES.get(architecture, usual())


def boots(
    following: Callable[[], Request | None], settings: Settings, jobs: int
) -> Generator[tuple[Request, Boot]]:
    """Boot what ``following`` asks for, ``jobs`` at a time, and yield each with what came of it.

    It is asked where there is room for a guest, and again after each that ended: None means
    nothing for now, and the end where no guest runs. Leaving the iterator ends all guests.
    """
    running: dict[int, tuple[Request, IO[bytes], ExitStack]] = {}
    with ExitStack() as everything, selectors.DefaultSelector() as selector:
        while True:
            while len(running) < jobs and (request := following()) is not None:
                stack = everything.enter_context(ExitStack())
                command = _command(request, settings)
                watch = stack.enter_context(
                    watched(request.folder, settings.time_limit_s, command, said=SAID)
                )
                assert watch.stdout is not None  # noqa: S101  process.started has it
                selector.register(watch.stdout, selectors.EVENT_READ)
                running[watch.stdout.fileno()] = request, watch.stdout, stack
            if not running:
                return
            for key, _ in selector.select():
                request, stdout, stack = running.pop(key.fd)
                selector.unregister(key.fd)
                lines = stdout.read().splitlines()
                stack.close()
                yield request, _left(request.folder, Ended.parse(lines[-1] if lines else b""))


def _command(request: Request, settings: Settings) -> list[str]:
    machine = request.machine
    report = str(request.folder / REPORT).replace(",", ",,")  # as part of an option
    return [
        *_preloaded(settings),
        *(machine.qemu(), *machine.options, *request.options, "-seed", str(request.seed)),
        *("-serial", f"file:{request.folder / CONSOLE}"),
        *("-chardev", f"file,id=report,path={report}", *machine.port),
        *("-kernel", str(request.image.vmlinuz), "-initrd", str(request.initrd)),
        *("-append", " ".join((*machine.parameters, *settings.append, *request.append))),
    ]


def _preloaded(settings: Settings) -> Iterator[str]:
    """Yield what begins a command line so that QEMU's main loop is held: see steady.c."""
    if settings.steady:
        yield from ("env", f"LD_PRELOAD={Path(__file__).with_name('steady.so')}")


def _left(folder: Path, ended: Ended) -> Boot:
    said = held(folder / SAID).decode(errors="replace").strip().splitlines()
    return Boot(
        ended=ended,
        console=held(folder / CONSOLE),
        report=held(folder / REPORT),
        said=said[-1] if said else "",
    )


def held(path: Path) -> bytes:
    """Return what a guest wrote to a file, up to a bound; nothing where there is no file."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError:
        return b""


def problem(boot: Boot, time_limit_s: float) -> str:
    """Say in a line why a boot left no whole report; its caller knows that it did not."""
    lines = [
        _STAMP.sub("", line).strip() for line in boot.console.decode(errors="replace").splitlines()
    ]
    said = [line[:200] for line in lines if line]
    panic = next((line for line in said if line.startswith("Kernel panic")), "")
    last = panic or (said[-1] if said else "")
    console = f"its console: {last}" if last else "its console is empty"
    match boot.ended.end:
        case End.TIMED_OUT:
            return f"hung: not over after {time_limit_s:g} s, {console}"
        case End.EXITED if boot.ended.code > 0:
            return f"QEMU did not run it: {boot.said or f'it returned {boot.ended.code}'}"
        case End.EXITED if boot.ended.code == 0:
            return panic or f"it ended early, {console}"
    return "killed"
