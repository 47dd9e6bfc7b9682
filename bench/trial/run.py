# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One trial: open, attach, storm, detach, drain, count, measure."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from bench.errors import CaptureFull
from bench.machine import procfs
from bench.measure import latency, ledger, ordering
from bench.measure.cost import Cost
from bench.measure.memory import Memory, Observed
from bench.plan.config import TrialConfig
from bench.plan.experiments import Arm
from bench.record import CAPTURED, Records
from bench.trace import bpf_call, settings, transport
from bench.trace._capture import Capture
from bench.trace.consumer import consuming
from bench.trial.result import Conditions, State, TrialResult
from bench.trial.rig import Rig
from workloads.generator import Generator
from workloads.storm import StormReport

STEAL_BOUND: Final = 0.05
"""Share of CPU time stolen beyond which a trial is noisy."""

_GRACE_S: Final = 15.0  # beyond the storm's own limit, for a generator that hangs
_BARE: Final = frozenset({"none", "noop"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in its experiment a trial stands."""

    experiment: str
    block: int
    position: int


def run_trial(rig: Rig, arm: Arm, place: Place) -> TrialResult:
    """Run one trial and measure it. Raises BufbenchError; a trial that does not balance is none."""
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    rig.log.new_records()  # forget what was said before
    before = procfs.cpu_times()
    bare = arm.config.transport in _BARE
    result = (_run_bare if bare else _run_traced)(rig, arm.config)
    steal = procfs.cpu_times().steal_share_since(before)
    conditions = Conditions(
        steal_share=steal,
        load_1m=procfs.load_1m(),
        other_exits=result.other_exits,
        kernel_complaints=rig.log.complaints(),
    )
    state, reasons = judge_state(result.fields.get("ledger"), conditions)
    return TrialResult(
        experiment=place.experiment,
        arm=arm.name,
        block=place.block,
        position=place.position,
        config=arm.config,
        started_utc=started,
        storm=result.report,
        conditions=conditions,
        state=state,
        reasons=reasons,
        **result.fields,
    )


def judge_state(
    account: ledger.Ledger | None, conditions: Conditions
) -> tuple[State, tuple[str, ...]]:
    """What a trial counts as, and why: the gravest reason decides, all are told."""
    grave = {State.INVALID: [*conditions.kernel_complaints], State.DISTURBED: [], State.NOISY: []}
    if account:
        grave[State.INVALID] += account.residues
    if account and account.missed:
        grave[State.DISTURBED].append(f"the kernel skipped the tracer at {account.missed} exits")
    if conditions.steal_share > STEAL_BOUND:
        grave[State.NOISY].append(f"{conditions.steal_share:.1%} of CPU time was stolen")
    state = next((state for state, reasons in grave.items() if reasons), State.VALID)
    return state, tuple(reason for reasons in grave.values() for reason in reasons)


@dataclass(frozen=True, slots=True)
class _Outcome:
    report: StormReport
    other_exits: int
    fields: dict[str, Any]  # of TrialResult


def _run_bare(rig: Rig, config: TrialConfig) -> _Outcome:
    """A storm under no program, or under one that does nothing."""
    attached: AbstractContextManager[None] = nullcontext()
    if config.transport == "noop":
        attached = rig.program("noop", {}).attached()
    with Generator(config.storm) as generator, attached:
        generator.go()
        report = generator.wait(config.storm.seconds + _GRACE_S)
    return _Outcome(report, 0, {})


def _run_traced(rig: Rig, config: TrialConfig) -> _Outcome:
    way = transport.find(config.transport)
    program = rig.program_for(way, config)
    capture = rig.capture(config)
    request = transport.Request(
        budget_bytes=config.budget_bytes,
        cpus=rig.cpus,
        producer=config.producer,
        consumer=config.consumer,
    )
    program_fd = program.load()
    with ExitStack() as stack:
        if config.kernel_stats:
            stack.enter_context(bpf_call.statistics())
        runs_before = bpf_call.run_time(program_fd)
        generator = stack.enter_context(Generator(config.storm))
        program.configure(
            settings.encode(config.producer, session=generator.session, rings=way.rings(rig.cpus))
        )
        program.zero_counters()
        memory_before = procfs.process_memory()
        opened = stack.enter_context(way.open(program, capture, request))
        memory = _memory(opened, capture, memory_before)
        raised_before = procfs.irq_work()
        with consuming(capture, opened.drain, config.consumer), program.attached():
            _stall(capture, config)
            generator.go()
            report = generator.wait(config.storm.seconds + _GRACE_S)
        lost_told = opened.lost_told()
        raised = _raised(raised_before, procfs.irq_work())
        account = program.read_counters()
        runs_after = bpf_call.run_time(program_fd)
    records = captured(capture)
    book = ledger.balance(records, account, report.reaped)
    if capture.malformed:
        book = replace(
            book, residues=(*book.residues, f"{capture.malformed} records were malformed")
        )
    own_exits = sum(counts.own_exits for counts in account)
    cost = Cost(
        storm_ns=report.end_ns - report.start_ns,
        delivered=book.delivered,
        attempted=book.attempted,
        kernel_runs=runs_after[0] - runs_before[0] if config.kernel_stats else None,
        kernel_run_ns=runs_after[1] - runs_before[1] if config.kernel_stats else None,
        consumer_cpu_ns=capture.cpu_ns,
        consumer_voluntary_switches=capture.voluntary_switches,
        consumer_involuntary_switches=capture.involuntary_switches,
        wakeups_taken=capture.wakeups_taken,
        wakeups_raised=raised,
    )
    fields = {
        "ledger": book,
        "ordering": ordering.examine(records),
        "latency": latency.measure(records),
        "memory": memory,
        "cost": cost,
        "lost_told": lost_told,
    }
    return _Outcome(report, sum(counts.exits for counts in account) - own_exits, fields)


def captured(capture: Capture) -> Records:
    """The records as an array that shares the capture's memory; CaptureFull if it was too small."""
    if capture.overflow:
        raise CaptureFull(
            f"the capture array of {capture.capacity} records was full: "
            f"{capture.overflow} more came",
            remedy="a process outside the storm made most of them; quieten the machine",
        )
    rows: Records = np.frombuffer(memoryview(capture), dtype=CAPTURED, count=capture.count)
    return rows


def _stall(capture: Capture, config: TrialConfig) -> None:
    consumer = config.consumer
    if consumer.stall_ms:
        start = time.monotonic_ns() + int(consumer.stall_after_ms * 1e6)
        capture.stall_between(start, start + int(consumer.stall_ms * 1e6))


def _memory(opened: transport.Opened, capture: Capture, before: procfs.ProcessMemory) -> Memory:
    now = procfs.process_memory()
    return Memory(
        footprint=opened.footprint,
        observed=Observed(
            rss_bytes=now.rss_bytes - before.rss_bytes,
            pinned_bytes=now.pinned_bytes - before.pinned_bytes,
            memlock_bytes=procfs.fd_info(opened.map_fd).memlock_bytes,
            memcg_bytes=None,
            mapped_bytes=capture.mapped_bytes,
        ),
    )


def _raised(before: dict[int, int] | None, after: dict[int, int] | None) -> int | None:
    if before is None or after is None:
        return None
    return sum(after.values()) - sum(before.values())
