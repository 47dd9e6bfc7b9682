# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Booting an image over this machine's live file system, to run one command in it.

virtme-ng finds the modules, makes the initial RAM disk and knows QEMU's options; bench/guests/init
takes over from there. The host's root is shared read-only and one folder for writing.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bench
from bench.errors import MachineUnfit
from bench.guests import init, share
from bench.guests.image import Image
from bench.host import process, scratch
from bench.linux.preemption import CONFIG_VARIABLE

CONSOLE: Final = "console.log"
ORDER: Final = "order.json"
EXIT: Final = "exit.json"
SHARED: Final = "virtiofsd"
"""Begins the names of what the daemons said."""

_ROOT_TAG: Final = "ROOTFS"  # virtme-ng's initial RAM disk looks for it
_REMEDY: Final = "apt-get install qemu-system-x86 busybox-static kmod; pip install virtme-ng"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """The machine that a kernel gets."""

    cpus: int
    memory_mib: int
    time_limit_s: float
    kvm: bool
    append: tuple[str, ...] = ()  # parameters of the kernel


def environment() -> dict[str, str]:
    """Return the environment in which a command finds this harness, wherever it is installed."""
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "TMPDIR": "/dev/shm",  # noqa: S108  all else is read-only in a guest
        "PYTHONPATH": str(Path(bench.__file__).resolve().parent.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _configuration(image: Image) -> dict[str, str]:
    """Return where the kernel's build configuration lies, if it came with its modules."""
    path = image.modules / "config" if image.modules else None
    return {CONFIG_VARIABLE: str(path.resolve())} if path and path.exists() else {}


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs one of bufbench's modules."""
    return [sys.executable, "-P", "-m", module, *arguments]


@contextmanager
def booted(
    image: Image, guest: Guest, folder: Path, command: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Return the watch over a guest that runs ``command`` and may write to ``folder``.

    Its last line of stdout is an :class:`~bench.guests.watch.Ended`. Leaving the context ends the
    guest. MachineUnfit where a program is missing.
    """
    folder = folder.resolve()
    order = {"argv": list(command), "env": {**environment(), **_configuration(image)}}
    (folder / ORDER).write_text(json.dumps(order), encoding="utf-8")
    with ExitStack() as stack:
        private = stack.enter_context(scratch.folder())
        qmp = private / "qmp"
        options = ["-no-reboot", "-qmp", f"unix:{qmp},server=on,wait=off"]
        served = share.works()
        if served:
            options += _memory(guest)
            for tag, shared in ((_ROOT_TAG, Path("/")), (init.TAG, folder)):
                options += stack.enter_context(_shared(private, shared, tag, folder))
        options += ["-append", " ".join(_parameters(guest, folder))]
        argv = [
            *(_program("virtme-run"), "--kimg", str(_tree(private, image)), "--mods", "auto"),
            *("--root", "/", "--force-9p", "--force-initramfs", "--disable-monitor"),
            *("--cpus", str(guest.cpus), "--memory", f"{guest.memory_mib}M"),
            *(() if guest.kvm else ("--disable-kvm",)),
            *(() if served else ("--rwdir", str(folder))),
            *("--qemu-opts", *options),
        ]
        words = [str(folder / CONSOLE), str(guest.time_limit_s), str(qmp), "--", *argv]
        yield stack.enter_context(
            process.started(
                python("bench.guests.watch", *words),
                env={"PYTHONPATH": environment()["PYTHONPATH"], "TMPDIR": str(private)},
            )
        )


def _parameters(guest: Guest, folder: Path) -> Iterator[str]:
    """Return the kernel's command line; what follows the dashes is for init.py."""
    yield f"init={os.path.realpath(sys.executable)}"
    yield from ("ro", "console=ttyS0", "earlyprintk=serial,ttyS0,115200", "loglevel=5")
    yield from ("panic=-1", "random.trust_cpu=on")
    if not guest.kvm:
        # An emulated guest distrusts its TSC and reads the HPET, at ten times the price.
        yield from ("clocksource=tsc", "tsc=reliable")
    yield from guest.append
    yield from ("--", "-I", "-S", str(Path(init.__file__).resolve()))
    yield base64.urlsafe_b64encode(os.fsencode(folder)).decode()


def _tree(private: Path, image: Image) -> Path:
    """Lay the image beside its modules, where virtme-ng looks for them."""
    modules = private / "image/lib/modules"
    modules.mkdir(parents=True)
    if image.modules is not None:
        (modules / image.modules.name).symlink_to(image.modules.resolve())
    kernel = private / "image/vmlinuz"
    kernel.symlink_to(image.vmlinuz.resolve())
    return kernel


def _memory(guest: Guest) -> list[str]:
    """Return QEMU's options for memory that the daemons can map."""
    memory = f"memory-backend-memfd,id=mem,size={guest.memory_mib}M,share=on"
    return ["-object", memory, "-numa", "node,memdev=mem"]


@contextmanager
def _shared(private: Path, folder: Path, tag: str, results: Path) -> Iterator[list[str]]:
    """Start a daemon that serves ``folder``; yield QEMU's options for it."""
    path = private / f"{tag}.socket"
    access = "rw" if folder == results else "ro"
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listening.bind(str(path))
        listening.listen(1)
        descriptor = listening.fileno()
        stack.enter_context(
            process.started(
                python("bench.guests.share", str(descriptor), str(folder), access),
                env={"PYTHONPATH": environment()["PYTHONPATH"]},
                pass_fds=(descriptor,),
                said=stack.enter_context((results / f"{SHARED}-{access}.log").open("wb")),
            )
        )
        listening.close()  # now it is the daemon's alone: without it QEMU is refused, and ends
        yield [
            *("-chardev", f"socket,id={tag},path={path}"),
            *("-device", f"vhost-user-fs-pci,queue-size=1024,chardev={tag},tag={tag}"),
        ]


def _program(name: str) -> str:
    """Return a program of the virtual environment or of the system."""
    for need in ("qemu-system-x86_64", "busybox", "depmod"):
        if shutil.which(need, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            raise MachineUnfit(f"{need} is missing", remedy=_REMEDY)
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    found = shutil.which(name, path=path)
    if found is None:
        raise MachineUnfit(f"{name} is missing", remedy=_REMEDY)
    return found
