# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read /proc and /sys: parsers take text, readers take the text of this machine.

A reader returns None for what this kernel does not report, or not to this user.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

PROC: Final = Path("/proc")
SYS: Final = Path("/sys")
MOST_CPUS: Final = 8192  # CPU numbers lie below: the most that a kernel can be built for
INITIAL_PID_NAMESPACE: Final = 0xEFFFFFFC  # PROC_PID_INIT_INO of include/linux/proc_ns.h

_BPF: Final = ("anon_inode:bpf-prog", "anon_inode:bpf-map")
_DIGITS: Final = re.compile(r"-?[0-9]{1,19}")
_CPUS: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTimes:
    """Hold CPU seconds since boot, all CPUs together."""

    total_s: float
    steal_s: float
    working_s: float = 0.0  # in tasks, user and system; interrupts left out

    def steal_share_since(self, earlier: CpuTimes) -> float:
        """Return the share of CPU time, 0 to 1, that the hypervisor took between two readings."""
        passed_s = self.total_s - earlier.total_s
        return (self.steal_s - earlier.steal_s) / passed_s if passed_s > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessMemory:
    """Hold a process's memory as the kernel reports it; docs/metrics.md says how it misleads."""

    rss_bytes: int
    pinned_bytes: int  # VmPin
    locked_bytes: int = 0  # VmLck


@dataclass(frozen=True, slots=True, kw_only=True)
class Mappings:
    """Sum the mappings of one kind."""

    length_bytes: int
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Mount:
    """Hold one line of mountinfo."""

    point: Path
    root: str  # the folder of the file system that is mounted there
    kind: str
    options: frozenset[str]  # of the file system, where cgroup v1 names its controllers


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Return CPU numbers of a list such as ``0-2,5``, once each; () of an empty one.

    Raises ValueError if it is not a list of CPUs, or names one that no kernel can have.
    """
    cpus: dict[int, None] = {}
    for part in text.strip().split(",") if text.strip() else ():
        found = _CPUS.fullmatch(part)
        first, last = map(int, (found[1], found[2] or found[1])) if found else (1, 0)
        if not first <= last < MOST_CPUS:
            raise ValueError(f"{text.strip()[:40]!r} is not a list of CPUs")
        cpus.update(dict.fromkeys(range(first, last + 1)))
    return tuple(cpus)


def _number(text: str) -> int | None:
    """Return ``text`` as a number; None for anything else, or one too long."""
    return int(text) if _DIGITS.fullmatch(text) else None


def parse_irq_work(interrupts: str) -> int | None:
    """Return IWI of /proc/interrupts, all CPUs since boot; None where there is no such row."""
    found = re.search(r"^ *IWI:((?: +[0-9]{1,19})+)", interrupts, re.MULTILINE)
    return sum(map(int, found[1].split())) if found else None


def parse_numbers(text: str) -> dict[str, int]:
    """Return lines such as ``VmRSS:  1948 kB`` of status, ``memlock:  78128`` of fdinfo; bytes."""
    found = re.findall(r"^(\w+):[ \t]*([0-9]{1,19})( kB)?$", text, re.MULTILINE)
    return {name: int(number) * (1024 if kib else 1) for name, number, kib in found}


def parse_capabilities(status: str) -> int:
    """Return CapEff of a process's status as a bit mask; 0 if it is missing."""
    found = re.search(r"^CapEff:[ \t]*([0-9a-f]{1,16})$", status, re.MULTILINE)
    return int(found[1], 16) if found else 0


def parse_free_pages(zoneinfo: str) -> int | None:
    """Return free pages of all zones, and of all CPUs' lists; None where there is no zone.

    MemFree leaves out the pages on each CPU's lists: some thousands, which come and go.
    """
    zones = re.findall(r"^[ ]+nr_free_pages[ ]+([0-9]{1,19})$", zoneinfo, re.MULTILINE)
    lists = re.findall(r"^[ ]+count:[ ]+([0-9]{1,19})$", zoneinfo, re.MULTILINE)
    return sum(map(int, zones)) + sum(map(int, lists)) if zones else None


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """Return all mounts, in the order in which they were made."""
    mounts = []
    for line in text.splitlines():
        mount, _, source = line.partition(" - ")
        match mount.split(), source.split():
            case [_, _, _, root, point, *_], [kind, _, *options]:
                chosen = frozenset(",".join(options).split(","))
                mounts.append(Mount(Path(_unescape(point)), _unescape(root), kind, chosen))
    return tuple(mounts)


def _unescape(word: str) -> str:
    """Undo octal escapes: mountinfo writes blanks, tabs, newlines and backslashes as octal."""
    return re.sub(r"\\(0[1-7][0-7]|1[0-7]{2})", lambda code: chr(int(code[1], 8)), word)


def read(path: Path) -> str | None:
    """Return the text of a file, or None where it is missing or forbidden."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):  # ValueError: the path holds a NUL
        return None


def word(path: Path) -> str:
    """Return the text of a file without blanks around it; "" where it is missing or forbidden."""
    return (read(path) or "").strip()


def read_number(path: Path) -> int | None:
    """Return the number in a file; None where there is none (pids.max may be "max")."""
    return _number(word(path))


def namespace(kind: str) -> int | None:
    """Return the inode of this process's namespace, "pid" or "user"; None without /proc."""
    try:
        return (PROC / "self/ns" / kind).stat().st_ino
    except OSError:
        return None


def online_cpus() -> tuple[int, ...]:
    """Return CPUs that run code; not all of them need be allowed for this process."""
    with suppress(ValueError):
        if cpus := parse_cpu_list(read(SYS / "devices/system/cpu/online") or ""):
            return cpus
    return tuple(range(os.cpu_count() or 1))


def possible_cpus() -> tuple[int, ...]:
    """Return the CPUs for which the kernel has per-CPU memory, offline ones included."""
    return parse_cpu_list(read(SYS / "devices/system/cpu/possible") or "0")


def cpu_times() -> CpuTimes:
    """Return the times of all CPUs since boot."""
    now = psutil.cpu_times()
    guests_s = now.guest + now.guest_nice  # counted as user time already
    return CpuTimes(
        total_s=sum(now) - guests_s,
        steal_s=now.steal,
        working_s=now.user + now.nice + now.system,
    )


def process_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and the children it reaped; 0 for one that is gone."""
    fields = (read(PROC / str(pid) / "stat") or "").rpartition(")")[2].split()
    return sum(_number(ticks) or 0 for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def stalled_s() -> dict[str, float]:
    """Return the seconds since boot in which some task waited for cpu, memory and io.

    Empty where the kernel keeps no such account (before 4.20, or booted with psi=0).
    """
    found = {}
    for name in ("cpu", "memory", "io"):
        text = read(PROC / "pressure" / name) or ""
        if total := re.search(r"^some .*\btotal=([0-9]{1,19})$", text, re.MULTILINE):
            found[name] = int(total[1]) / 1e6
    return found


def irq_work() -> int | None:
    """Return IWI since boot; None where the kernel does not report it."""
    return parse_irq_work(read(PROC / "interrupts") or "")


def process_memory() -> ProcessMemory:
    """Return the memory of this process."""
    _settle_rss()
    sizes = parse_numbers(read(PROC / "self/status") or "")
    return ProcessMemory(
        rss_bytes=sizes.get("VmRSS", 0),
        pinned_bytes=sizes.get("VmPin", 0),
        locked_bytes=sizes.get("VmLck", 0),
    )


def _settle_rss() -> None:
    """Bring VmRSS up to date: before 6.2 each thread caches the counts of its last pages.

    It adds them after 64 page faults, which mapping a ring buffer does not cause (seen on
    5.10 and 6.1: a ring of 1 MiB, and VmRSS as before), or when it gives a page back.
    """
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        page[0] = 1


def mappings(names: frozenset[str]) -> Mappings:
    """Return the sum of this process's mappings that smaps calls by one of ``names``."""
    found = [each for each in psutil.Process().memory_maps(grouped=False) if each.path in names]
    return Mappings(
        length_bytes=sum(each.size for each in found), rss_bytes=sum(each.rss for each in found)
    )


def free_pages() -> int | None:
    """Return the free pages, those on per-CPU lists included; None if not reported."""
    read(PROC / "sys/vm/stat_refresh")  # adds each CPU's pending counts
    return parse_free_pages(read(PROC / "zoneinfo") or "")


def fd_info(fd: int) -> dict[str, int]:
    """Return the numbers in the fdinfo of a BPF map or program, as far as this kernel has them."""
    return parse_numbers(read(PROC / "self/fdinfo" / str(fd)) or "")


def memlock_bytes(fds: Iterable[int]) -> int | None:
    """Return the memory of these maps by their fdinfo; None where one does not report it."""
    sizes = [fd_info(fd).get("memlock") for fd in fds]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def mounts() -> tuple[Mount, ...]:
    """Return everything mounted where this process can see it."""
    return parse_mountinfo(read(PROC / "self/mountinfo") or "")


def mount_point(kind: str) -> Path | None:
    """Return where a file system of this kind (tracefs, debugfs, bpf) is mounted first."""
    return next((mount.point for mount in mounts() if mount.kind == kind), None)


def sysctl(name: str) -> int | None:
    """Return a numeric sysctl such as ``kernel.perf_event_mlock_kb``."""
    return read_number(PROC / "sys" / name.replace(".", "/"))


def clock_source() -> str:
    """Return the kernel's clock source, or "unknown"."""
    return word(SYS / "devices/system/clocksource/clocksource0/current_clocksource") or "unknown"


def governors() -> frozenset[str]:
    """Return the CPUs' frequency governors; none where the kernel does not control frequencies."""
    paths = (SYS / "devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    return frozenset(filter(None, map(word, paths)))


def bpf_holders() -> frozenset[int]:
    """Return other processes with an open BPF program or map, as far as this user may see."""
    holders = set()
    for pid in {*psutil.pids()} - {os.getpid()}:
        # It ended, closed it, or may not be read; a glob over all would stop at the first such.
        with suppress(OSError):
            for link in (PROC / str(pid) / "fd").iterdir():
                with suppress(OSError):
                    if link.readlink().name.startswith(_BPF):
                        holders.add(pid)
    return frozenset(holders)
