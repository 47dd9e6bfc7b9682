# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Plan a sizing: a load as people describe it, its storm, and the budgets to try."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count, takewhile
from math import ceil
from typing import Final

from bench.amounts import size
from bench.errors import UsageError, check_range
from bench.linux.pages import PAGE_BYTES
from bench.plan import budgets, mix
from bench.plan.config import Consumer, Producer, TrialConfig
from bench.plan.duration import MOST_PER_S, nominal_rate_per_s
from bench.plan.experiments import Arm, ArmName, Experiment
from bench.plan.traits import Traits
from bench.questions.transports.profiles import sized
from bench.record import footprint
from bench.record.layout import RECORD_BYTES, ROW
from bench.tracer.transports import find
from workloads.storm import Gap, Shape, Spawn, Storm

LARGEST_BYTES: Final = 1 << 30
"""Budgets beyond this are not tried."""

_MOST_RECORDS_PER_S: Final = 20e6  # more than any consumer reads; bounds the capture's memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Describe the load that a buffer must hold. :func:`check` returns whether it makes sense."""

    rate_per_s: float = 0.0  # exits; 0: as fast as they can, or a burst
    burst: int = 0  # processes that exit at once; 0: no bursts
    record_bytes: int = RECORD_BYTES  # the longest
    mix: tuple[int, ...] = ()  # padding of 16 records in turn; empty: all alike
    records_per_exit: int = 1
    stall_ms: float = 50.0  # once a storm, at its worst moment, nothing is read for this long
    seconds: float = 0.2  # of storm besides the stall
    replay: Storm | None = None  # that follows a profile, instead of a rate or a burst

    @property
    def payload_bytes(self) -> int:
        """Return the padding that makes the tracer's record at least as long."""
        return mix.payload_bytes(self.record_bytes)


def sending(load: Load, turns: tuple[int, ...]) -> Load:
    """Return ``load`` with records padded in turn, as by :func:`bench.plan.mix.turns`."""
    mixed = turns if len({*turns}) > 1 else ()
    return replace(load, record_bytes=RECORD_BYTES + max(turns), mix=mixed)


def check(load: Load) -> Load:
    """Return ``load`` if it makes sense; raise UsageError, naming the option, if not."""
    if load.rate_per_s and load.burst:
        raise UsageError("a load has a rate or a burst", remedy="leave --rate or --burst out")
    check_range("--rate", load.rate_per_s, 0.0, MOST_PER_S)
    check_range("--burst", load.burst, 0, 1_000_000)
    check_range("--record-size", load.record_bytes, RECORD_BYTES, RECORD_BYTES + 4096)
    check_range("--records", load.records_per_exit, 1, 1_000)
    check_range("--stall", load.stall_ms, 0.0, 60_000.0)
    check_range("--seconds", load.seconds, 0.05, 60.0)
    return load


def config(load: Load, cpus: int) -> TrialConfig:
    """Return the trial that puts ``load`` on a buffer, without transport and budget.

    The stall begins with the first exit of a burst, and half-way through any other storm.
    """
    stall_after_ms = 0.0
    if load.replay is not None:
        storm = load.replay
        stall_after_ms = storm.schedule.index(max(storm.schedule)) * storm.bin_ms
    elif load.burst:
        storm = Storm(shape=Shape.BURST, workers=1, spawn=Spawn.FORK, burst_size=load.burst)
        storm = sized(storm, seconds=load.seconds)
        # Forking a large burst takes a while, and is not measured.
        limit_s = 30.0 + load.stall_ms / 1e3 + 10 * storm.count / nominal_rate_per_s(storm)
        storm = replace(storm, seconds=min(limit_s, 3_600.0))
    else:
        stall_after_ms = load.seconds * 1e3 / 2
        seconds = load.seconds + load.stall_ms / 1e3
        most_per_s = min(MOST_PER_S, _MOST_RECORDS_PER_S / load.records_per_exit)
        if load.rate_per_s:
            most_per_s = 2 * load.rate_per_s  # time is to end the storm, not its count
        storm = Storm(
            workers=max(2, cpus),
            spawn=Spawn.VFORK,
            rate_per_s=load.rate_per_s,
            gap=Gap.EXPONENTIAL,  # as independent processes end
            count=ceil(most_per_s * seconds) + 100,
            seconds=seconds,
            timed=True,
        )
    return TrialConfig(
        transport="none",
        budget_bytes=0,
        storm=storm,
        producer=Producer(
            payload_bytes=load.payload_bytes,
            mix=load.mix,
            records_per_exit=load.records_per_exit,
        ),
        consumer=Consumer(stall_after_ms=stall_after_ms, stall_ms=load.stall_ms),
    )


def stored_bytes(way: Traits, producer: Producer) -> int:
    """Return the mean space of a record in a buffer, its header included."""
    return way.stored_bytes(mix.mean_payload_bytes(producer))


def capture_bytes(chosen: TrialConfig) -> int:
    """Return the memory for all records of one trial."""
    return chosen.storm.most_processes * chosen.producer.records_per_exit * ROW.size


def rungs_bytes(
    transport: str, load: Load, *, cpus: int, most_bytes: int, limit_bytes: int | None = None
) -> tuple[int, ...]:
    """Return every budget that ``transport`` can have, ascending up to ``most_bytes``.

    Each is twice the previous one: a ring is a power of two of pages, and so is the perf buffer
    of each CPU. ``limit_bytes`` bounds the buffers, including their own pages. UsageError if
    there is none.
    """
    way = find(transport)
    buffers = way.buffers(cpus)
    sizes = (buffers * PAGE_BYTES << step for step in count())
    found = tuple(
        each
        for each in takewhile(lambda each: each <= most_bytes, sizes)
        if way.holds(load.payload_bytes, each // buffers)
        and (limit_bytes is None or _taken_bytes(way, each, cpus) <= limit_bytes)
    )
    if not found:
        within, remedy = f"of up to {size(most_bytes)}", "a machine with more memory"
        if limit_bytes is not None:
            within, remedy = f"within {size(limit_bytes)}", "more --memory"
        raise UsageError(
            f"no {transport} {within} can hold such records",
            remedy=f"take a smaller --record-size, or {remedy}",
        )
    return found


def _taken_bytes(way: Traits, data_bytes: int, cpus: int) -> int:
    """Return the memory of buffers that hold ``data_bytes`` together, by formula."""
    buffers = way.buffers(cpus)
    if way.in_pages:
        made = footprint.perfbuf_footprint(data_bytes // buffers // PAGE_BYTES, cpus=buffers)
    else:
        made = footprint.ringbuf_footprint(data_bytes, rings=buffers)
    return made.physical_bytes


def experiment(
    name: str, chosen: TrialConfig, rungs: Iterable[tuple[str, int]], blocks: int
) -> Experiment:
    """Interleave storms of ``chosen`` at each of ``rungs`` (transport, budget in bytes)."""
    arms = tuple(
        Arm(
            name=ArmName(transport, budgets.label(size)),
            config=replace(chosen, transport=transport, budget_bytes=size),
        )
        for transport, size in rungs
    )
    title = "What is the least budget at which this load loses nothing?"
    return Experiment(name=name, title=title, arms=arms, blocks=blocks)
