# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run one tracer in the kernel: built and loaded once, attached and detached per trial."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Self

from bench.host.signals import uninterrupted
from bench.linux import bpf, libc, perf_event, procfs, refusal, tracefs
from bench.plan.config import Attach
from bench.record.counters import CpuCounters
from bench.tracer import counters, loader
from bench.tracer.build import Build, Kernel
from bench.tracer.loader import Loader

if TYPE_CHECKING:
    from bench.tracer.compiler import ByBcc
    from bench.tracer.prebuilt import Prebuilt

_QUERY: Final = 0xC008240A  # PERF_EVENT_IOC_QUERY_BPF, Linux 4.16
_MOST: Final = 64  # BPF_TRACE_MAX_PROGS: the kernel attaches no more
_MISSED: Final = "count_missed"  # a function of bpf/common/missed.h


class Program:
    """Load a tracer; leaving the context removes it from the kernel.

    ``cpus`` are those for which the kernel has per-CPU memory: a map's values are in this order.
    """

    def __init__(self, build: Build, kernel: Kernel) -> None:
        self.build = build
        self._programs: dict[str, int] = {}
        self._event = -1  # of perf, while it is attached to one
        self.cpus = procfs.possible_cpus()
        self._counted: Sequence[int] = ()  # causes of drops that may not be 0 in the kernel
        self._loaded = _loaded(build, kernel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._loaded.close()

    def map_fd(self, name: str) -> int:
        """Return the descriptor of a map; it belongs to the program."""
        return self._loaded.map_fd(name)

    def set(self, name: str, slot: int, value: bytes) -> None:
        """Set one element of a map."""
        bpf.update(self.map_fd(name), struct.pack("=I", slot), value)

    def zero(self, name: str, slot: int, value_bytes: int) -> None:
        """Set one element of a per-CPU map to zeros."""
        self.set(name, slot, bytes(value_bytes * len(self.cpus)))

    def get(self, name: str, slot: int, value_bytes: int) -> bytes:
        """Return one element of a per-CPU map, the values of all ``cpus``."""
        return bpf.lookup(self.map_fd(name), struct.pack("=I", slot), value_bytes * len(self.cpus))

    def total(self, name: str) -> int:
        """Return the sum over all CPUs of the one count in a map."""
        return sum(struct.unpack(f"={len(self.cpus)}Q", self.get(name, 0, 8)))

    def load(self) -> int:
        """Load the program once and return its descriptor; MachineUnfit if refused."""
        return self.load_all()[0]

    def load_all(self) -> tuple[int, ...]:
        """Load all programs that are to be attached, once; MachineUnfit if refused."""
        return tuple(self._load(each, self.build.attach) for each in self.build.functions)

    def _load(self, function: str, attach: Attach) -> int:
        if function not in self._programs:
            self._programs[function] = self._loaded.load(function, attach)
        return self._programs[function]

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Run the program at every exit while the context lasts."""
        programs = self.load_all()
        self._counted = range(counters.CAUSES)
        with self._attaching(self.build.attach, *programs) as (self._event, *_):
            yield

    @contextmanager
    def counting_missed(self) -> Iterator[None]:
        """Count, in ``total("missed")``, processes hidden from the attached program meanwhile."""
        with self._attaching(Attach.RAW, self._load(_MISSED, Attach.RAW)):
            yield

    @contextmanager
    def _attaching(self, attach: Attach, *programs: int) -> Iterator[Sequence[int]]:
        """Attach programs while the context lasts; after it none of them is still running."""
        held: list[int] = []
        try:
            for program in programs:
                with uninterrupted():
                    held.append(self._attach(program, attach))
            yield held
        finally:
            with uninterrupted():
                for descriptor in held:
                    os.close(descriptor)
                libc.await_grace_period()

    def _attach(self, program: int, attach: Attach) -> int:
        """Attach one program, until the descriptor that is returned is closed."""
        try:
            if attach is not Attach.TRACEPOINT:
                name = self.build.event if attach is Attach.RAW else ""
                return bpf.open_raw_tracepoint(program, name)
            return perf_event.open_tracepoint(tracefs.number(self.build.tracepoint), program)
        except OSError as error:
            usual = "`bufbench doctor --least-privilege` finds out what it needs"
            raise refusal.refused(
                "the tracer could not be attached", error,
                remedy=refusal.remedy_for(error.errno or 0) or usual,
            ) from error  # fmt: skip

    def neighbours(self) -> frozenset[int] | None:
        """Return the ids of other programs at the same event, while attached; None if unknown.

        Each exit runs them too. These calls do not make the kernel skip tracers: only operations
        on maps do.
        """
        own = {*map(bpf.program_id, self.load_all())}
        raw = _on_raw(self.build.event) - own
        if self.build.attach is not Attach.TRACEPOINT:
            return raw  # which ones are on perf events is not known
        there = _on_event(self._event)
        return None if there is None else (there - own) | raw

    def configure(self, settings: bytes) -> None:
        """Write the settings map."""
        self.set("settings", 0, settings)

    def zero_counters(self) -> None:
        """Set all counters to zero."""
        self.zero("counters", 0, counters.BYTES_PER_CPU)
        for cause in self._counted:
            self.zero("drops", cause, counters.DROP_BYTES_PER_CPU)
        self._counted = ()

    def read_counters(self) -> list[CpuCounters]:
        """Read the counters. Call it after detaching: bpf() calls make the kernel skip tracers."""
        counts = self.get("counters", 0, counters.BYTES_PER_CPU)
        unexplained, by_cause = counters.dropped(counts), dict[int, bytes]()
        for cause in counters.causes():
            if unexplained <= 0:
                break  # a thousand calls take a sixth of a trial in an emulated guest
            value = self.get("drops", cause, counters.DROP_BYTES_PER_CPU)
            if any(value):
                by_cause[cause] = value
                unexplained -= counters.of_cause(value)
        self._counted = tuple(by_cause)
        return counters.decode(counts, by_cause, self.cpus)


def names(programs: Iterable[int]) -> tuple[str, ...]:
    """Return the programs' names, or the id of one that is gone or unreadable."""
    found = []
    for program in sorted(programs):
        name = ""
        with suppress(OSError):
            name = bpf.program_name(program)
        found.append(f"{name} (program {program})" if name else f"program {program}")
    return tuple(found)


def _on_event(event: int) -> frozenset[int] | None:
    """Return the ids of all programs on the tracepoint of the perf ``event``; None if unknown."""
    query = bytearray(struct.pack(f"={2 + _MOST}I", _MOST, *([0] * (1 + _MOST))))
    try:
        fcntl.ioctl(event, _QUERY, query)
    except OSError:  # an older kernel, or not allowed
        return None
    _, count, *ids = struct.unpack(f"={2 + _MOST}I", query)
    return frozenset(ids[:count])


def _on_raw(tracepoint: str) -> frozenset[int]:
    """Return the ids of programs on the raw tracepoint; empty if links are not readable."""
    found = set[int]()
    try:
        for link in bpf.links():
            with suppress(OSError):  # gone by now
                name, program = bpf.raw_tracepoint_of(link) or ("", 0)
                if name == tracepoint:
                    found.add(program)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EINVAL):
            raise
    return frozenset(found)


def _loaded(build: Build, kernel: Kernel) -> ByBcc | Prebuilt:
    if loader.chosen() is Loader.BCC:
        from bench.tracer.compiler import ByBcc

        return ByBcc(build, kernel)
    from bench.tracer.prebuilt import Prebuilt

    return Prebuilt(build, kernel)
