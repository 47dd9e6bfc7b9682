# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One tracer in the kernel: compiled and loaded once by bcc, attached and detached per trial."""

from __future__ import annotations

import atexit
import ctypes as ct
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

from bench import paths
from bench.errors import BufbenchError, MachineUnfit
from bench.host import limits, one_arena
from bench.host.uninterrupted import uninterrupted
from bench.linux import bpf, capabilities, lockdown, procfs, refusal, tracefs
from bench.record.counters import CpuCounters
from bench.tracer import (
    btf,
    counters,
    headers,
    kallsyms,
    loadable,
    neighbours,
    offsets,
    source,
    versions,
)

_SLOT: Final = struct.pack("=I", 0)


@dataclass(frozen=True, slots=True)
class Kernel:
    """Facts of the running kernel that compiling takes."""

    release: str
    macros: Mapping[str, int]
    facts: Mapping[str, str]

    @classmethod
    def probe(cls) -> Self:
        """Ask BTF and tracefs; MachineUnfit if they fail or privileges are missing."""
        _require_privileges()
        fields = offsets.tracepoint_fields(tracefs.exit_format())
        with btf.opened() as types:
            macros = offsets.offsets(types)
            facts = offsets.kernel_facts(types, fields)
        if "group_dead" in fields:
            macros["OFFSET_GROUP_DEAD"] = fields["group_dead"]
        return cls(os.uname().release, macros, facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Compile-time settings. Two trials with the same build share one program."""

    variant: str  # the folder under bpf/
    macros: tuple[tuple[str, int], ...] = ()
    name: str = "exitsnoop"  # of the file, and of the function in it
    tracepoint: str = "sched:sched_process_exit"


class Program:
    """A compiled tracer. Use as a context manager; nothing of it stays in the kernel after."""

    def __init__(self, build: Build, kernel: Kernel) -> None:
        versions.bcc_version()
        one_arena.keep_to()
        from bcc import BPF

        self.build = build
        self._bpf_type = BPF
        self._counted: Sequence[int] = ()  # causes of drops that need not be 0 in the kernel
        folder = paths.bpf_sources()
        text = source.flattened(folder / build.variant / f"{build.name}.bpf.c", folder)
        macros = {**kernel.macros, **dict(build.macros)}
        flags = [f"-D{name}={value}" for name, value in macros.items()]
        try:
            with headers.installed(kernel.release):
                self._bpf: Any = kallsyms.unseen(lambda: BPF(text=text.encode(), cflags=flags))
        except Exception as error:
            raise _refusal(
                f"bcc could not compile the {build.variant} tracer", error,
                remedy="its messages stand above",
            ) from error  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            self._bpf.cleanup()
            atexit.unregister(self._bpf.cleanup)  # bcc registers it, and so would keep all for good

    def map_fd(self, name: str) -> int:
        """Return the descriptor of a map; it belongs to the program."""
        from bcc.libbcc import lib

        return int(lib.bpf_table_fd(self._bpf.module, name.encode()))

    def load(self) -> int:
        """Load the program once and return its descriptor; MachineUnfit if refused."""
        try:
            return int(self._bpf.load_func(self.build.name.encode(), self._bpf_type.TRACEPOINT).fd)
        except Exception as error:
            raise _refusal(
                f"the kernel refused the {self.build.variant} tracer", error, ct.get_errno(),
                remedy="the verifier's messages stand above",
            ) from error  # fmt: skip

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Run the program at every exit while the context lasts."""
        self.load()
        self._counted = range(counters.CAUSES)
        point, name = self.build.tracepoint.encode(), self.build.name.encode()
        with _attached(
            lambda: self._bpf.attach_tracepoint(tp=point, fn_name=name),
            lambda: self._bpf.detach_tracepoint(tp=point),
        ):
            yield

    @contextmanager
    def counting_missed(self) -> Iterator[None]:
        """Count the processes hidden from the attached program while the context lasts."""
        point = self.build.tracepoint.partition(":")[2].encode()
        with _attached(
            lambda: self._bpf.attach_raw_tracepoint(tp=point, fn_name=b"count_missed"),
            lambda: self._bpf.detach_raw_tracepoint(tp=point),
        ):
            yield

    def missed(self) -> int:
        """Return how many processes were counted as hidden. A bpf() map call."""
        cpus = len(possible_cpus())
        values = bpf.lookup(self.map_fd("missed"), _SLOT, 8 * cpus)
        return sum(struct.unpack(f"={cpus}Q", values))

    def neighbours(self) -> frozenset[int] | None:
        """Return the ids of other programs at the same event, while attached; None if unknown."""
        there = neighbours.on_event(self._bpf.tracepoint_fds[self.build.tracepoint.encode()])
        if there is None:
            return None
        event = self.build.tracepoint.partition(":")[2]
        return (there | neighbours.raw(event)) - {bpf.program_id(self.load())}

    def configure(self, settings: bytes) -> None:
        """Write the settings map."""
        bpf.update(self.map_fd("settings"), _SLOT, settings)

    def zero_counters(self) -> None:
        """Start a new account."""
        cpus = len(possible_cpus())
        bpf.update(self.map_fd("counters"), _SLOT, bytes(counters.BYTES_PER_CPU * cpus))
        drops, nothing = self.map_fd("drops"), bytes(counters.DROP_BYTES_PER_CPU * cpus)
        for cause in self._counted:
            bpf.update(drops, struct.pack("=I", cause), nothing)
        self._counted = ()

    def read_counters(self) -> list[CpuCounters]:
        """Read the account. Call it after detaching: bpf() calls make the kernel skip tracers."""
        cpus = possible_cpus()
        size = counters.BYTES_PER_CPU * len(cpus)
        counts = bpf.lookup(self.map_fd("counters"), _SLOT, size)
        drops, size = self.map_fd("drops"), counters.DROP_BYTES_PER_CPU * len(cpus)
        unexplained, by_cause = counters.dropped(counts), dict[int, bytes]()
        for cause in counters.causes():
            if unexplained <= 0:
                break  # a thousand calls take a sixth of a trial in an emulated guest
            value = bpf.lookup(drops, struct.pack("=I", cause), size)
            if any(value):
                by_cause[cause] = value
                unexplained -= counters.of_cause(value)
        self._counted = tuple(by_cause)
        return counters.decode(counts, by_cause, cpus)


@contextmanager
def _attached(attach: Callable[[], object], detach: Callable[[], object]) -> Iterator[None]:
    try:
        with uninterrupted():
            attach()
    except Exception as error:
        raise _refusal(
            "the tracer could not be attached", error, ct.get_errno(),
            remedy="`bufbench doctor --least-privilege` tries what it takes",
        ) from error  # fmt: skip
    try:
        yield
    finally:
        with uninterrupted():
            detach()


def _require_privileges() -> None:
    """Raise MachineUnfit before bcc tries, which would blame the program."""
    if missing := capabilities.missing_to_trace(capabilities.held()):
        raise MachineUnfit(
            "this process may not load BPF programs",
            remedy=f"run as root, or grant {' and '.join(map(str, missing))}",
        )
    lockdown.require_open()
    loadable.require()


def _refusal(what: str, error: Exception, code: int = 0, *, remedy: str) -> BufbenchError:
    """Return why bcc raised ``error``: what a tracer takes and does not get, or errno ``code``.

    bcc raises the same Exception whatever was missing.
    """
    if known := limits.explained(error) or loadable.refused():
        return known
    if code and (usual := refusal.remedy_for(code)):
        return refusal.refused(what, OSError(code, os.strerror(code)), remedy=usual)
    return MachineUnfit(f"{what}: {error}", remedy=remedy)


def possible_cpus() -> tuple[int, ...]:
    """Return the CPUs that the kernel has per-CPU memory for: a map's values are in this order."""
    return procfs.parse_cpu_list(procfs.read(procfs.SYS / "devices/system/cpu/possible") or "0")
