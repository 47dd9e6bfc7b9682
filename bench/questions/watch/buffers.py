# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find the buffers of this machine and map them read-only.

A ring buffer is opened by its map's number, and mapped read-only. A perf buffer is reached only
through its owner's descriptors, which are duplicated (pidfd_getfd(2), Linux 5.6). Mapping an event
without a buffer would create one, so only events that certainly have one are used: those that their
owner waits for by epoll, or as many as it has mapped.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from errno import EPERM
from pathlib import Path
from typing import Final

from bench.errors import UsageError
from bench.linux import bpf, libc, procfs, refusal
from bench.linux.pages import PAGE_BYTES
from bench.tracer.sampler import Sampler, timer

_SYS_PIDFD_GETFD: Final = 438
_PERF: Final = "anon_inode:[perf_event]"
_MAP: Final = "anon_inode:bpf-map"
_EPOLL: Final = "anon_inode:[eventpoll]"
_TARGET: Final = re.compile(r"^tfd:\s*(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Name a process that holds a buffer."""

    pid: int
    command: str


@dataclass(frozen=True, slots=True)
class Found:
    """Describe a ring, or all perf buffers of one process; ``places`` are in the sampler."""

    kind: str  # ring or perf
    map: int | None  # its number; None: perf buffers
    name: str
    owners: tuple[Owner, ...]
    size_bytes: int  # of data, of each
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Hold the buffers found, and a line for each that could not be examined."""

    buffers: tuple[Found, ...]
    unseen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Files:
    """Hold the descriptors of one process by kind."""

    pid: int
    maps: frozenset[int]  # numbers of the maps
    perf: frozenset[int]  # descriptors
    waited_for: frozenset[int]  # descriptors that it waits for with epoll


def find(sampler: Sampler, only: Sequence[str] = ()) -> Inventory:
    """Map all buffers, or those that ``only`` names by number, name or PID.

    UsageError if one that is named does not exist; KernelRefused without CAP_SYS_ADMIN.
    """
    processes = list(_processes())
    found = [*_rings(sampler, processes, set(only))]
    for process in processes:
        if process.perf and (not only or str(process.pid) in only):
            found += _perf_buffers(sampler, process)
    if only and not found:
        raise UsageError(
            f"no buffer {', '.join(only)[:60]}", remedy="bufbench watch --seconds 1 shows all"
        )
    return Inventory(
        buffers=tuple(each for each in found if isinstance(each, Found)),
        unseen=tuple(each for each in found if isinstance(each, str)),
    )


@contextmanager
def sampled(sampler: Sampler, inventory: Inventory, interval_ns: int) -> Iterator[None]:
    """Make the kernel sample the ring buffers, if it accepts a program and a timer for that."""
    rings = [
        timer.Ring(each.places[0], each.map, each.size_bytes)
        for each in inventory.buffers
        if each.map is not None
    ]
    with ExitStack() as stack:
        if rings:
            with suppress(OSError):
                stack.enter_context(timer.running(sampler, rings, interval_ns))
        yield


def _rings(
    sampler: Sampler, processes: Sequence[_Files], only: Collection[str]
) -> Iterator[Found | str]:
    """Map the ring buffers; yield each, or why it cannot be examined."""
    try:
        rings = [each for each in bpf.maps() if each.kind == bpf.RINGBUF]
    except OSError as error:
        remedy = "run as root, or grant CAP_SYS_ADMIN" if error.errno == EPERM else ""
        raise refusal.refused("the kernel's maps cannot be listed", error, remedy=remedy) from error
    for ring in rings:
        owners = tuple(_owner(each.pid) for each in processes if ring.id in each.maps)
        words = {str(ring.id), ring.name, *(str(each.pid) for each in owners)}
        if only and words.isdisjoint(only):
            continue
        try:
            with bpf.opened_map(ring.id) as descriptor:
                place = sampler.add_ring(descriptor, ring.entries)
        except (OSError, ValueError) as error:
            yield f"ring buffer {ring.name or ring.id}: {_reason(error)}"
        else:
            yield Found("ring", ring.id, ring.name, owners, ring.entries, (place,))


def _processes() -> Iterator[_Files]:
    """Yield the other processes that hold maps or perf events, unless they end meanwhile.

    Those of other users are not seen without CAP_SYS_PTRACE.
    """
    for folder in procfs.PROC.glob("[0-9]*"):
        pid = int(folder.name)
        if pid == os.getpid():
            continue
        maps, perf, waited = set(), set(), set()
        with suppress(OSError):
            for link in (folder / "fd").iterdir():
                with suppress(OSError):
                    what = str(link.readlink())
                    info = folder / "fdinfo" / link.name
                    if what == _MAP:
                        maps.add(procfs.parse_numbers(info.read_text()).get("map_id", 0))
                    elif what == _PERF:
                        perf.add(int(link.name))
                    elif what == _EPOLL:
                        waited |= {int(fd) for fd in _TARGET.findall(info.read_text())}
        if maps or perf:
            yield _Files(pid, frozenset(maps), frozenset(perf), frozenset(waited))


def _perf_buffers(sampler: Sampler, process: _Files) -> Iterator[Found | str]:
    """Map the perf buffers of one process; yield those of each size, or why that fails."""
    owner = _owner(process.pid)
    places = defaultdict[int, list[int]](list)
    try:
        mapped = _mapped(procfs.PROC / str(process.pid))
        for descriptor in _with_buffers(process, mapped.total()):
            with _duplicate(process.pid, descriptor) as own:
                size_bytes, place = _map_perf(sampler, own, mapped)
            places[size_bytes].append(place)
    except (OSError, ValueError) as error:
        yield f"perf buffers of {owner.command}: {_reason(error)}"
        return
    for size_bytes, those in places.items():
        yield Found("perf", None, "", (owner,), size_bytes, tuple(those))


def _with_buffers(process: _Files, mapped: int) -> list[int]:
    """Return the descriptors whose buffers are mapped; ValueError if that is unknown."""
    for likely in (process.perf & process.waited_for, process.perf):
        if mapped in (0, len(likely)):
            return sorted(likely) if mapped else []
    raise ValueError(
        f"it has {len(process.perf)} perf events but {mapped} buffers, and which events have one "
        "is not visible"
    )


def _map_perf(sampler: Sampler, descriptor: int, mapped: Counter[int]) -> tuple[int, int]:
    """Map a buffer, whose size is one of ``mapped``: the kernel refuses any other."""
    for size_bytes in mapped:
        try:
            return size_bytes, sampler.add_perf(descriptor, size_bytes)
        except OSError as error:
            last = error
    raise last


def _mapped(process: Path) -> Counter[int]:
    """Count the perf buffers that a process has mapped, by their data bytes."""
    found: Counter[int] = Counter()
    for line in (process / "maps").read_text().splitlines():
        if line.endswith(_PERF):
            begin, _, end = line.split()[0].partition("-")
            if (size_bytes := int(end, 16) - int(begin, 16) - PAGE_BYTES) > 0:
                found[size_bytes] += 1
    return found


@contextmanager
def _duplicate(pid: int, descriptor: int) -> Iterator[int]:
    with ExitStack() as stack:
        process = os.pidfd_open(pid)
        stack.callback(os.close, process)
        own = libc.call("syscall", _SYS_PIDFD_GETFD, process, descriptor, 0)
        stack.callback(os.close, own)
        yield own


def _owner(pid: int) -> Owner:
    return Owner(pid=pid, command=procfs.word(procfs.PROC / str(pid) / "comm") or "?")


def _reason(error: Exception) -> str:
    return refusal.named(error) if isinstance(error, OSError) else str(error)
