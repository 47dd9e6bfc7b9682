# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Boot an image over this machine's live file system, to run one command in it.

virtme-ng finds the modules, makes the initial RAM disk and knows QEMU's options; then
bench/guests/init takes over. The host's root is shared read-only, and one folder read-write.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final, Generic, TypeVar, cast

import bench
from bench.amounts import counted, given, size
from bench.errors import MachineUnfit, UsageError, check_range, clean
from bench.guests import init
from bench.guests.machines import Machine, meant, own, usual
from bench.guests.sources import Image
from bench.guests.watch import End, Ended, broken, panic
from bench.host import lock, process, scratch
from bench.linux.machine import CONFIG_VARIABLE

CONSOLE: Final = "console.log"
ORDER: Final = "order.json"
EXIT: Final = "exit.json"
CONFIGURATION: Final = "kernel-config"

_KVM: Final = Path("/dev/kvm")
_MOST_CPUS: Final = 4
_MOST_CPUS_ASKED: Final = 255
USUAL_MIB: Final = 2048
_OWN: Final = "BUFBENCH_"  # variables that a caller sets for bufbench
_LEAST_MIB: Final = 1024  # bcc's compiler takes half of it
_PROBE_S: Final = 30.0
_PROBE_MIB: Final = 512
_CHECK_S: Final = 30.0
_WATCH_ENDS_S: Final = 1.0  # less than signals.py waits

_ROOT_TAG: Final = "ROOTFS"  # virtme-ng's initial RAM disk looks for it

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Describe the machine that a kernel gets."""

    cpus: int
    memory_mib: int
    time_limit_s: float
    kvm: bool
    append: tuple[str, ...] = ()  # parameters of the kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """Name what executes the guests' instructions."""

    kvm: bool
    why: str  # for people, in a line


EMULATION: Final = Accelerator(kvm=False, why="emulated, as requested")
FOREIGN: Final = Accelerator(kvm=False, why="emulated: of another architecture")


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Describe the files that guests run from: their machine, and where they are."""

    machine: Machine
    root: Path = Path("/")  # the guests' root, read-only
    python: str = sys.executable
    path: str = str(Path(bench.__file__).resolve().parent.parent)  # where Python finds bufbench
    results: str = ""  # the folder that a guest may write to; "": the same path as on this machine
    init: str = ""  # the first process; "": one is made for each guest

    @property
    def native(self) -> bool:
        """Return whether they are this machine's own files."""
        return self.root == Path("/")

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment in which a command finds bufbench."""
        return {"PYTHONPATH": self.path}

    def inside(self, folder: Path) -> str:
        """Return the path at which a guest sees the folder that it may write to."""
        return self.results or str(folder.resolve())

    def command(self, module: str, *arguments: str) -> list[str]:
        """Return the command that runs one of bufbench's modules in a guest."""
        return [self.python, "-P", "-m", module, *arguments]


HERE: Final = System(machine=usual())
"""This machine, with its live root file system."""


def probe(image: Image, guest: Guest, place: Path, *, device: Path = _KVM) -> Accelerator:
    """Boot ``image`` with KVM, if there is any: the device alone proves nothing.

    ``place`` is for its files.
    """
    if foreign(image.label, image):
        return FOREIGN
    if not device.exists():
        return Accelerator(kvm=False, why=f"emulated: there is no {device}")
    if not os.access(device, os.R_OK | os.W_OK):
        return Accelerator(kvm=False, why=f"emulated: {device} may not be used")
    tried = replace(guest, kvm=True, cpus=1, memory_mib=_PROBE_MIB, time_limit_s=_PROBE_S)
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=place) as name:
        with booted(image, tried, Path(name), ["/bin/true"]) as watch:
            assert watch.stdout is not None  # noqa: S101  process.started has it
            ended = Ended.parse(watch.stdout.read())
        if Path(name, EXIT).exists():
            return Accelerator(kvm=True, why="with KVM")
        said = Path(name, CONSOLE).read_text(errors="replace")
    match ended.end:
        case End.TIMED_OUT:
            reason = f"not over after {given(_PROBE_S, 's')}"
        case End.RESET:
            reason = panic(said) or "it reset its machine"
        case _:
            reason = broken(said)
    why = f"{device} is there, but {image.label} did not boot with it: {clean(reason)}"
    return Accelerator(kvm=False, why=f"emulated: {why}")


def fitting(*, cpus: int | None, memory_mib: int | None, jobs: int, available_mib: int) -> Guest:
    """Return a guest of the requested size, by default one that fits this machine ``jobs`` times.

    UsageError for more than this machine has.
    """
    usable = len(os.sched_getaffinity(0))
    chosen = max(1, min(_MOST_CPUS, usable // jobs)) if cpus is None else cpus
    check_range("--cpus", chosen, 1, _MOST_CPUS_ASKED)
    share_mib = available_mib // jobs * 3 // 4
    memory = min(USUAL_MIB, share_mib) if memory_mib is None else memory_mib
    if memory < _LEAST_MIB or memory * jobs > available_mib:
        raise UsageError(
            f"{counted(jobs, 'guest')} of {size(memory << 20)} do not fit into "
            f"{size(available_mib << 20)}",
            remedy=f"each takes {size(_LEAST_MIB << 20)} or more: choose --memory and --jobs",
        )
    return Guest(cpus=chosen, memory_mib=memory, time_limit_s=0.0, kvm=False)


def foreign(label: str, image: Image | None = None) -> str:
    """Return a kernel's architecture if it is not this machine's, else "".

    It is found by its name, and by its image if there is one.
    """
    found = meant(label, image.vmlinuz if image else None)
    return "" if found == own() else found


@contextmanager
def watched(
    folder: Path,
    limit_s: float,
    command: Sequence[str],
    *,
    qmp: str = "",
    said: str = CONSOLE,
    preloaded: str = "",
    measuring: int | None = None,
    **environment: str,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the watch over ``command``, which ends with the context.

    Output goes to the file ``said`` in ``folder``, the console's. The library ``preloaded`` is
    loaded into the command, not into the watch. A command that measures on this machine gets the
    descriptor of its lock, ``measuring``. The last line of the watch's stdout is an
    :class:`~bench.guests.watch.Ended`.
    """
    words = [str(folder / said), str(limit_s), qmp, preloaded, "--", *command]
    lent = {} if measuring is None else {lock.LENT: str(measuring)}
    with process.started(
        HERE.command("bench.guests.watch", *words),
        env={**HERE.environment, **environment, **lent},
        pass_fds=() if measuring is None else (measuring,),
    ) as watch:
        try:
            yield watch
        finally:
            _tell([watch])
            process.ended(watch, _WATCH_ENDS_S)


def _tell(watches: Iterable[subprocess.Popen[bytes]]) -> None:
    """Make watches end what they run, which they do even if this process is killed meanwhile."""
    for each in watches:
        if each.stdin:
            each.stdin.close()


@dataclass(frozen=True, slots=True)
class Begun(Generic[T]):
    """Hold a running guest; ``stack`` ends its watch, and everything else of it."""

    what: T
    watch: subprocess.Popen[bytes]
    stack: ExitStack


def side_by_side(
    following: Callable[[], Begun[T] | None], jobs: int, look_s: float | None = None
) -> Generator[tuple[T, Ended] | None]:
    """Run guests side by side; yield each with how it ended, once its stack is closed.

    ``following`` is called while fewer than ``jobs`` guests run, and again after each end: None
    means nothing for now or, if no guest is running, the end. Yields None after each ``look_s``
    without an end. Leaving the iterator ends all guests.
    """
    running: dict[int, Begun[T]] = {}
    with ExitStack() as everything, selectors.DefaultSelector() as selector:
        while True:
            while len(running) < jobs and (begun := following()) is not None:
                everything.push(begun.stack)
                everything.callback(lambda: _tell(each.watch for each in running.values()))
                stdout = cast("IO[bytes]", begun.watch.stdout)
                selector.register(stdout, selectors.EVENT_READ)
                running[stdout.fileno()] = begun
            if not running:
                return
            ready = selector.select(look_s)
            if not ready:
                yield None
            for key, _ in ready:
                over = running.pop(key.fd)
                selector.unregister(key.fd)
                how = Ended.parse(cast("IO[bytes]", over.watch.stdout).read())
                over.stack.close()
                yield over.what, how


@contextmanager
def booted(
    image: Image,
    guest: Guest,
    folder: Path,
    command: Sequence[str],
    *,
    system: System = HERE,
    devices: Sequence[str] = (),
    **environment: str,
) -> Iterator[subprocess.Popen[bytes]]:
    """Return the watch over a guest that runs ``command`` and may write to ``folder``.

    ``devices`` are more of QEMU's options; without them a guest has no network. A guest of another
    system than this machine's is emulated. ``environment`` is added to the command's. Leaving the
    context ends the guest. MachineUnfit if a program is missing.
    """
    folder, machine = folder.resolve(), system.machine
    guest = replace(guest, kvm=guest.kvm and system.native)
    environment = {
        **init.ENVIRONMENT,
        "PYTHONDONTWRITEBYTECODE": "1",
        **{name: value for name, value in os.environ.items() if name.startswith(_OWN)},
        **system.environment,
        **environment,
    }
    if image.modules and (configuration := image.modules / "config").exists():
        shutil.copyfile(configuration, folder / CONFIGURATION)
        environment[CONFIG_VARIABLE] = f"{system.inside(folder)}/{CONFIGURATION}"
    order = {"argv": list(command), "env": environment, "hostname": os.uname().nodename}
    (folder / ORDER).write_text(json.dumps(order), encoding="utf-8")
    with ExitStack() as stack:
        private = stack.enter_context(scratch.folder())
        qmp = str(private / "qmp")
        options = ["-no-reboot", "-qmp", f"unix:{qmp},server=on,wait=off", *devices]
        options += () if system.native else machine.usual_model
        check = HERE.command("bench.guests.share", "check")
        tried = process.run(check, timeout_s=_CHECK_S, check=False, env=HERE.environment)
        served = tried.returncode == 0
        if served:
            # Memory that the daemons can map.
            memory = f"memory-backend-memfd,id=mem,size={guest.memory_mib}M,share=on"
            options += ["-object", memory, "-numa", "node,memdev=mem"]
            for tag, shared, access in ((_ROOT_TAG, system.root, "ro"), (init.TAG, folder, "rw")):
                said = stack.enter_context((folder / f"virtiofsd-{access}.log").open("wb"))
                path = private / f"{tag}.socket"
                # Then only the daemon has it: if that ends, QEMU is refused, and ends too.
                with socket.socket(socket.AF_UNIX) as listening:
                    listening.bind(str(path))
                    listening.listen(1)
                    number = listening.fileno()
                    daemon = HERE.command("bench.guests.share", str(number), str(shared), access)
                    stack.enter_context(
                        process.started(
                            daemon, env=HERE.environment, pass_fds=(number,), output=said
                        )
                    )
                options += ["-chardev", f"socket,id={tag},path={path}"]
                options += ["-device", f"vhost-user-fs-pci,queue-size=1024,chardev={tag},tag={tag}"]
        first = system.init or first_process(private, folder)
        options += ["-append", " ".join(_parameters(guest, first, machine))]
        argv = [
            *(_virtme_run(machine), "--kimg", str(_tree(private, image)), "--mods", "auto"),
            *("--arch", machine.family, "--root", str(system.root)),
            *("--force-9p", "--force-initramfs", "--disable-monitor"),
            *("--cpus", str(guest.cpus), "--memory", f"{guest.memory_mib}M"),
            *(() if guest.kvm else ("--disable-kvm",)),
            *(() if served else ("--rwdir", f"{system.inside(folder)}={folder}")),
            *("--qemu-opts", *options),
        ]
        yield stack.enter_context(
            watched(folder, guest.time_limit_s, argv, qmp=qmp, TMPDIR=str(private))
        )


def _parameters(guest: Guest, first_process: str, machine: Machine) -> Iterator[str]:
    """Yield the kernel's command line.

    The kernel passes words that it does not know (nokaslr, which only its decompressor knows) to
    the first process, which therefore has no other arguments.
    """
    yield f"init={first_process}"
    yield from ("ro", "loglevel=5", "panic=-1", "random.trust_cpu=on")
    yield from machine.usual_parameters
    if not guest.kvm:
        yield from machine.emulated_parameters
    yield from guest.append


def first_process(
    place: Path,
    folder: object,
    *,
    python: str = os.path.realpath(sys.executable),
    script: str = str(Path(init.__file__).resolve()),
) -> str:
    """Write an executable that runs init.py with FOLDER into ``place``; return its path."""
    path = place / "init"
    path.write_text(
        f"#!{python} -IS\n"
        "import runpy, sys\n"
        f"sys.argv = {[script, str(folder)]!r}\n"
        'runpy.run_path(sys.argv[0], run_name="__main__")\n',
        encoding="utf-8",
    )
    path.chmod(0o755)
    return str(path)


def _tree(private: Path, image: Image) -> Path:
    """Put the image beside its modules, where virtme-ng looks for them."""
    modules = private / "image/lib/modules"
    modules.mkdir(parents=True)
    if image.modules is not None:
        (modules / image.modules.name).symlink_to(image.modules.resolve())
    kernel = private / "image/vmlinuz"
    kernel.symlink_to(image.vmlinuz.resolve())
    return kernel


def _virtme_run(machine: Machine) -> str:
    """Return virtme-run of the virtual environment or the system; MachineUnfit without it."""
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    found = ""
    for name in (machine.program, "busybox", "depmod", "virtme-run"):
        found = shutil.which(name, path=path) or ""
        if not found:
            packages = f"{machine.package} busybox-static kmod"
            raise MachineUnfit(
                f"{name} is missing", remedy=f"apt-get install {packages}; pip install virtme-ng"
            )
    return found
