# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Keep what trials share, since setting it up for each would take seconds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Self

import psutil

from bench.amounts import size
from bench.errors import MachineUnfit
from bench.linux import cpus, libc, pages, perf_event, procfs, tracefs
from bench.linux.kernel_log import KernelLog
from bench.plan.config import Attach, TrialConfig
from bench.record.layout import ROW
from bench.tracer import kernel_clock, settings
from bench.tracer.build import Build, Kernel
from bench.tracer.capture import Capture
from bench.tracer.program import Program
from bench.tracer.transport import Transport
from workloads import cgroup, generator
from workloads.generator import Generator
from workloads.storm import Storm
from workloads.user import StormUser, chosen

_SLACK_RECORDS = 65_536  # for exits that are not the storm's: one record each


class Rig:
    """Keep loaded programs, the capture array and the kernel's log while the context lasts.

    MachineUnfit if kernel timestamps, the consumer and the storm do not share a clock, or pages
    are not 4 KiB.
    """

    def __init__(
        self,
        storm_user: StormUser | None = None,
        *,
        extra_macros: tuple[tuple[str, int], ...] = (),
    ) -> None:
        generator.require()
        pages.require()
        self.kernel = Kernel.probe()
        kernel_clock.require_shared()
        self.cpus = procfs.online_cpus()
        self.usable = cpus.usable()
        self.storm_user = chosen() if storm_user is None else storm_user
        self._extra_macros = extra_macros
        self._stack = ExitStack()
        self._programs: dict[Build, Program] = {}
        self._capture: Capture | None = None
        self._held = ""  # the tracepoint that stays registered
        self._holding = self._stack.enter_context(ExitStack())

    def __enter__(self) -> Self:
        self.log = self._stack.enter_context(KernelLog())
        self._cgroup = self._stack.enter_context(cgroup.made())
        return self

    def __exit__(self, *_: object) -> None:
        self._capture = None
        self._programs.clear()
        self._stack.close()

    def generator(self, storm: Storm) -> Generator:
        """Start the storm's generator, as the storms' user and within their cgroup."""
        return Generator(storm, user=self.storm_user, cgroup=self._cgroup)

    def built(self, build: Build) -> Program:
        """Return the program of this build, compiled at most once."""
        if build not in self._programs:
            self._programs[build] = self._stack.enter_context(Program(build, self.kernel))
        return self._programs[build]

    def program_for(
        self, transport: Transport, config: TrialConfig, more: Mapping[str, int] | None = None
    ) -> Program:
        """Return the program of a transport, compiled with ``more`` macros besides its own."""
        producer = config.producer
        transport.require(producer, self.kernel)
        own = settings.macros(producer) | transport.macros(producer, self.cpus)
        macros = own | dict(more or {}) | dict(self._extra_macros)
        return self.built(
            Build(
                variant=transport.variant,
                macros=tuple(macros.items()),
                attach=producer.attach,
                paired=producer.checked,
            )
        )

    def hold(self, program: Program | None) -> None:
        """Keep the tracepoint of ``program`` registered with perf until the next trial's is held.

        Closing the last event on a tracepoint waits for several grace periods, half of what a short
        trial takes (perf_trace_event_unreg() in kernel/trace/trace_event_perf.c). Without a
        program, or with one on a raw tracepoint, no event is held: exits would also pass through
        perf.
        """
        wanted = ""
        if program is not None and program.build.attach is Attach.TRACEPOINT:
            wanted = program.build.tracepoint
        if wanted == self._held:
            return
        self._holding.close()
        self._held = wanted
        # Without a wait for programs that still run, the last event's own wait is needed.
        if wanted and libc.gives_grace_periods():
            with suppress(OSError):  # attaching the program will fail too, and reports the reason
                event = perf_event.open_idle_tracepoint(tracefs.number(wanted))
                self._holding.callback(os.close, event)

    def capture(self, config: TrialConfig) -> Capture:
        """Return an empty capture that holds all that this storm can send; it is reused."""
        own = config.storm.most_processes * config.producer.records_per_exit
        capacity = own + _SLACK_RECORDS
        if self._capture is None or self._capture.capacity < capacity:
            self._capture = None  # release the old one before allocating a larger one
            self._capture = _room_for(capacity)
        else:
            self._capture = Capture(capacity, self._capture.array)
        return self._capture


def _room_for(records: int) -> Capture:
    """Return a capture array of that size; MachineUnfit where there is no memory for it."""
    wanted_bytes, free_bytes = records * ROW.size, psutil.virtual_memory().available
    if wanted_bytes < free_bytes:
        try:
            return Capture(records)
        except (OSError, ValueError):
            pass
    raise MachineUnfit(
        f"the records of one storm take up to {size(wanted_bytes)}, "
        f"{size(free_bytes)} are available",
        remedy="take a smaller --count, fewer --records or shorter --seconds",
    )
