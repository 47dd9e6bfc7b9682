# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run a duet: two arms live in one storm, whose exits the kernel gives to one of them at random.

Each arm is a whole tracer with its own counters and buffers, so that each has its own ledger. One
consumer drains the buffers of both. Which arm's buffers it visits first, and which arm is the
marked one of the two programs between which a hash chooses, change from block to block: identical
arms differ slightly by where their code lies, and this affects both alike. Solo, each arm has its
own storm, consumer and CPU time, under the same programs.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from bench.amounts import counted
from bench.errors import MachineUnfit, UsageError
from bench.measure import cost, duet, latency, ledger
from bench.measure.ledger import Ledger
from bench.plan.config import Duet, Reader
from bench.plan.experiments import Arm
from bench.record.counters import CpuCounters, WriteTimes
from bench.record.footprint import Memory
from bench.record.records import Records
from bench.tracer import chooser, settings, transports
from bench.tracer.capture import Capture
from bench.tracer.consumer import consuming
from bench.tracer.program import Program
from bench.tracer.transport import Opened
from bench.trial.observation import Passage
from bench.trial.observe import captured, open_buffers, pass_storm, raw_cost
from bench.trial.result import Half, TrialResult
from bench.trial.rig import Rig
from bench.trial.run import Slot, begin, end, judged

_FEWEST_CPUS: Final = 2

Arms = tuple[Arm, Arm]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """Hold the counts of one arm."""

    counters: tuple[CpuCounters, ...]
    writes: WriteTimes
    memory: Memory
    reading_ns: int | None  # None: it has no buffers that the consumer reads
    overwritten_bytes: int | None
    in_kernel: Mapping[int, tuple[int, int]] | None  # counts that replace records
    lengths: tuple[int, ...]


def require_cpus(usable: int) -> None:
    """Raise MachineUnfit if there are too few CPUs for a duet."""
    if usable < _FEWEST_CPUS:
        raise MachineUnfit(
            "a duet needs 2 usable CPUs: on one, its consumer runs only when the storm does not",
            remedy="run the arms one after the other, with --assign solo",
        )


def run_duet(rig: Rig, arms: Arms, place: Slot, seed: int) -> tuple[TrialResult, TrialResult]:
    """Run one storm under both arms, or solo one under each; return a trial of each.

    UsageError for arms that cannot share a storm, MachineUnfit if only one CPU is usable.
    """
    rule = _rule(arms)
    if not rule.solo:
        require_cpus(len(rig.usable))
    key = random.Random(f"{seed} {place.experiment} {place.block}").getrandbits(63)
    visit, swapped = ((1, 0) if place.block & 1 else (0, 1)), bool(place.block & 2)
    found: dict[int, TrialResult] = {}
    for present in [(index,) for index in visit] if rule.solo else [visit]:
        found |= _storm(rig, arms, rule, place, key=key, present=present, swapped=swapped)
    return found[0], found[1]


def _storm(
    rig: Rig,
    arms: Arms,
    rule: Duet,
    place: Slot,
    *,
    key: int,
    present: Sequence[int],
    swapped: bool,
) -> dict[int, TrialResult]:
    """Run one storm under the arms that are ``present``; return the trial of each."""
    start, lead = begin(rig), arms[min(present)]
    capture = rig.capture(lead.config)
    passage, sides = _observe(rig, arms, rule, key, capture, visit=present, swapped=swapped)
    counters = [each for side in sides.values() for each in side.counters]
    trial = end(rig, start, lead, place, passage, counters=counters)
    every = captured(capture)
    undated = latency.clock_faults(every, passage.storm)
    malformed = capture.malformed + capture.misdated
    records = duet.split(every, swapped=swapped)
    whole, books = _ledgers(sides, records, passage.storm.reaped, undated, malformed)
    trial = judged(trial, whole)
    kept = [duet.kept(each, rule) for each in records]
    ranks = duet.ranks(kept[0], kept[1], rule) if whole.balanced else None
    raw = raw_cost(capture, lead.config, passage)
    return {
        index: replace(
            trial,
            arm=arms[index].name,
            position=(place.block + index) % 2,
            config=arms[index].config,
            ledger=book,
            latency=latency.measure(kept[index], every) if whole.balanced else None,
            memory=sides[index].memory,
            cost=cost.measured(
                raw, records[index], delivered=book.delivered, attempted=book.attempted
            )
            if rule.solo and whole.balanced
            else None,
            write=sides[index].writes,
            half=Half(
                second=bool(index),
                key=key,
                swapped=swapped,
                ranks=ranks,
                washed_out=len(records[index]) - len(kept[index]),
                wakeups_raised=passage.wakeups_raised,
                reading_ns=sides[index].reading_ns,
                latency_by_age=duet.latency_by_age(records[index], rule) if whole.balanced else (),
            ),
        )
        for index, book in books.items()
    }


def _rule(arms: Arms) -> Duet:
    """Return how the arms share a storm; UsageError if they cannot."""
    first, second = (arm.config for arm in arms)
    if {first.consumer.reader, second.consumer.reader} != {Reader.NATIVE}:
        raise UsageError(
            "another reader than bufbench's drains one transport, not the two of a duet",
            remedy="leave out --reader",
        )
    if first.duet is None:
        raise ValueError("these arms are not those of a duet")
    for each in ("duet", "storm") if first.duet.solo else ("duet", "storm", "consumer"):
        if getattr(first, each) != getattr(second, each):
            raise ValueError(f"the arms of a duet differ in {each}")
    return first.duet


def _observe(
    rig: Rig,
    arms: Arms,
    rule: Duet,
    key: int,
    capture: Capture,
    *,
    visit: Sequence[int],
    swapped: bool,
) -> tuple[Passage, dict[int, _Side]]:
    """Run the storm, without a bpf(2) call on a map while the tracers are attached."""
    config = arms[min(visit)].config
    programs = {
        index: _program(rig, arms[index], marked=bool(index) != swapped) for index in sorted(visit)
    }
    picker = rig.built(chooser.BUILD)
    rig.hold(picker)
    capture.time_visits()
    with ExitStack() as stack:
        chosen = [programs.get(index, programs[visit[0]]) for index in (0, 1)]
        chooser.set_up(picker, chosen[:: -1 if swapped else 1], rule, key=key)
        generator = stack.enter_context(rig.generator(config.storm))
        opened: dict[int, tuple[Opened, Memory, range]] = {}
        for index in visit:
            first = capture.buffer_count
            chooser.zero_write_times(programs[index])
            buffers, memory = open_buffers(
                rig,
                arms[index].config,
                programs[index],
                capture,
                session=generator.session,
                stack=stack,
            )
            opened[index] = buffers, memory, range(first, capture.buffer_count)
        with ExitStack() as running:
            running.enter_context(consuming(capture, buffers.drain, config.consumer))  # drains both
            running.enter_context(picker.attached())
            passage = pass_storm(rig, config, picker, generator, running=running)
        return passage, {
            index: _Side(
                counters=tuple(programs[index].read_counters()),
                writes=chooser.write_times(programs[index], rule),
                memory=memory,
                reading_ns=capture.reading_ns(own.start, own.stop) if own else None,
                overwritten_bytes=buffers.overwritten_bytes(),
                in_kernel=buffers.counted(),
                lengths=settings.lengths(arms[index].config.producer),
            )
            for index, (buffers, memory, own) in sorted(opened.items())
        }


def _program(rig: Rig, arm: Arm, *, marked: bool) -> Program:
    """Return the arm's tracer; one of a pair is marked, so that each has its own counters."""
    macros = chooser.MACROS | ({"SECOND_ARM": 1} if marked else {})
    return rig.program_for(transports.find(arm.config.transport), arm.config, macros)


def _ledgers(
    sides: Mapping[int, _Side],
    records: tuple[Records, Records],
    reaped: int,
    undated: Sequence[str],
    malformed: int,
) -> tuple[Ledger, dict[int, Ledger]]:
    """Return the ledger of the storm, which decides whether it counts, and of each arm."""
    books = {}
    for index, side in sides.items():
        counters, lost = ledger.overwritten(
            records[index], side.counters, side.overwritten_bytes, side.lengths
        )
        books[index] = ledger.balance(
            records[index], counters, in_kernel=side.in_kernel, faults=lost
        )
    residues = [
        f"{('first', 'second')[index]} arm: {each}"
        for index, book in books.items()
        for each in book.residues
    ]
    residues += undated
    if strays := sum(len(each) for index, each in enumerate(records) if index not in books):
        residues.append(
            f"{counted(strays, 'record carries', 'records carry')} the mark of an arm that "
            "was not there"
        )
    if malformed:
        residues.append(f"malformed or misdated records or visits: {malformed:,}")
    own_exits = sum(book.own_exits for book in books.values())
    if own_exits > reaped:
        residues.append(f"{reaped:,} reaped, but {own_exits:,} traced")
    whole = replace(
        next(iter(books.values())),
        own_attempted=sum(book.own_attempted for book in books.values()),
        reaped=reaped,
        missed=reaped - own_exits,
        residues=tuple(residues),
    )
    return whole, {
        index: replace(book, missed=whole.missed, residues=whole.residues)
        for index, book in books.items()
    }
