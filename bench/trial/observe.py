# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run one storm under one transport: open, attach, storm, detach, drain, read the counters."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from typing import Final

import numpy as np

from bench.amounts import counted
from bench.errors import CaptureFull
from bench.linux import bpf, procfs
from bench.measure.cost import Cost
from bench.measure.late import LateFacts, Noted
from bench.plan.config import Reader, TrialConfig
from bench.record.footprint import Memory, Observed
from bench.record.records import CAPTURED, Records
from bench.tracer import settings, thread, transports
from bench.tracer.build import Build
from bench.tracer.capture import Capture
from bench.tracer.consumer import consuming
from bench.tracer.program import Program, names
from bench.tracer.transport import BufferRequest, Opened
from bench.trial import competition
from bench.trial.observation import Observation, Passage
from bench.trial.rig import Rig
from workloads import mapcallers
from workloads.generator import Generator

_NOOP: Final = Build(variant="noop")
_GRACE_S: Final = 15.0  # beyond the storm's limit, before a generator counts as hung


def observe_bare(rig: Rig, config: TrialConfig) -> Passage:
    """Run a storm under no program, or under one that does nothing (transport "noop")."""
    program = rig.built(_NOOP) if config.transport == "noop" else None
    attached: AbstractContextManager[None] = program.attached() if program else nullcontext()
    rig.hold(program)
    with rig.generator(config.storm) as generator, attached:
        before = competition.read([generator.session])
        generator.go()
        report = generator.wait(config.storm.seconds + _GRACE_S)
        met = competition.between(before, competition.read(), cpus=len(rig.cpus))
    return Passage(storm=report, competition=met)


def observe(rig: Rig, config: TrialConfig) -> Observation:
    """Run a storm under ``config.transport``, without a bpf(2) call while it is attached."""
    way = transports.find(config.transport)
    program = rig.program_for(way, config)
    counts_calls = config.consumer.count_syscalls and thread.known_by_number()
    counter = rig.built(thread.COUNTER) if counts_calls else None
    capture = rig.capture(config)
    woken: Callable[[], thread.Times | None] | None = None
    native = config.consumer.reader is Reader.NATIVE
    diagnosed = native and config.consumer.late_ms > 0
    program_fds = program.load_all()
    rig.hold(program)
    with ExitStack() as stack:
        timed = config.kernel_stats and stack.enter_context(bpf.statistics())
        runs_before = bpf.run_time(program_fds)
        skipped_before = _skipped(program_fds)
        generator = stack.enter_context(rig.generator(config.storm))
        opened, memory = open_buffers(
            rig, config, program, capture, session=generator.session, stack=stack
        )
        callers = stack.enter_context(mapcallers.calling(config.map_callers))
        with ExitStack() as running:
            thread_id = running.enter_context(consuming(capture, opened.drain, config.consumer))
            if counter is not None:
                thread.count_calls(counter, thread_id)
            if diagnosed and way.wakes_seen and thread.known_by_number():
                woken = stack.enter_context(thread.wakes(thread_id, rig.cpus))
            running.enter_context(program.attached())
            if counter is not None:
                running.enter_context(counter.attached())
            if stall_ms := config.consumer.stall_ms:
                start_ns = time.monotonic_ns() + int(config.consumer.stall_after_ms * 1e6)
                capture.stall(start_ns, int(stall_ms * 1e6))
            passage = pass_storm(rig, config, program, generator, running=running, beside=callers)
        wakes_ns = woken() if woken else None
        lost_told, overwritten_bytes = opened.lost_told(), opened.overwritten_bytes()
        in_kernel = opened.counted()
        skipped = competition.risen(skipped_before, _skipped(program_fds))
        counters = program.read_counters()
        runs = bpf.run_time(program_fds)
    return Observation(
        records=captured(capture),
        counters=tuple(counters),
        passage=passage,
        memory=memory,
        cost=replace(
            raw_cost(capture, config, passage),
            kernel_runs=runs[0] - runs_before[0] if timed else None,
            kernel_run_ns=runs[1] - runs_before[1] if timed else None,
            consumer_syscalls=None if counter is None else thread.calls(counter),
        ),
        malformed=capture.malformed,
        misdated=capture.misdated,
        late=_late(capture, config, wakes_ns) if diagnosed else None,
        # Each of several threads would sample its own buffers, at its own times.
        occupancy=np.frombuffer(
            capture.occupancy() if config.consumer.threads == 1 else b"", dtype=np.uint64
        ).reshape(-1, 2),
        lost_told=lost_told,
        skipped_told=skipped,
        cpus=tuple(rig.cpus),
        overwritten_bytes=overwritten_bytes,
        counted=in_kernel,
    )


def open_buffers(
    rig: Rig,
    config: TrialConfig,
    program: Program,
    capture: Capture,
    *,
    session: int,
    stack: ExitStack,
) -> tuple[Opened, Memory]:
    """Configure the tracer, and open its buffers until ``stack`` is left; return their memory."""
    way = transports.find(config.transport)
    rings = way.rings(rig.cpus)
    program.configure(
        settings.encode(config.producer, session=session, rings=rings, duet=config.duet)
    )
    program.zero_counters()
    request = BufferRequest(config=config, cpus=rig.cpus, sharing=rig.usable)
    before, mapped_bytes = procfs.process_memory(), capture.mapped_bytes
    opened = stack.enter_context(way.open(program, capture, request))
    now = procfs.process_memory()
    observed = Observed(
        rss_bytes=now.rss_bytes - before.rss_bytes,
        pinned_bytes=now.pinned_bytes - before.pinned_bytes,
        memlock_bytes=procfs.memlock_bytes(opened.map_fds),
        mapped_bytes=capture.mapped_bytes - mapped_bytes,
    )
    return opened, Memory(footprint=opened.footprint, observed=observed)


def pass_storm(
    rig: Rig,
    config: TrialConfig,
    program: Program,
    generator: Generator,
    *,
    running: ExitStack,
    beside: Sequence[int] = (),
) -> Passage:
    """Let the storm pass, then close ``running``, which keeps the tracer attached and drained.

    ``beside`` are the trial's other processes.
    """
    offline = tuple(sorted({*rig.cpus} - {*procfs.online_cpus()}))
    raised, there = procfs.irq_work(), program.neighbours()
    with competition.watched() as away_ns:
        before = competition.read([generator.session, *beside])
        generator.go()
        report = generator.wait(config.storm.seconds + _GRACE_S)
        still = program.neighbours()
        running.close()
    met = competition.between(before, competition.read(beside), cpus=len(rig.cpus))
    return Passage(
        storm=report,
        competition=met,
        away_ns=away_ns(),
        neighbours=None if there is None or still is None else names(there | still),
        offline=offline,
        wakeups_raised=competition.risen(raised, procfs.irq_work()),
    )


def raw_cost(capture: Capture, config: TrialConfig, passage: Passage) -> Cost:
    """Return what the consumer and the wake-ups of a storm cost, without counts of records."""
    return Cost(
        storm_ns=passage.storm.end_ns - passage.storm.start_ns,
        delivered=0,
        attempted=0,
        kernel_runs=None,
        kernel_run_ns=None,
        consumer_cpu_ns=capture.cpu_ns,
        consumer_voluntary_switches=capture.voluntary_switches,
        consumer_involuntary_switches=capture.involuntary_switches,
        wakeups_taken=capture.wakeups_taken,
        wakeups_raised=passage.wakeups_raised,
        empty_polls=None if config.consumer.reader.of_library else capture.empty_polls,
    )


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


def _skipped(programs: Sequence[int]) -> int | None:
    """Return how often the kernel reports having skipped a program; None if it does not."""
    found = [procfs.fd_info(program).get("recursion_misses") for program in programs]
    known = [each for each in found if each is not None]
    return sum(known) if len(known) == len(found) else None
