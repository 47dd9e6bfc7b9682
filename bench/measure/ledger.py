# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Balance the ledger: every attempt was delivered or counted as dropped; else, say why not.

Records that are overwritten before they are read are not counted as it happens: the consumer counts
the bytes that it found overwritten, and missing sequence numbers show which records they were. Both
have to agree.

Torn records were delivered, but are not what a program meant to send (bpf/common/checked.h): they
are left out of what is measured, and counted separately.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from bench.amounts import counted
from bench.host.threads import beside
from bench.measure.columns import Integers, blocks
from bench.record.counters import CpuCounters
from bench.record.layout import CHECKSUM_BYTES
from bench.record.records import CAPTURED, RECORD, Flag, Records

_CPUS: Final = 1 << 16  # as many as the record's field can name
_SEQUENCE_BITS: Final = 32
_NONE: Final = 1 << _SEQUENCE_BITS  # after every sequence number
OVERWRITTEN: Final = "overwritten"  # a cause of drops
_HEADER_BYTES: Final = 8  # of a ring's record
_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)
_WORDS: Final = RECORD.itemsize // 8
_TURN: Final = np.uint64(5)
_REST: Final = np.uint64(59)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Hold one trial's account, in records (``exits``, ``reaped`` and ``missed``: in processes)."""

    attempted: int
    delivered: int
    dropped: int
    dropped_by_cause: dict[str, int]
    own_exits: int
    own_attempted: int
    own_delivered: int
    own_dropped: int
    reaped: int | None  # None: no generator, nothing to check own exits against
    missed: int
    residues: tuple[str, ...]  # what does not add up, in words; () when balanced
    torn: int | None = None  # of those delivered, not what was sent; None: not checked

    @property
    def balanced(self) -> bool:
        """Return whether the trial is a result."""
        return not self.residues

    @property
    def lossless(self) -> bool:
        """Return whether none of the storm's own records was dropped."""
        return not self.own_dropped


def balance(
    records: Records,
    counters: Sequence[CpuCounters],
    reaped: int | None = None,
    *,
    torn: int | None = None,
    in_kernel: Mapping[int, tuple[int, int]] | None = None,
    preemptible: bool = False,
    faults: Iterable[str] = (),
) -> Ledger:
    """Account for one trial: its delivered records against what BPF and the generator counted.

    ``reaped`` is the generator's count of processes waited for. Nothing is raised: what does not
    add up becomes a residue, one sentence each. ``missed`` exits are not a residue, unless
    negative: the kernel skipped the tracer, whatever the transport.

    ``torn`` records were delivered beside ``records``, each in place of one that was attempted;
    nothing in them is trusted, not even their CPU. The records of a CPU come in any order from
    programs that are ``preemptible``. Where exits were counted ``in_kernel``, by CPU (all, the
    storm's own), these are what was delivered, without sequence numbers. ``faults`` found elsewhere
    are residues too.
    """
    found = _find(records, checked=torn is not None)
    found.preemptible = preemptible
    for number, (all_of_cpu, own) in (in_kernel or {}).items():
        found.delivered[number] += all_of_cpu
        found.own_delivered[number] += own
    delivered = int(found.delivered.sum()) + (torn or 0)
    own_delivered = int(found.own_delivered.sum())
    causes: Counter[str] = Counter()
    for cpu in counters:
        causes.update(cpu.dropped)
    attempted = sum(cpu.attempted for cpu in counters)
    dropped = causes.total()
    own_exits = sum(cpu.own_exits for cpu in counters)
    own_attempted = sum(cpu.own_attempted for cpu in counters)
    own_dropped = sum(sum(cpu.own_dropped.values()) for cpu in counters)
    missed = 0 if reaped is None else reaped - own_exits
    own_delivered += _astray(own_attempted, own_delivered, own_dropped, torn)
    residues = [
        *_sum_residue("all CPUs", attempted, delivered, dropped),
        *_sum_residue("all CPUs, the storm's own", own_attempted, own_delivered, own_dropped),
        *_cpu_residues(records, found, counters, torn),
    ]
    if found.damaged:
        residues.append(
            f"{counted(found.damaged, 'record')} did not arrive whole: length or padding is not "
            "what was sent"
        )
    if missed < 0:
        residues.append(f"the generator reaped {reaped:,} processes, but {own_exits:,} were traced")
    return Ledger(
        attempted=attempted,
        delivered=delivered,
        dropped=dropped,
        dropped_by_cause=dict(causes),
        own_exits=own_exits,
        own_attempted=own_attempted,
        own_delivered=own_delivered,
        own_dropped=own_dropped,
        reaped=reaped,
        missed=missed,
        residues=(*residues, *faults),
        torn=torn,
    )


def overwritten(
    records: Records,
    counters: Sequence[CpuCounters],
    overwritten_bytes: int | None,
    lengths: Sequence[int],
) -> tuple[Sequence[CpuCounters], tuple[str, ...]]:
    """Return the counters with one more cause, and what does not add up, in words.

    Counters are unchanged where nothing is ever overwritten (None).
    ``lengths`` are those of records in the order of their numbers, over and over. Which records
    were refused is not known: where some were and lengths differ, the bytes lie between two bounds.
    """
    if overwritten_bytes is None:
        return counters, ()
    own = (records["flags"] & np.uint16(Flag.OWN)) != 0
    sizes = np.array([(length + _HEADER_BYTES + 7) & ~7 for length in lengths])
    found, missing_bytes, refused = [], 0, 0
    for cpu in counters:
        here = records["cpu"] == cpu.cpu
        lost = cpu.attempted - int(here.sum()) - sum(cpu.dropped.values())
        own_lost = cpu.own_attempted - int((here & own).sum()) - sum(cpu.own_dropped.values())
        kinds = records["sequence"][here] % np.uint32(len(sizes))
        delivered = np.bincount(kinds, minlength=len(sizes))
        attempted = (cpu.attempted + np.arange(len(sizes))[::-1]) // len(sizes)
        missing_bytes += int(((attempted - delivered) * sizes).sum())
        refused += sum(cpu.dropped.values())
        found.append(
            replace(
                cpu,
                dropped=cpu.dropped | ({OVERWRITTEN: lost} if lost > 0 else {}),
                own_dropped=cpu.own_dropped | ({OVERWRITTEN: own_lost} if own_lost > 0 else {}),
            )
        )
    least, most = (missing_bytes - refused * int(size) for size in (sizes.max(), sizes.min()))
    if least <= overwritten_bytes <= most:
        return tuple(found), ()
    span = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    fault = (
        f"the consumer found {overwritten_bytes:,} bytes overwritten, but records of {span} "
        "are missing"
    )
    return tuple(found), (fault,)


def _astray(attempted: int, delivered: int, dropped: int, torn: int | None) -> int:
    """Return how many records of a part, such as a CPU's, were torn: those missing there.

    At most ``torn``, so that all others that are missing stay a residue.
    """
    return min(max(attempted - delivered - dropped, 0), torn or 0)


@dataclass(slots=True)
class _Found:
    """Hold what one pass over the records found, by CPU number."""

    delivered: Integers = field(default_factory=lambda: np.zeros(_CPUS, np.int64))
    own_delivered: Integers = field(default_factory=lambda: np.zeros(_CPUS, np.int64))
    first: Integers = field(default_factory=lambda: np.full(_CPUS, _NONE, np.int64))  # sequence
    last: Integers = field(default_factory=lambda: np.full(_CPUS, -1, np.int64))
    unsorted: set[int] = field(default_factory=set)  # CPUs whose sequence numbers decrease
    damaged: int = 0
    preemptible: bool = False

    def then(self, later: _Found) -> _Found:
        """Combine two parts of a capture, of which ``later`` was delivered second."""
        return _Found(
            delivered=self.delivered + later.delivered,
            own_delivered=self.own_delivered + later.own_delivered,
            first=np.minimum(self.first, later.first),
            last=np.maximum(self.last, later.last),
            unsorted=self.unsorted
            | later.unsorted
            | set(np.flatnonzero(later.first <= self.last).tolist()),
            damaged=self.damaged + later.damaged,
        )


def _find(records: Records, *, checked: bool) -> _Found:
    # numpy releases the interpreter's lock, so that the halves are read in parallel.
    middle = len(records) // 2
    with beside(partial(_find_in, records[middle:], checked=checked), name="ledger") as later:
        return _find_in(records[:middle], checked=checked).then(later.result())


def _find_in(records: Records, *, checked: bool) -> _Found:
    """Count records; of ``checked`` ones a checksum takes the place of the number's copy."""
    found = _Found()
    for rows in blocks(records):
        cpu = np.ascontiguousarray(rows["cpu"])
        sequence = np.ascontiguousarray(rows["sequence"])
        counts = np.bincount(cpu)
        found.delivered[: len(counts)] += counts
        own = np.bincount(cpu[(rows["flags"] & np.uint16(Flag.OWN)) != 0])
        found.own_delivered[: len(own)] += own
        found.damaged += _damaged(rows, None if checked else sequence)
        # By CPU, the order of delivery kept: a radix sort, since the numbers have 16 bits.
        order = np.argsort(cpu, kind="stable")
        keys = cpu[order].astype(np.int64)
        keys <<= _SEQUENCE_BITS
        keys |= sequence[order]
        present = np.flatnonzero(counts)
        ends = np.cumsum(counts[present])
        first, last = sequence[order[ends - counts[present]]], sequence[order[ends - 1]]
        found.unsorted.update(present[first <= found.last[present]].tolist())
        found.unsorted.update((keys[1:][keys[1:] <= keys[:-1]] >> _SEQUENCE_BITS).tolist())
        # Where a CPU's numbers decrease these are not its extremes: it is examined again.
        found.first[present] = np.minimum(found.first[present], first)
        found.last[present] = np.maximum(found.last[present], last)
    return found


def _damaged(rows: Records, sequence: npt.NDArray[np.uint32] | None) -> int:
    """Count records whose length or, unless None, copy of the sequence number is not as sent."""
    length = np.ascontiguousarray(rows["length"])
    arrived = np.ascontiguousarray(rows["arrived_bytes"])
    bad = (arrived < length) | (length < RECORD.itemsize)
    if sequence is not None:
        bad |= rows["tail"] != np.where(length > RECORD.itemsize, sequence, np.uint32(0))
    bad |= arrived - length >= 8  # perf counts up to 7 bytes of its own padding
    return int(np.count_nonzero(bad))


def _cpu_residues(
    records: Records, found: _Found, counters: Sequence[CpuCounters], torn: int | None
) -> Iterator[str]:
    counted = Counter(cpu.cpu for cpu in counters)
    for number, times in counted.items():
        if times > 1:
            yield f"CPU {number}: counted {times} times over"
    for number in np.flatnonzero(found.delivered).tolist():
        if number not in counted:
            yield f"CPU {number}: {found.delivered[number]:,} delivered, but no counters"
    for cpu in counters:
        delivered = int(found.delivered[cpu.cpu])
        own_delivered = int(found.own_delivered[cpu.cpu])
        dropped, own_dropped = sum(cpu.dropped.values()), sum(cpu.own_dropped.values())
        astray = _astray(cpu.attempted, delivered, dropped, torn)
        delivered += astray
        own_delivered += _astray(cpu.own_attempted, own_delivered, own_dropped, astray)
        own = f"CPU {cpu.cpu}, the storm's own"
        yield from _sum_residue(f"CPU {cpu.cpu}", cpu.attempted, delivered, dropped)
        yield from _sum_residue(own, cpu.own_attempted, own_delivered, own_dropped)
        yield from _sequence_residues(records, found, cpu, dropped, astray)
        for what, part, whole in (
            ("exits", cpu.own_exits, cpu.exits),
            ("attempts", cpu.own_attempted, cpu.attempted),
            ("drops", own_dropped, dropped),
        ):
            if part > whole:
                yield f"{own}: {part:,} {what}, but {whole:,} of all processes"
        if cpu.own_exits > cpu.own_attempted:
            yield f"{own}: {cpu.own_exits:,} exits, but only {cpu.own_attempted:,} attempts"


def _sequence_residues(
    records: Records, found: _Found, cpu: CpuCounters, dropped: int, torn: int
) -> Iterator[str]:
    distinct, repeated, beyond, late = int(found.delivered[cpu.cpu]), 0, 0, 0
    if cpu.cpu in found.unsorted or found.last[cpu.cpu] >= max(cpu.attempted, 0):
        numbers = records["sequence"][records["cpu"] == cpu.cpu]
        late = int(np.count_nonzero(numbers < np.maximum.accumulate(numbers)))
        numbers.sort()
        inside = numbers[: np.searchsorted(numbers, cpu.attempted)]
        beyond = len(numbers) - len(inside)
        repeated = int(np.count_nonzero(inside[1:] == inside[:-1]))
        distinct = len(inside) - repeated
    if beyond:
        yield f"CPU {cpu.cpu}: {beyond:,} sequence numbers beyond the {cpu.attempted:,} attempted"
    if repeated:
        yield f"CPU {cpu.cpu}: {repeated:,} sequence numbers delivered more than once"
    if late and not found.preemptible:
        yield (
            f"CPU {cpu.cpu}: {counted(late, 'record')} delivered after a later one of the same CPU"
        )
    gaps = cpu.attempted - distinct
    if gaps != dropped + torn:
        lost = f"{dropped:,} dropped" + (f" and {torn:,} torn" if torn else "")
        yield f"CPU {cpu.cpu}: {gaps:,} gaps in the sequence numbers, but {lost}"


def _sum_residue(where: str, attempted: int, delivered: int, dropped: int) -> Iterator[str]:
    if attempted != delivered + dropped:
        yield (
            f"{where}: {attempted:,} attempted, but {delivered:,} delivered + {dropped:,} dropped"
            f" = {delivered + dropped:,}"
        )


def checksums(records: Records) -> npt.NDArray[np.uint64]:
    """Return the checksum of each record, over all words that the tracer sent before it.

    Each word is rotated and multiplied into the next, so that their order matters too.
    """
    words = np.ascontiguousarray(records).view("<u8").reshape(-1, CAPTURED.itemsize // 8)
    found = np.zeros(len(words), np.uint64)
    for place in range(_WORDS):
        found = ((found << _TURN | found >> _REST) ^ words[:, place]) * _FACTOR
    return found


def intact(records: Records) -> Records:
    """Return the checked records that arrived as they were sent, in the order of delivery.

    All others are torn: their checksum does not match, or they are a copy of an earlier record in
    the same memory, sent in place of the program's own.
    """
    upper = (checksums(records) >> np.uint64(32)).astype(np.uint32)  # that the capture kept
    whole = records["length"] == RECORD.itemsize + CHECKSUM_BYTES
    places = np.flatnonzero(whole & (records["tail"] == upper))
    names = records["cpu"][places].astype(np.uint64) << np.uint64(32)
    names |= records["sequence"][places]
    _, first = np.unique(names, return_index=True)
    if len(first) == len(records):
        return records
    found: Records = records[places[np.sort(first)]]
    return found
