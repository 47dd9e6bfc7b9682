# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run a bufbench that is to be hit, and see what is left of it afterwards."""

from __future__ import annotations

import ctypes as ct
import os
import random
import re
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from tracing import BUFBENCH, bpf_ids

from bench.host import scratch
from bench.linux import bpf
from workloads import cgroup

_PR_SET_CHILD_SUBREAPER: Final = 36
_SYS_EPOLL_WAIT: Final = 232  # x86-64
_SYS_TGKILL: Final = 234
_HANG_S: Final = 120.0
_INFO_BYTES: Final = 256

Kernel = frozenset[tuple[str, int]]
"""("prog" or "map", id) of objects in the kernel."""

_NEXT_ID: Final = {"prog": 11, "map": 12}
_FD_BY_ID: Final = {"prog": 13, "map": 14}
_NAME_OFFSET: Final = {"prog": 64, "map": 24}  # in struct bpf_prog_info and bpf_map_info


@dataclass(frozen=True, slots=True)
class Victim:
    """Run a command whose whole offspring is known, however it comes to be orphaned."""

    process: subprocess.Popen[bytes]
    said: Path  # its stderr
    before: frozenset[int]  # our children that are not its
    kernel: Kernel  # what there was before it
    began_s: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        return self.process.pid

    def running(self) -> bool:
        return self.process.poll() is None

    def await_handlers(self) -> None:
        """Wait until it handles SIGTERM: before, Python is still starting."""
        while self.running() and not _catches(self.pid, signal.SIGTERM):
            time.sleep(0.001)

    def wait_for(self, seconds: float) -> bool:
        """Let it run for so long; False if it ends before."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=seconds)
        return self.running()

    def stderr(self) -> str:
        return self.said.read_text(errors="replace")

    def offspring(self) -> list[psutil.Process]:
        """Return processes that it made and that still run, itself included."""
        found = []
        for process in psutil.Process().children(recursive=True):
            if process.pid in self.before:
                continue
            with suppress(psutil.NoSuchProcess):
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
                elif process.pid != self.pid:  # that one is Popen's to reap
                    with suppress(ChildProcessError):
                        os.waitpid(process.pid, os.WNOHANG)
        return found

    def left(self) -> list[str]:
        """Return what is left of it: processes, and objects in the kernel that nobody holds."""
        processes = [f"process {each.pid} {_words(each)}" for each in self.offspring()]
        objects = [
            f"{kind} {number} {name}"
            for (kind, number), name in named(in_kernel() - self.kernel).items()
            if name in OUR_NAMES
        ]
        held = {f"{kind} {number}" for kind, number in _held()} if objects else set()
        return processes + [each for each in objects if each.rsplit(" ", 1)[0] not in held]

    def gone_after_s(self) -> float:
        """Return seconds until nothing of it is left; AssertionError names what stays."""
        began_s = time.monotonic()
        while left := self.left():
            assert time.monotonic() - began_s < _HANG_S, left
            time.sleep(0.005)
        return time.monotonic() - began_s

    def ended_after_s(self) -> float:
        """Return seconds until it ends by itself; AssertionError says where it is, if it hangs."""
        began_s = time.monotonic()
        if self.wait_for(_HANG_S):
            where = _text(Path(f"/proc/{self.pid}/stack")), _words(psutil.Process(self.pid))
            raise AssertionError(f"it hangs: {self.stderr()} {where}")
        return time.monotonic() - began_s


@contextmanager
def victim(
    folder: Path, arguments: Sequence[str], command: Sequence[str | Path] = BUFBENCH
) -> Iterator[Victim]:
    """Run ``command`` with ``arguments``, its output in ``folder``; kill it if it still runs."""
    said = folder / "said"
    with _adopting():
        before = frozenset(child.pid for child in psutil.Process().children(recursive=True))
        kernel = in_kernel()
        with said.open("wb") as err:
            process = subprocess.Popen(
                [*command, *arguments], stdout=subprocess.DEVNULL, stderr=err
            )
        found = Victim(process, said, before, kernel)
        try:
            yield found
        finally:
            process.kill()
            process.wait()
            for orphan in found.offspring():
                with suppress(psutil.NoSuchProcess):
                    orphan.kill()


@contextmanager
def _adopting() -> Iterator[None]:
    """Adopt orphans for as long as the context lasts: none of them can get lost."""
    libc = ct.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def begun(journal: Path) -> bool:
    """Return whether the run that writes ``journal`` has come to its trials: its header is there.

    Before that, an empty file is there for a moment, to see that one could be written.
    """
    try:
        return journal.stat().st_size > 0
    except FileNotFoundError:
        return False


# -- whom to hit -------------------------------------------------------------------------------


def harness(hit: Victim) -> int | None:
    """Return the process that was started."""
    return hit.pid if hit.running() else None


def consumer(hit: Victim) -> int | None:
    """Return the thread that reads the buffers, if there is one; a kill of it kills its process."""
    for task in Path(f"/proc/{hit.pid}/task").glob("*"):
        if _text(task / "syscall").startswith(f"{_SYS_EPOLL_WAIT} "):
            return int(task.name)
    return None


def generator(hit: Victim) -> int | None:
    """Return the leader of the storm's session, while there is one."""
    for child in _children(hit.pid):
        if _name(Path(f"/proc/{child}")) == "forkstorm":
            return child
    return None


def await_storm(hit: Victim, journal: Path) -> bool:
    """Wait until a trial's storm is going on; False if the run ends before.

    The storms before the journal's header find out what a wake-up costs. A storm has begun once its
    leader has children: buffers are there and the tracer is attached.
    """
    while hit.running():
        leader = generator(hit) if begun(journal) else None
        if leader is not None and _children(leader):
            return True
        time.sleep(0.001)
    return False


def worker(hit: Victim) -> int | None:
    """Return one of the generator's own children: a worker, or a process reaped for another."""
    leader = generator(hit)
    children = _children(leader) if leader is not None else []
    return random.choice(children) if children else None


TARGETS: Final[dict[str, Callable[[Victim], int | None]]] = {
    "harness": harness,
    "consumer": consumer,
    "generator": generator,
    "worker": worker,
}
"""Whom a fault can hit. What runs guests adds its QEMU here."""


def strike(hit: Victim, target: str, *, delay_s: float = 0.0) -> bool:
    """Kill the target (kill -9) once it is there, ``delay_s`` later; False if the victim ended."""
    while hit.running():
        number = TARGETS[target](hit)
        if number is None:
            time.sleep(0.001)
            continue
        time.sleep(delay_s)
        delay_s = 0.0  # it may be gone by now: then the next one, at once
        if TARGETS[target](hit) == number and _kill(number):
            return True
    return False


def _kill(number: int) -> bool:
    """Kill a process or thread with SIGKILL."""
    group = re.search(r"^Tgid:\s*(\d+)$", _text(Path(f"/proc/{number}/status")), re.MULTILINE)
    killed = ct.CDLL(None).syscall(
        _SYS_TGKILL, int(group[1]) if group else number, number, int(signal.SIGKILL)
    )
    return int(killed) == 0


# -- the kernel's side -------------------------------------------------------------------------

_PROGRAMS: Final = ("exitsnoop", "count")
_MAPS: Final = (
    *("counters", "drops", "settings", "claimed", "payloads", "scratches", "calls", "thread"),
    *("events", "template", "rings", "bufbench_ring", "bufbench_perf"),
)
OUR_NAMES: Final = frozenset((*_PROGRAMS, *_MAPS))
"""What our programs and maps call themselves, as far as the kernel keeps it (15 characters)."""


def in_kernel() -> Kernel:
    """Return all programs and maps, anybody's."""
    return frozenset((kind, number) for kind in _NEXT_ID for number in _ids(kind))


def named(objects: Kernel) -> dict[tuple[str, int], str]:
    """Return their names; those that are gone meanwhile are left out."""
    found = {}
    for kind, number in objects:
        with suppress(OSError):
            found[kind, number] = _object_name(kind, number)
    return found


def _ids(kind: str) -> Iterator[int]:
    number = 0
    while True:
        block = ct.create_string_buffer(struct.pack("=I", number), 128)
        try:
            bpf._bpf_in(_NEXT_ID[kind], block)
        except FileNotFoundError:
            return
        number = struct.unpack_from("=II", block)[1]
        yield number


def _object_name(kind: str, number: int) -> str:
    descriptor = bpf._bpf(_FD_BY_ID[kind], "=I", number)
    try:
        info = ct.create_string_buffer(_INFO_BYTES)
        bpf._bpf(15, "=IIQ", descriptor, _INFO_BYTES, ct.addressof(info))
    finally:
        os.close(descriptor)
    start = _NAME_OFFSET[kind]
    return info.raw[start : start + 16].split(b"\0", 1)[0].decode()


def _held() -> Kernel:
    """Return what any process on this machine holds open, others' bufbenches among them."""
    found = set()
    for process in psutil.pids():
        with suppress(OSError):  # it ended, and holds nothing
            found |= bpf_ids(process)
    return frozenset(found)


# -- small looks into /proc --------------------------------------------------------------------


def abandoned_folders() -> list[Path]:
    """Return bufbench's temporary folders and cgroups that no process holds any more."""
    seen = _abandoned()
    if seen:
        time.sleep(0.2)  # one that is being made is not yet held
    return [path for path in _abandoned() if path in seen]


def _abandoned() -> list[Path]:
    found = []
    group = cgroup.place()
    for place in (*scratch._places(), *([group] if group else [])):
        for path in place.glob(f"{scratch.PREFIX}*"):
            lock = scratch.abandoned(path)
            if lock is not None:
                os.close(lock)
                found.append(path)
    return found


def _catches(pid: int, number: signal.Signals) -> bool:
    found = re.search(r"^SigCgt:\s*(\w+)$", _text(Path(f"/proc/{pid}/status")), re.MULTILINE)
    return bool(found and int(found[1], 16) >> (number - 1) & 1)


def _children(pid: int) -> list[int]:
    return [int(word) for word in _text(Path(f"/proc/{pid}/task/{pid}/children")).split()]


def _name(process: Path) -> str:
    return _text(process / "comm").strip()


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _words(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline()) or process.name()
    return "that is ending"
