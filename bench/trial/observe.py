# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One storm under one transport: open, attach, storm, detach, drain, read the counters."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.amounts import counted
from bench.errors import CaptureFull
from bench.linux import bpf, procfs
from bench.measure.late import LateFacts, Noted
from bench.plan.config import Reader, TrialConfig
from bench.record.footprint import Memory, Observed
from bench.record.records import CAPTURED, Records
from bench.tracer import settings, thread, transports
from bench.tracer.capture import Capture
from bench.tracer.consumer import consuming
from bench.tracer.program import Program, names
from bench.tracer.transport import Opened, Request
from bench.trial import competition
from bench.trial.competition import Competition
from bench.trial.observation import ConsumerUse, KernelUse, Observation
from bench.trial.presence import watched
from bench.trial.rig import Rig
from workloads import mapcallers
from workloads.generator import Generator
from workloads.storm import StormReport

GRACE_S: Final = 15.0  # beyond the storm's own limit, for a generator that hangs


def observe_bare(rig: Rig, config: TrialConfig) -> tuple[StormReport, Competition]:
    """Run a storm under no program, or under one that does nothing (transport "noop")."""
    attached: AbstractContextManager[None] = nullcontext()
    if config.transport == "noop":
        attached = rig.program("noop", {}).attached()
    with rig.generator(config.storm) as generator, attached:
        before = competition.read([generator.session])
        generator.go()
        report = generator.wait(config.storm.seconds + GRACE_S)
        return report, competition.between(before, competition.read(), cpus=len(rig.cpus))


def observe(rig: Rig, config: TrialConfig) -> Observation:
    """Run a storm under ``config.transport``, without a bpf(2) call while it is attached."""
    way = transports.find(config.transport)
    program = rig.program_for(way, config)
    counter = rig.built(thread.COUNTER) if config.consumer.count_syscalls else None
    capture = rig.capture(config)
    woken: Callable[[], thread.Times | None] | None = None
    native = config.consumer.reader is Reader.NATIVE
    diagnosed = native and config.consumer.late_ms > 0
    program_fd = program.load()
    with ExitStack() as stack:
        counted = config.kernel_stats and stack.enter_context(bpf.statistics())
        runs_before = bpf.run_time(program_fd)
        skipped_before = procfs.fd_info(program_fd).recursion_misses
        generator = stack.enter_context(rig.generator(config.storm))
        program.configure(
            settings.encode(config.producer, session=generator.session, rings=way.rings(rig.cpus))
        )
        program.zero_counters()
        memory_before = procfs.process_memory()
        opened = stack.enter_context(way.open(program, capture, requested(rig, config)))
        offline = gone(rig)
        memory = measured_memory(opened, capture.mapped_bytes, memory_before)
        callers = stack.enter_context(mapcallers.calling(config.map_callers))
        presence = stack.enter_context(watched())
        raised_before = procfs.irq_work()
        with ExitStack() as running:
            thread_id = running.enter_context(consuming(capture, opened.drain, config.consumer))
            if counter is not None:
                thread.count_calls(counter, thread_id)
            if diagnosed and way.wakes_seen:
                woken = stack.enter_context(thread.wakes(thread_id, rig.cpus))
            running.enter_context(program.attached())
            if counter is not None:
                running.enter_context(counter.attached())
            _stall(capture, config)
            passed = pass_storm(generator, program, config, callers)
        met = competition.between(passed.before, competition.read(callers), cpus=len(rig.cpus))
        wakes_ns = woken() if woken else None
        lost_told = opened.lost_told()
        skipped = _skipped_told(skipped_before, procfs.fd_info(program_fd).recursion_misses)
        raised = wakeups_raised(raised_before, procfs.irq_work())
        counters = program.read_counters()
        runs_after = bpf.run_time(program_fd)
        away_ns = presence.away_ns
    return Observation(
        records=captured(capture),
        counters=tuple(counters),
        storm=passed.report,
        memory=memory,
        consumer=ConsumerUse(
            cpu_ns=capture.cpu_ns,
            voluntary_switches=capture.voluntary_switches,
            involuntary_switches=capture.involuntary_switches,
            wakeups_taken=capture.wakeups_taken,
            malformed=capture.malformed,
            empty_polls=capture.empty_polls if native else None,
            misdated=capture.misdated,
            syscalls=None if counter is None else thread.calls(counter),
        ),
        kernel=KernelUse(
            runs=runs_after[0] - runs_before[0] if counted else None,
            run_ns=runs_after[1] - runs_before[1] if counted else None,
            wakeups_raised=raised,
        ),
        late=_late(capture, config, wakes_ns) if diagnosed else None,
        occupancy=np.frombuffer(capture.occupancy(), dtype=np.uint64).reshape(-1, 2),
        lost_told=lost_told,
        skipped_told=skipped,
        away_ns=away_ns,
        neighbours=passed.neighbours,
        offline=offline,
        competition=met,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A storm that is over, under an attached program."""

    report: StormReport
    before: competition.Reading
    neighbours: tuple[str, ...] | None  # others' programs at this event; None: unknown


def pass_storm(
    generator: Generator, program: Program, config: TrialConfig, beside: Sequence[int] = ()
) -> Passed:
    """Let the storm pass; ``beside`` are the trial's other processes."""
    before = program.neighbours()
    reading = competition.read([generator.session, *beside])
    generator.go()
    report = generator.wait(config.storm.seconds + GRACE_S)
    after = program.neighbours()
    return Passed(
        report=report,
        before=reading,
        neighbours=None if before is None or after is None else names(before | after),
    )


def requested(rig: Rig, config: TrialConfig) -> Request:
    """Return what ``config`` asks of its transport on this machine."""
    return Request(
        budget_bytes=config.budget_bytes,
        cpus=rig.cpus,
        sharing=rig.usable,
        producer=config.producer,
        consumer=config.consumer,
        lazy_reader=config.lazy_reader,
    )


def gone(rig: Rig) -> tuple[int, ...]:
    """Return the CPUs that went offline since the rig was set up."""
    return tuple(sorted({*rig.cpus} - {*procfs.online_cpus()}))


def captured(capture: Capture) -> Records:
    """Return the records, sharing the capture's memory; CaptureFull if it was too small."""
    if capture.overflow:
        raise CaptureFull(
            f"the capture array of {counted(capture.capacity, 'record')} was full: "
            f"{capture.overflow:,} more came",
            remedy="a process outside the storm made most of them; quieten the machine",
        )
    rows: Records = np.frombuffer(capture.array, dtype=CAPTURED, count=capture.count)
    return rows


def _late(capture: Capture, config: TrialConfig, wakes_ns: tuple[int, ...] | None) -> LateFacts:
    rows = struct.iter_unpack("=3Q", capture.late_records())
    return LateFacts(
        threshold_ns=int(config.consumer.late_ms * 1e6),
        count=capture.late_count,
        noted=tuple(map(Noted._make, rows)),
        wakes_ns=wakes_ns,
        stopped_ns=capture.stopped_ns,
    )


def _stall(capture: Capture, config: TrialConfig) -> None:
    consumer = config.consumer
    if consumer.stall_ms:
        start_ns = time.monotonic_ns() + int(consumer.stall_after_ms * 1e6)
        capture.stall(start_ns, int(consumer.stall_ms * 1e6))


def measured_memory(opened: Opened, mapped_bytes: int, before: procfs.ProcessMemory) -> Memory:
    """Return the memory of buffers: by formula, and as change since ``before``."""
    now = procfs.process_memory()
    return Memory(
        footprint=opened.footprint,
        observed=Observed(
            rss_bytes=now.rss_bytes - before.rss_bytes,
            pinned_bytes=now.pinned_bytes - before.pinned_bytes,
            memlock_bytes=_memlock_bytes(opened.map_fds),
            mapped_bytes=mapped_bytes,
        ),
    )


def _memlock_bytes(map_fds: tuple[int, ...]) -> int | None:
    sizes = [procfs.fd_info(fd).memlock_bytes for fd in map_fds]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _skipped_told(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def wakeups_raised(before: dict[int, int] | None, after: dict[int, int] | None) -> int | None:
    """Return the irq_work interrupts between two readings; None where they are not counted."""
    if before is None or after is None:
        return None
    return sum(after.values()) - sum(before.values())
