# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Probe privileged operations and the steps of loading a tracer, one by one.

bcc reports every failure as a program that does not compile; a probe raises the kernel's OSError.
Probes that are tried with fewer privileges release what they make when their process ends.
"""

from __future__ import annotations

import errno
import mmap
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench.amounts import size
from bench.errors import BufbenchError, MachineUnfit
from bench.host import scratch
from bench.linux import bpf, libc, perf_event, procfs, refusal
from bench.tracer import loader

_FILES: Final = 64  # maps, programs, pipes, logs and what bcc has open; and 2 for each CPU
_COMPILER_BYTES: Final = 320 << 20  # mostly its libraries
_DATA_BYTES: Final = 64 << 20
_ROOM_BYTES: Final = 64 << 10  # a tree of headers
_ANOTHER: Final = 1  # a user that is neither root nor nobody
_PATIENCE_S: Final = 2
_KMSG: Final = Path("/dev/kmsg")

_SMALLEST: Final = (
    (0xBF, 0xA1, 0, 0),  # r1 = r10, the stack
    (0x07, 1, 0, -8),  # r1 += -8
    (0xB7, 2, 0, 8),  # r2 = 8
    (0xB7, 3, 0, 0),  # r3 = 0
    (0x85, 0, 0, 113),  # bpf_probe_read_kernel(), which needs CAP_PERFMON
    (0xB7, 0, 0, 0),  # r0 = 0
    (0x95, 0, 0, 0),  # exit
)


def load_program() -> int:
    """Load a program that reads kernel memory; return its descriptor."""
    return bpf.load(bpf.TRACEPOINT, _SMALLEST)


def make_map(ring_bytes: int) -> int:
    """Make a ring buffer of this size; return its descriptor."""
    return bpf.create_map(
        bpf.RINGBUF, key_bytes=0, value_bytes=0, entries=ring_bytes, name="attempt"
    )


def open_events() -> None:
    """Open an event on every CPU."""
    for cpu in procfs.online_cpus():
        perf_event.open_output(cpu)


def map_events(events: Sequence[int], buffer_bytes: int) -> None:
    """Map perf buffers of this size on given events."""
    for event in events:
        mmap.mmap(event, buffer_bytes + mmap.PAGESIZE)  # and the page that heads it


def count_runs() -> None:
    """Count the time spent in BPF programs."""
    with bpf.statistics() as counted:
        if not counted:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def read_kernel_log() -> None:
    """Read the newest records of the kernel log."""
    os.open(_KMSG, os.O_RDONLY | os.O_NONBLOCK)


def mount_tracefs() -> None:
    """Mount tracefs in a private mount namespace."""
    libc.unshare_mounts()
    libc.call("mount", b"tracefs", b"/sys/kernel", b"tracefs", 0, None)


def change_user() -> None:
    """Become another user in a child process, and end that with a signal."""
    became, report = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(_PATIENCE_S)  # if it cannot be ended: end the wait
            os.closerange(3, became)
            os.setgroups([])
            os.setresgid(_ANOTHER, _ANOTHER, _ANOTHER)
            os.setresuid(_ANOTHER, _ANOTHER, _ANOTHER)
            os.write(report, b"y")
            signal.pause()
        finally:
            os._exit(1)
    os.close(report)
    if not os.read(became, 1):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
    os.kill(child, signal.SIGKILL)


def make_cgroup(where: Path | None) -> None:
    """Make a cgroup below the current one."""
    if where is None:
        raise FileNotFoundError(errno.ENOENT, "no cgroup bounds processes")
    folder = where / f"{scratch.PREFIX}attempt-{os.getpid()}"
    folder.mkdir()
    folder.rmdir()


def _files() -> None:
    with ExitStack() as stack:
        for _ in range(_FILES + 2 * len(procfs.online_cpus())):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))


def _room() -> None:
    with scratch.folder() as folder:
        (folder / "room").write_bytes(bytes(_ROOM_BYTES))


def _memory() -> None:
    for size_bytes, protection in (
        (_COMPILER_BYTES, mmap.PROT_READ),
        (_DATA_BYTES, mmap.PROT_READ | mmap.PROT_WRITE),
    ):
        mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE, prot=protection).close()


_FOLDER: Final = "current folder"
_COMPILER: Final = "compiler's memory"
_STEPS: Final[tuple[tuple[str, str, Callable[[], object]], ...]] = (
    ("open files", "this process may not open as many files as a tracer needs", _files),
    (_FOLDER, "the current folder is gone", os.getcwd),
    ("temporary files", "temporary files cannot be written", _room),
    (_COMPILER, f"bcc's compiler gets no {size(_COMPILER_BYTES)}", _memory),
    ("BPF map", "the kernel refuses a BPF map", lambda: os.close(make_map(mmap.PAGESIZE))),
    ("BPF program", "the kernel refuses a BPF program", lambda: os.close(load_program())),
    (
        "perf event",
        "the kernel refuses a perf event, to attach the tracer to",
        lambda: os.close(perf_event.open_output(procfs.online_cpus()[0])),
    ),
)


def steps() -> Iterator[tuple[str, BufbenchError | None]]:
    """Try each step of loading a tracer, in some milliseconds; yield its name and its error."""
    compiles = loader.chosen() is loader.Loader.BCC
    for name, what, attempt in _STEPS:
        if name == _COMPILER and not compiles:
            continue
        try:
            attempt()
        except OSError as error:
            gone = name == _FOLDER and isinstance(error, FileNotFoundError)
            remedy = "change into one that exists" if gone else ""
            yield name, refusal.refused(what, error, remedy=remedy)
        except MachineUnfit as error:  # no place for temporary files
            yield name, error
        else:
            yield name, None


def refused() -> BufbenchError | None:
    """Return the error of the first step that fails; None if all work."""
    return next((error for _, error in steps() if error is not None), None)


def require() -> None:
    """Raise MachineUnfit, with errno and remedy, where a tracer cannot be loaded."""
    if error := refused():
        raise error
